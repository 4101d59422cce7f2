"""Which versions of npm's `buttplug` the tests use, and where they come from.

They are fetched by the npm client when a test first needs them, into a cache outside the checkout
($XDG_CACHE_HOME or ~/.cache), and are never part of this repository. No install script runs and no
version is chosen by npm: what is fetched is what stands here, byte by byte.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from subprocess import DEVNULL, PIPE, STDOUT

from tests.needs import missing, needs

# A cold cache and a slow registry.
FETCH_S = 45.0

# The one place where versions stand, each with the SHA-512 of its archive as npm writes it.
_SHA512 = {
    "buttplug@5.0.2": (
        "GkvCTx1EzSDswzuXLXdQyUfEyYWGX0dRuHACyNZc0Xb/EeLmTXyyXv8XKTDU0EzJ1LL4Fyf5pXFqIqudF3OCgw=="
    ),
    "buttplug@4.0.2": (
        "PciEJEoBkHjeA0UFfdymr5+jHXukzF0T8Pg7TaAxxWFb/0Ynfy1dWaGt1c7O5E1sfJSVyWxrvBQQCSeNWzprbg=="
    ),
    "buttplug@4.0.0": (
        "9fO055gmZbHp7lI5C95pNbvjHye/n5cKNxv//ObW7Vh8R6UULE5tz8/dpYXJDcjy64DbX1+M5KnUgr40ygafsQ=="
    ),
    "buttplug@3.2.2": (
        "TGkQzG6dxEjuFX29eRoWkh82vsQhGQ+E98tZtN8fWn1NOG7v/9H0FFkNXrpmeRt9FFS0GdHTvubfZ8dcIPGSAA=="
    ),
    "buttplug@1.0.17": (
        "6fUDsrf6An2riOJLYJ+luQv3cSdRQ3pmakO+9E/PxGd1bEOzt4R4C0VqyBJyTjWQhHsYDHph6S/9V7wHkgddPg=="
    ),
    "buttplug@0.13.2": (
        "eR3/zMUXTRR2MtzWa74VfsxsbnsobYSu2eS2/gqMEz07vHLr0/Sdi1IHTMMayXJ+vR8Gv44cwc/Sztd7WL5STA=="
    ),
    "ws@8.20.1": (
        "It4dO0K5v//JtTXuPkfEOaI3uUN87iYPnqo/ZzqCoG3g8uhA66QUMs/SrM0YK7/NAu+r4LMh/9dq2A7k+rHs+w=="
    ),
    "eventemitter3@5.0.4": (
        "mlsTRyGaPBjPedk6Bvw+aqbsXDtoAyAzm5MO7JgU+yVRyMQ5O8bD4Kcci7BS85f93veegeCPkL8R4GLClnjLFw=="
    ),
    "class-transformer@0.5.1": (
        "SQa1Ws6hUbfC98vKGxZH3KFY0Y1lm5Zm0SY8XX9zbK7FJCyVEac3ATW0RIpwzW+oOfmHE5PMPufDG9hCfoEOMw=="
    ),
    "typescript@5.9.3": (
        "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw=="
    ),
    "reflect-metadata@0.2.2": (
        "urBwgfrvVP/eAyXx4hluJivBKzuEbSQs9rKWCrCkbSxNv8mxPcUZKeuoF3Uy4mJl3Lwprp6yy5/39VWigZ4K6Q=="
    ),
}
# What the samples of the API are checked with.
TYPESCRIPT = "typescript@5.9.3"
_NODE = ("ws@8.20.1", "eventemitter3@5.0.4")
_OLD_NODE = (*_NODE, "class-transformer@0.5.1", "reflect-metadata@0.2.2")


@dataclass(frozen=True, slots=True)
class Package:
    """One published client.

    `spec`: the version of the Buttplug spec that it speaks. `adapter`: which file beside this one
    knows its API. `web`: its bundle for browsers, in the package. `depends`: what it needs in Node.
    """

    version: str
    spec: int
    adapter: str
    web: str = "dist/web/buttplug.mjs"
    depends: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.version


# What npm calls "latest", the line before it, and the last of each earlier spec version. Nothing on
# npm ever spoke spec v0 only.
NPM_5 = Package("5.0.2", 4, "api4.mjs", depends=_NODE)
NPM_4 = Package("4.0.2", 4, "api4.mjs", depends=_NODE)
# The first of spec v4, which still stops in the words of v3.
NPM_4_FIRST = Package("4.0.0", 4, "api4.mjs", depends=_NODE)
NPM_3 = Package("3.2.2", 3, "api3.mjs", depends=_OLD_NODE)
# These two come with everything for browsers, and do not work in Node.
NPM_1 = Package("1.0.17", 2, "api2.mjs", "dist/web/buttplug.min.js")
NPM_0 = Package("0.13.2", 1, "api1.mjs", "dist/web/buttplug.min.js")


class Unavailable(Exception):
    """npm cannot fetch something; the text is for the reason why a test is skipped."""


def installed(package: Package) -> Path:
    """The unpacked folder of `package`; skips (or fails) where that cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "buttplug-forwarder-tests" / f"buttplug-{package}"
    if not home.exists():
        problem = _install((f"buttplug@{package}", *package.depends), home, needs("npm"))
        if problem is not None:
            missing(problem)
    return home / "node_modules" / "buttplug"


def compiler() -> Path:
    """TypeScript's `tsc`, for `node`; skips (or fails) where it cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "buttplug-forwarder-tests" / TYPESCRIPT
    if not home.exists():
        problem = _install((TYPESCRIPT,), home, needs("npm"))
        if problem is not None:
            missing(problem)
    return home / "node_modules" / "typescript" / "bin" / "tsc"


@functools.cache
def _install(names: tuple[str, ...], home: Path, npm: str) -> str | None:
    """Put these packages at `home`; returns why that cannot be done. Tried once: npm takes its
    time to find out that there is no network."""
    home.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the folder appears there whole or not at all.
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        for name in names:
            try:
                archive = _fetched(npm, name, Path(folder))
            except Unavailable as error:
                return str(error)
            _unpack(archive, Path(folder, "whole", "node_modules", name.partition("@")[0]))
        shutil.move(Path(folder, "whole"), home)
    return None


def _fetched(npm: str, name: str, folder: Path) -> Path:
    """Have npm fetch one archive into `folder`, and check that it is the one we know."""
    retries = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
    try:
        done = subprocess.run(
            [npm, "pack", "--ignore-scripts", *retries, name],
            cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, timeout=FETCH_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm's {name} did not come within {FETCH_S:g} s") from error
    if done.returncode:
        # Its first line has the code of the error; the rest is advice.
        said = done.stdout.decode(errors="replace").strip().splitlines() or ["no word why"]
        reason = next((line for line in said if " code " in line), said[0])
        raise Unavailable(f"npm cannot fetch {name}: {reason}")
    archive = folder / f"{name.replace('@', '-')}.tgz"
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert digest == _SHA512[name], f"{name} is not what it was"
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                # All of them have one folder around everything, which is not part of the package.
                path = folder.joinpath(*PurePosixPath(member.name).parts[1:])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
