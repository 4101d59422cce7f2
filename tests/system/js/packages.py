"""Which versions of npm's `buttplug` the tests use, and where they come from.

They are fetched by the npm client when a test first needs them, into a cache outside the checkout
($XDG_CACHE_HOME or ~/.cache), and are never part of this repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

from tests.needs import missing, needs

# A cold cache and a slow registry; without a network npm gives up after its own retries.
INSTALL_S = 45.0


@dataclass(frozen=True, slots=True)
class Package:
    """One published client.

    `spec`: the version of the Buttplug spec that it speaks. `adapter`: which file beside this one
    knows its API. `web`: its bundle for browsers, in the package. `depends`: what it needs in Node,
    pinned like itself.
    """

    version: str
    spec: int
    adapter: str
    web: str
    depends: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.version


# The one place where versions stand. The line that npm calls "latest", the one before it, and the
# last of each earlier spec version.
NPM_5 = Package(
    "5.0.2", 4, "api4.mjs", "dist/web/buttplug.mjs", ("ws@8.20.1", "eventemitter3@5.0.4")
)
NPM_4 = Package(
    "4.0.2", 4, "api4.mjs", "dist/web/buttplug.mjs", ("ws@8.20.1", "eventemitter3@5.0.4")
)
NPM_3 = Package(
    "3.2.2",
    3,
    "api3.mjs",
    "dist/web/buttplug.mjs",
    ("ws@8.20.1", "eventemitter3@5.0.4", "class-transformer@0.5.1", "reflect-metadata@0.2.2"),
)
NPM_0 = Package("0.13.2", 1, "api1.mjs", "dist/web/buttplug.min.js")


def installed(package: Package) -> Path:
    """The folder of `package` as npm unpacked it; skips (or fails) where that cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "buttplug-forwarder-tests" / f"buttplug-{package.version}"
    if not home.exists():
        _install(package, home)
    return home / "node_modules" / "buttplug"


def _install(package: Package, home: Path) -> None:
    npm = needs("npm")
    home.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the folder appears there whole or not at all.
    folder = Path(tempfile.mkdtemp(prefix="npm-", dir=home.parent))
    options = ("--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
    names = (f"buttplug@{package.version}", *package.depends)
    try:
        done = subprocess.run(
            [npm, "install", "--prefix", folder, *options, *names],
            stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=folder, timeout=INSTALL_S, check=False,
        )  # fmt: skip
        if done.returncode:
            missing(f"npm cannot fetch buttplug {package}: {done.stdout.decode().strip()[-200:]}")
        if not home.exists():  # another test run was faster
            folder.rename(home)
    except subprocess.TimeoutExpired:
        missing(f"npm's buttplug {package} did not come within {INSTALL_S:g} s")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
