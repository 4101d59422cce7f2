"""The modules of the guest's page, as they are served, in node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from forwarder.web.pages import remote_files
from tests.forwarder.play.make_vectors import VECTORS
from tests.needs import needs

SCRIPT = Path(__file__).with_name("remote_modules.test.mjs")


def test_the_modules_of_the_guests_page_in_node(tmp_path: Path) -> None:
    node = needs("node", "nodejs")
    for name, content in remote_files().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(SCRIPT)],
        env={**os.environ, "REMOTE_PAGE": str(tmp_path), "PLAY_VECTORS": str(VECTORS)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 13" in done.stdout
