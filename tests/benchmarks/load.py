"""The compiled load of load.c: made once into build/, and run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("load.c")
PROGRAM = Path(__file__).parents[2] / "build" / "bench" / "load"
NO_COMPILER = "no C compiler (cc) here: what needs the compiled load is left out"

Figures = dict[str, Any]


def compiled() -> Path | None:
    """The program, made anew if its source is newer; None without a compiler."""
    compiler = shutil.which("cc")
    if PROGRAM.exists() and PROGRAM.stat().st_mtime >= SOURCE.stat().st_mtime:
        return PROGRAM
    if compiler is None:
        return None
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    made = PROGRAM.with_suffix(f".{os.getpid()}")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(made), str(SOURCE)], check=True)
    made.replace(PROGRAM)
    return PROGRAM


class Load:
    """One run. `ready()` returns once all clients are there (with `quit=0`); `figures()` at its
    end. Raises AssertionError with what the program says when it fails."""

    def __init__(self, **options: float | str) -> None:
        self._options = [f"{key}={value}" for key, value in options.items()]
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        program = compiled()
        assert program is not None, NO_COMPILER
        self.process = await asyncio.create_subprocess_exec(
            program, *self._options, stdin=PIPE, stdout=PIPE, stderr=None, limit=1 << 22
        )

    async def line(self) -> Figures:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, f"the load ended: {' '.join(self._options)}"
        return dict(json.loads(line))

    async def end(self) -> None:
        """Let go clients that stay."""
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                async with asyncio.timeout(5.0):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def run(**options: float | str) -> Figures:
    """Run to the end, and return the figures."""
    load = Load(**options)
    await load.start()
    try:
        return await load.line()
    finally:
        await load.end()


__all__ = ["NO_COMPILER", "Figures", "Load", "compiled", "run"]
