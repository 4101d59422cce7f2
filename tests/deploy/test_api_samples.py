"""The samples for the API: each drives a toy of a hub, as its reader would start it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from forwarder.api.access import ADMIN_FILE
from tests.needs import needs
from tests.system.js.packages import compiler
from tests.system.processes import House, house

SAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "api"
TOYS = "Lovense Edge"


async def sample(home: House, *command: str) -> str:
    """What it prints; it has to end well."""
    token = (home.folder / "hub" / ADMIN_FILE).read_text().strip()
    url = f"http://127.0.0.1:{home.link_port}"
    process = await asyncio.create_subprocess_exec(*command, url, token, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def drives_and_stops(home: House, *command: str) -> None:
    text = await sample(home, *command)
    assert "Lovense Edge Vibrate" in text
    await home.trace.until_write(b"Vibrate1:10;")
    await home.trace.until_write(b"Vibrate1:0;")


async def test_the_python_sample_drives_and_stops(tmp_path: Path) -> None:
    async with house(tmp_path, TOYS, embedded=True) as home:
        await drives_and_stops(home, sys.executable, str(SAMPLES / "drive.py"))


@pytest.mark.node
async def test_the_typescript_sample_fits_its_types_drives_and_stops(tmp_path: Path) -> None:
    node = needs("node", "nodejs")
    for file in SAMPLES.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    checked = await asyncio.to_thread(
        subprocess.run, [node, str(compiler()), "--project", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    async with house(tmp_path, TOYS, embedded=True) as home:
        await drives_and_stops(home, node, str(tmp_path / "drive.js"))


async def test_a_sample_says_what_the_hub_said(tmp_path: Path) -> None:
    async with house(tmp_path, "Lovense Edge", embedded=True) as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SAMPLES / "drive.py"), f"http://127.0.0.1:{home.link_port}",
            "wrong", stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == 1
        assert said.decode().startswith("401: This token is unknown")
