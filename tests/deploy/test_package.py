"""What people install and what packagers get: nothing is missing, nothing else is in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

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


def test_a_wheel_has_all_that_the_programs_read(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built(source, "build_wheel", tmp_path)) as wheel:
        names = set(wheel.namelist())
    for package in ("forwarder", "relay"):
        wanted = {
            str(path.relative_to(source))
            for path in (source / package).rglob("*")
            if path.is_file() and path.suffix != ".md"
        }
        assert sorted(wanted - names) == []
    assert not [name for name in names if name.startswith(("tests/", "tools/", "deploy/"))]
    (scripts,) = [name for name in names if name.endswith("entry_points.txt")]
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        said = wheel.read(scripts).decode()
    for name in ("forwarder", "relay", "buttplug-forwarder", "buttplug-relay"):
        assert f"{name} = " in said


def test_a_source_distribution_is_the_whole_project(source: Path, tmp_path: Path) -> None:
    with tarfile.open(built(source, "build_sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    left_out = (".github/", ".gitignore", ".pre-commit-config.yaml")
    files = [path for path in source.rglob("*") if path.is_file()]
    wanted = {
        name
        for name in (str(path.relative_to(source)) for path in files)
        if not name.startswith((*left_out, "buttplug_forwarder.egg-info", "build/"))
    }
    assert sorted(wanted - names) == []
