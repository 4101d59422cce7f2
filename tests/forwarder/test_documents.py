"""The programs in docs/ run as they stand there."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from forwarder.connectors.websocket_server import WebSocketServer
from tests.doubles.hubs import SomeHub
from tests.forwarder.connectors.serving import serving

ROOT = Path(__file__).resolve().parents[2]


def programs(document: str) -> list[str]:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_client_of_ten_lines(tmp_path: Path) -> None:
    hub = SomeHub("hub")
    hub.add_toy()
    async with serving(WebSocketServer(port=0), hub.serve) as address:
        program = programs("python-client.md")[0].replace("127.0.0.1:12345", address)
        program = program.replace("seconds=5", "seconds=0.2").replace("sleep(1)", "sleep(0)")
        said = await asyncio.to_thread(run, program, tmp_path)
    assert said.startswith("Lovense Nora")
    assert hub.toys[0].calls == [("output", 0, "Vibrate", 10, 0), ("stop", None)]


def test_the_loop_over_events_compiles() -> None:
    compile(programs("python-client.md")[1], "python-client.md", "exec")


def test_the_embedded_hub(tmp_path: Path) -> None:
    (program,) = programs("embedding.md")
    said = run(program, tmp_path)
    assert re.match(r"apps connect to ws://127\.0\.0\.1:\d+\n", said)
    assert (tmp_path / "state").is_dir()


def test_the_table_of_roles_names_tests_that_exist() -> None:
    table = (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
    tests = (ROOT / "tests/forwarder/connectors/test_roles.py").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", table))
    assert len(named) == 6
    assert all(f"def {name}(" in tests for name in named)
