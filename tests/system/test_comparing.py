"""Pairing by a code that people compare: both programs, and a person at each."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from relay.link.security.pairing import load_hub
from tests.doubles.running_hub import running_hub

pytestmark = pytest.mark.asyncio
CODE = re.compile(r"^ {2}(\S{3}-\S{3})$", re.M)
LIMIT_S = 40.0


class Terminal:
    """One program, with somebody who reads what it says and types."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Terminal:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        )

    async def until(self, pattern: re.Pattern[str]) -> str:
        out = self._process.stdout
        assert out is not None
        async with asyncio.timeout(LIMIT_S):
            while (found := pattern.search(self.said)) is None:
                more = await out.read(4096)
                assert more, f"it ended with: {self.said}"
                self.said += more.decode()
        return found[found.lastindex or 0]

    def types(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    async def ends(self) -> int:
        out = self._process.stdout
        assert out is not None
        async with asyncio.timeout(LIMIT_S):
            self.said += (await out.read()).decode()
            return await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@pytest.mark.parametrize("same", [True, False])
async def test_two_programs_pair_by_a_code_that_people_compare(tmp_path: Path, same: bool) -> None:
    attic, answer = tmp_path / "attic", "y\n" if same else "n\n"
    async with running_hub(tmp_path / "hub", ()) as hub:
        (port,) = re.findall(r":(\d+)", hub.url.replace("http://", ""))
        at_hub = await Terminal.start("forwarder", "pair", "--code", "--state", str(hub.folder))
        at_relay = None
        try:
            await at_hub.until(re.compile("Waiting"))
            at_relay = await Terminal.start(
                "relay", "pair", "--at", f"ws://127.0.0.1:{port}", "--name", "Attic",
                "--state", str(attic),
            )  # fmt: skip
            code = await at_relay.until(CODE)
            assert await at_hub.until(CODE) == code
            at_relay.types("y\n")
            at_hub.types(answer)
            status = await at_relay.ends()
            assert (status == 0) is same, at_relay.said
            if same:
                assert await at_hub.ends() == 0
                assert "Attic has joined." in at_hub.said
            else:
                await at_hub.until(re.compile("Nothing is kept"))
                assert "a person said that the codes differ" in at_relay.said
        finally:
            for terminal in filter(None, (at_hub, at_relay)):
                await terminal.kill()
        kept = load_hub(attic / "hub.json") if same else None
        assert (kept is not None and kept.key == hub.app.trust.key.public) is same
        assert [relay.name for relay in hub.app.trust.book] == (["Attic"] if same else [])
        if not same:
            assert not (attic / "hub.json").exists()
