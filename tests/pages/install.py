"""Installs the package as its README says, from a fresh copy, into empty folders."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# On a slow network, with an empty cache.
INSTALL_S = 900.0


@dataclass(frozen=True, slots=True)
class Installed:
    """`programs`: the folder with `forwarder` and `relay`. `processor_s`: what a machine with
    nothing else to do would have taken, at least."""

    command: str
    programs: Path
    seconds: float
    processor_s: float


def checkout(folder: Path) -> Path:
    """What git has, without what lies about."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    return folder


def by_make(copy: Path) -> Installed:
    """What `make run` does before it runs."""
    programs = copy / ".venv" / "bin"
    took = _timed(["make", f"PYTHON={sys.executable}", ".venv/bin/.installed"], copy, {})
    return Installed("make run", programs, *took)


def by_uv(copy: Path, folder: Path, extra: str = "") -> Installed | None:
    """With an `extra` of the package, if a page needs one. None where there is no uv, and none is
    to be had."""
    uv = shutil.which("uv")
    if uv is None:
        tools = folder / "tools"
        uv = str(tools / "bin" / "uv")
        if not tools.exists():
            subprocess.run([sys.executable, "-m", "venv", str(tools)], check=True)
            got = subprocess.run([str(tools / "bin" / "pip"), "install", "-q", "uv"], check=False)
            if got.returncode:
                return None
    programs = folder / f"uv-bin{extra}"
    where = {"UV_TOOL_DIR": str(folder / f"uv-tools{extra}"), "UV_TOOL_BIN_DIR": str(programs)}
    what = f".[{extra}]" if extra else "."
    # Once to fill the cache: what a second of the user's programs would find.
    words = [uv, "tool", "install", "-q", "--python", sys.executable]
    _timed([*words, what], copy, where)
    took = _timed([*words, "--force", "--reinstall", what], copy, where)
    return Installed("uv tool install .", programs, *took)


def _timed(words: list[str], folder: Path, more: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of the clock, and of a processor."""
    begun, spent = time.monotonic(), _children_s()
    subprocess.run(
        words, cwd=folder, env={**os.environ, **more}, check=True, timeout=INSTALL_S,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.monotonic() - begun, _children_s() - spent


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
