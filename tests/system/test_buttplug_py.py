"""PyPI's buttplug-py 0.2.0, unmodified: the client that speaks spec v0, and v1 to v3 as well."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from tests.needs import missing
from tests.system.processes import House, house, until

VERSION = "0.2.0"
SHA256 = "29f14fb9f7ae13050b19f33e1b2fbda052c785607adea69cec6ffb8ae77817ff"
FETCH_S = 45.0
HOST = Path(__file__).parent / "py" / "client_host.py"


@pytest.fixture(scope="module")
def package() -> Path:
    """Where it is. Its import name is the official client's too, so it has a folder of its own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "buttplug-forwarder-tests" / f"buttplug-py-{VERSION}"
    if (folder / "buttplug").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "requirements.txt"
    wanted.write_text(f"buttplug-py=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    try:
        done = subprocess.run(
            [*command, "--target", str(folder), "--requirement", str(wanted)],
            capture_output=True, text=True, timeout=FETCH_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        missing(f"buttplug-py did not come within {FETCH_S:g} s")
    if done.returncode:
        missing(f"pip cannot install buttplug-py: {done.stderr.strip()[-200:]}")
    return folder


async def connected(home: House) -> None:
    """Return once the toy is a device: the client lists what is there when it connects."""
    await until(lambda: b"DeviceType;" in home.trace.writes(), "the toy is being opened")
    await home.hub.until_said("device 0: ")


@pytest.mark.parametrize("version", range(4))
async def test_it_drives_and_stops_in_every_version_it_speaks(
    tmp_path: Path, package: Path, version: int
) -> None:
    async with house(tmp_path, "Lovense Hush", embedded=True) as home:
        scanner = await asyncio.create_subprocess_exec(sys.executable, "-c", _SCAN, home.url)
        try:
            await connected(home)
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(HOST), str(version), home.url,
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
                env={**os.environ, "PYTHONPATH": str(package)},
            )  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            for said, last in (("drives", b"Vibrate:10;"), ("stopped", b"Vibrate:0;")) * 2:
                async with asyncio.timeout(15):
                    assert (await process.stdout.readline()).decode().strip() == said
                assert home.trace.writes()[-1] == last
                process.stdin.write(b"\n")
            assert await process.wait() == 0
        finally:
            scanner.kill()
            await scanner.wait()


_SCAN = """
import asyncio, sys
from forwarder.client.client import Client
async def main():
    async with Client.connect(sys.argv[1], name="scanner") as client:
        await client.scan(seconds=30)
asyncio.run(main())
"""
