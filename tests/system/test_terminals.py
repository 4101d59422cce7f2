"""What programs write on a real terminal: one that draws, one that does not, and its Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.processes import END_S, free_ports, until

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NAME = "🐙 Zuhause 👩‍👩‍👧"


class Seen:
    """What a program has written on the terminal, as far as it was read."""

    def __init__(self, screen: int) -> None:
        self._screen = screen
        os.set_blocking(screen, False)
        self._read = b""

    @property
    def text(self) -> str:
        try:
            while data := os.read(self._screen, 65536):
                self._read += data
        except (BlockingIOError, OSError):  # nothing more; on Linux EIO: nobody writes any more
            pass
        return self._read.decode(errors="replace")


def started(words: list[str], home: Path, term: str) -> tuple[subprocess.Popen[bytes], Seen]:
    screen, end = pty.openpty()
    environment = {
        **os.environ, "TERM": term, "NO_COLOR": "1", "HOME": str(home), "PYTHONUTF8": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdin=end, stdout=end, stderr=end, env=environment,
        start_new_session=True,
    )  # fmt: skip
    os.close(end)
    return process, Seen(screen)


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
async def test_no_colour_and_no_drawing_where_none_is_wanted(tmp_path: Path, term: str) -> None:
    client, link = map(str, free_ports(2))
    (tmp_path / "hub.toml").write_text(f'name = "{NAME}"\n', encoding="utf-8")
    ports = ["--port", client, "--link-port", link, "--https-port", "0"]
    files = ["--state", str(tmp_path / "hub"), "--config", str(tmp_path / "hub.toml")]
    dial = ["--hub", f"ws://127.0.0.1:{link}", "--simulate", "Lovense Edge"]
    hub, hub_seen = started(["forwarder", "run", *ports, *files], tmp_path, term)
    relay, relay_seen = started(
        ["relay", "run", *dial, "--name", NAME, "--state", str(tmp_path / "relay")], tmp_path, term
    )
    try:
        await until(lambda: f"{NAME}: connected" in hub_seen.text, "the hub shows the relay")
        await until(lambda: f"linked to {NAME}; ready" in relay_seen.text, "the relay says so")
        for process in (relay, hub):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            code = await asyncio.to_thread(process.wait, END_S)
            assert code == 0
    finally:
        for process in (relay, hub):
            process.kill()
            process.wait()
    for seen in (hub_seen, relay_seen):
        assert not COLOUR.search(seen.text)
        assert ("\x1b" in seen.text) == (term != "dumb")
        assert "Traceback" not in seen.text
