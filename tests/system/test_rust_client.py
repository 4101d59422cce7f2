"""The official Rust client, unmodified, in a process of its own: all it can, and a lost server."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.system.js.clients import NodeClient
from tests.system.js.life import TOYS, sudden_end, whole_life
from tests.system.processes import house

# A cold cache: a hundred crates, two minutes on two cores of their own.
BUILD_S = 540.0
HERE = Path(__file__).parent / "rust"

pytestmark = [pytest.mark.rust, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def program() -> Path:
    """The client, built where builds are kept. Rust is not asked of anybody, CI included."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("cargo is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = cache / "buttplug-forwarder-tests" / "rust"
    command = [cargo, "build", "--locked", "--quiet", "--target-dir", str(target)]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if done.returncode:
        if "could not compile" in done.stderr:
            pytest.fail(done.stderr)
        pytest.skip(f"cargo cannot fetch the client: {done.stderr.strip()[-200:]}")
    return target / "debug" / "client-host"


@asynccontextmanager
async def running(program: Path) -> AsyncIterator[NodeClient]:
    # It speaks like the hosts of the JavaScript clients.
    process = await asyncio.create_subprocess_exec(program, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    try:
        yield NodeClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_does_all_it_can_and_notices_a_killed_server(
    tmp_path: Path, program: Path
) -> None:
    async with house(tmp_path, ",".join(TOYS)) as home:
        async with running(program) as client:
            await whole_life(client, home)
        async with running(program) as client:
            await sudden_end(client, home)
