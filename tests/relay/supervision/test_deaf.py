"""What has to outlive its relay hears no signal."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from relay.supervision.deaf import DEAF_TO

DEAF = """
import sys
from relay.supervision.deaf import turn_deaf
turn_deaf()
print("deaf", flush=True)
sys.stdin.read()
print("over")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is nothing there that has to")
def test_a_process_that_turned_deaf_ends_by_itself_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEAF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "deaf\n"
        for name in DEAF_TO:
            process.send_signal(getattr(signal, name))
        assert process.communicate(timeout=10)[0] == "over\n"
        assert process.returncode == 0
