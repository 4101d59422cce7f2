"""Start `tests.doubles.fake_bluez` from a test, and read what it recorded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Set where everything that tests need has been installed: then nothing may be missing.
NEED_ALL = "FORWARDER_TESTS_NEED_ALL"

# Interpreter and imports on a loaded machine.
START_S = 20


def require_dbus_daemon() -> None:
    """Skip the calling test where there is no dbus-daemon."""
    if shutil.which("dbus-daemon") is None:
        missing = pytest.fail if os.environ.get(NEED_ALL) else pytest.skip
        missing("needs dbus-daemon (Debian: apt-get install dbus)")


@dataclass(slots=True)
class BluezProcess:
    """`address` is for DBUS_SYSTEM_BUS_ADDRESS of whoever shall use it."""

    process: Process
    address: str
    file: Path

    async def command(self, line: str) -> None:
        """Give one of its commands. Raises ValueError if it refuses."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        answer = (await self.process.stdout.readline()).decode().strip()
        if answer != "ok":
            raise ValueError(answer)

    def record(self) -> list[dict[str, Any]]:
        """What reached the toys so far."""
        whole = self.file.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


@contextlib.asynccontextmanager
async def bluez_process(names: str, file: Path) -> AsyncIterator[BluezProcess]:
    """BlueZ with the toys `names`, as a process; `file` gets its record."""
    require_dbus_daemon()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.doubles.fake_bluez", "--names", names, "--record", str(file)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
        name, _, address = line.partition("=")
        assert name == "DBUS_SYSTEM_BUS_ADDRESS", f"fake_bluez said {line!r}"
        yield BluezProcess(process, address, file)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
