"""What people install and what packagers get: nothing is missing, nothing else is in it, and in an
environment that has nothing else it runs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from relay.version import __version__
from tests.system.processes import Program, free_ports, until

ROOT = Path(__file__).parents[2]
_BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git has of this folder, so that nothing that lies about gets in."""
    copy = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def built(source: Path, what: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, what, str(folder)],
        cwd=source, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the checkout."""
    return built(source, "build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(source, "build_sdist", tmp_path_factory.mktemp("sdist"))


def test_a_wheel_has_all_that_the_programs_read(source: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in ("forwarder", "relay"):
        wanted = {
            str(path.relative_to(source))
            for path in (source / package).rglob("*")
            if path.is_file() and path.suffix != ".md"
        }
        assert sorted(wanted - names) == []
    assert not [name for name in names if name.startswith(("tests/", "tools/", "deploy/"))]
    (scripts,) = [name for name in names if name.endswith("entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(scripts).decode()
    for name in ("forwarder", "relay", "buttplug-forwarder", "buttplug-relay"):
        assert f"{name} = " in said


def test_a_source_distribution_is_the_whole_project(source: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    left_out = (".github/", ".gitignore", ".pre-commit-config.yaml")
    files = [path for path in source.rglob("*") if path.is_file()]
    wanted = {
        name
        for name in (str(path.relative_to(source)) for path in files)
        if not name.startswith((*left_out, "buttplug_forwarder.egg-info", "build/"))
    }
    assert sorted(wanted - names) == []


# --- in an environment that has nothing else ------------------------------------------------------

# Packages from an index, on a slow network, with an empty cache.
INSTALL_S = 250.0
# What pip says where there is none; what is wrong with the wheel it says in other words.
_NO_INDEX = re.compile(r"ConnectionError|ConnectTimeout|ReadTimeout|name resolution|Max retries")


@pytest.fixture(scope="module")
def programs(sdist: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which nothing but the wheel was asked for: the one that the
    source distribution builds, which is that of the checkout, file by file."""
    folder = tmp_path_factory.mktemp("empty")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    again = built(unpacked, "build_wheel", folder)
    assert dict(files(again)) == dict(files(wheel))
    venv.create(folder / "env", symlinks=True)
    bin = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    asked = ["install", "--quiet", "--no-compile", str(again)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(bin / "python"), *asked],
        capture_output=True, text=True, timeout=INSTALL_S, check=False, cwd=folder,
    )  # fmt: skip
    if _NO_INDEX.search(done.stderr):
        pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return bin


def files(wheel: Path) -> Iterator[tuple[str, int]]:
    with zipfile.ZipFile(wheel) as archive:
        for each in archive.infolist():
            # Of what is written about the files, only that it is there.
            yield each.filename, 0 if ".dist-info/" in each.filename else each.CRC


@pytest.mark.timeout(300)
async def test_what_is_installed_where_nothing_else_is_runs(programs: Path, tmp_path: Path) -> None:
    for name in ("forwarder", "relay", "buttplug-forwarder", "buttplug-relay"):
        said = await asyncio.to_thread(version, programs / name, tmp_path)
        assert said.startswith(f"{name.removeprefix('buttplug-')} {__version__} ")
    client, link, https = map(str, free_ports(3))
    run = ["run", "--port", client, "--link-port", link, "--https-port", https]
    dial = ["run", "--hub", f"ws://127.0.0.1:{link}", "--simulate", "Lovense Edge"]
    hub = Program("", run, tmp_path, "hub", (programs / "forwarder", clean(tmp_path)))
    relay = Program("", dial, tmp_path, "relay", (programs / "relay", clean(tmp_path)))
    async with AsyncExitStack() as running:
        await hub.start()
        running.push_async_callback(hub.end)
        await until(lambda: f"ws://127.0.0.1:{client}" in hub.text, "the hub says where it is")
        await relay.start()
        running.push_async_callback(relay.end)
        await until(lambda: "; ready" in relay.text, "the relay is linked")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{link}/relay/") as page,
        ):
            assert page.status == 200
            assert "<html" in await page.text()


def version(program: Path, home: Path) -> str:
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True, env=clean(home)
    )
    return done.stdout


def clean(home: Path) -> dict[str, str]:
    """Nothing of this environment, and an empty home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}
