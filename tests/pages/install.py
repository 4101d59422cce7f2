"""Installs the package as its README says, from a fresh copy, into empty folders."""

from __future__ import annotations

import os
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
    """`programs`: the folder with `forwarder` and `relay`."""

    command: str
    programs: Path
    seconds: float


def checkout(folder: Path) -> Path:
    """What git has, without what lies about."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    return folder


def by_make(copy: Path) -> Installed:
    """What `make run` does before it runs."""
    programs = copy / ".venv" / "bin"
    took = _timed(["make", f"PYTHON={sys.executable}", ".venv/bin/.installed"], copy, {})
    return Installed("make run", programs, took)


def by_uv(copy: Path, folder: Path) -> Installed | None:
    """None where there is no uv, and none is to be had."""
    uv = shutil.which("uv")
    if uv is None:
        tools = folder / "tools"
        subprocess.run([sys.executable, "-m", "venv", str(tools)], check=True)
        got = subprocess.run([str(tools / "bin" / "pip"), "install", "-q", "uv"], check=False)
        if got.returncode:
            return None
        uv = str(tools / "bin" / "uv")
    programs = folder / "uv-bin"
    where = {"UV_TOOL_DIR": str(folder / "uv-tools"), "UV_TOOL_BIN_DIR": str(programs)}
    # Once to fill the cache: what a second of the user's programs would find.
    words = [uv, "tool", "install", "-q", "--python", sys.executable]
    _timed([*words, "."], copy, where)
    took = _timed([*words, "--force", "--reinstall", "."], copy, where)
    return Installed("uv tool install .", programs, took)


def _timed(words: list[str], folder: Path, more: Mapping[str, str]) -> float:
    begun = time.monotonic()
    subprocess.run(
        words, cwd=folder, env={**os.environ, **more}, check=True, timeout=INSTALL_S,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.monotonic() - begun
