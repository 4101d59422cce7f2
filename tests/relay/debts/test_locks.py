from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from relay.debts.locks import Locks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")

HOLD = """
import sys
from pathlib import Path
from relay.debts.locks import Locks
locks = Locks(Path(sys.argv[1]))
print(locks.take("AA:BB"), flush=True)
sys.stdin.readline()
"""


def test_an_address_is_one_relays_until_it_lets_it_go(tmp_path: Path) -> None:
    one, other = Locks(tmp_path), Locks(tmp_path)
    assert one.take("AA:BB")
    assert one.take("AA:BB"), "it has it already"
    assert not other.take("AA:BB")
    assert other.take("CC:DD")
    one.drop("AA:BB")
    assert other.take("AA:BB")
    other.close()
    assert one.take("AA:BB")
    assert one.take("CC:DD")


def test_a_killed_relay_holds_nothing(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"True\n"
        assert not Locks(tmp_path).take("AA:BB")
        killed.kill()
    assert Locks(tmp_path).take("AA:BB")


def test_without_a_place_for_locks_every_address_is_free_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    locks = Locks(blocked / "locks")
    assert locks.take("AA")
    assert locks.take("BB")
    assert caplog.text.count("no locks") == 1
    assert Locks(None).take("AA")
