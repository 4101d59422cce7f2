"""A machine whose first process is a genuine systemd: namespaces of its own, over a copy of this
machine's files that vanishes with it. What is asked of systemd there happens, its sandboxes too.

The programs are in /opt/buttplug-forwarder as a person would have installed them, made of what runs
this test; there is a `sudo`, which asks nobody.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needs import needs
from tests.pages.places import Place, Places, one_house

ROOT = Path(__file__).resolve().parents[2]
BOOT = Path(__file__).with_name("boot.sh")
SYSTEMD = Path("/lib/systemd/systemd")
# A first process that is not there by then never is.
BOOT_S = 30.0
POLL_S = 0.02
# The one who sits there, and where.
UID = 4711
HOME = Path("/home/somebody")
_ENTER = ("--mount", "--uts", "--ipc", "--cgroup", "--pid", "--root")


@contextmanager
def with_systemd(folder: Path, names: Sequence[str]) -> Iterator[Places]:
    """Two places of one machine: its administrator, and somebody who is logged in there. Both are
    in a copy of this project. Skips where no systemd can be started."""
    needs("systemctl")
    for program in ("unshare", "nsenter", "setpriv"):
        needs(program)
    administrator, somebody = names
    with one_house(folder, (administrator,)) as places:
        outside = places[administrator]
        with _booted(outside, folder) as first:
            enter = ("nsenter", "--target", str(first), *_ENTER)
            project = (
                "env", f"--chdir={HOME}/buttplug-forwarder", "HOME=/root",
                "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin",
            )  # fmt: skip
            login = (
                "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                "env", f"--chdir={HOME}", f"HOME={HOME}", f"XDG_RUNTIME_DIR=/run/user/{UID}",
                f"PATH={HOME}/.local/bin:/usr/bin:/bin",
            )  # fmt: skip
            yield {
                administrator: Place(outside.namespace, outside.home, inside=(*enter, *project)),
                somebody: Place(outside.namespace, outside.home, inside=(*enter, *login)),
            }


@contextmanager
def _booted(outside: Place, folder: Path) -> Iterator[int]:
    """The process id of a systemd that is up."""
    world, log = folder / "world", folder / "boot.log"
    world.mkdir()
    words = [
        "ip", "netns", "exec", outside.namespace,
        "unshare", "--fork", "--kill-child=KILL", "--pid", "--mount", "--uts", "--ipc", "--cgroup",
        "bash", str(BOOT), str(world), str(UID), str(HOME),
        sys.base_prefix, sysconfig.get_path("purelib"), str(ROOT),
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield _first_process(process, log)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(world, ignore_errors=True)


def _first_process(process: subprocess.Popen[bytes], log: Path) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and process.poll() is None:
        for child in children.read_text().split():
            up = [*("nsenter", "--target", child, *_ENTER), "test", "-e", "/run/first-is-up"]
            if subprocess.run(up, capture_output=True, check=False).returncode == 0:
                return int(child)
        time.sleep(POLL_S)
    said = log.read_text(errors="replace")[-2000:]
    # Not `missing`: the tests' own machine may be a container that lets no systemd begin.
    pytest.skip(f"no systemd can be started here: {said or 'it did not come up'}")
