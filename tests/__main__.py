"""`python -m tests [pytest's arguments]`: the whole suite, in three goes, with one end.

Tests in virtual time do not care how late anything comes: they use all processors at once. Those
with processes, browsers and sockets mostly wait for them: two files at a time. What measures how
much a hub bears runs by itself. All goes always run; it fails if one did.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
TREE = HERE.parent

# Below this folder; everything else is in virtual time.
REAL_TIME = (
    "ble_vm",
    "faults",
    "relay/test_left_running.py",
    "relay/supervision/test_bluez.py",
    "system",
    "web",
)
# Of these and besides these.
ALONE = (
    "benchmarks",
    "faults/test_strangers.py",
    "hostile",
    "relay/link/test_secure_half_open.py",
)
# No part of it: whether libraries still have the quirks that we work round (`make workarounds`).
APART = ("workarounds",)
INTERRUPTED = 2  # pytest's code for Ctrl-C


@dataclass
class Go:
    """One run of pytest. `code`: its exit code."""

    name: str
    arguments: Sequence[str]
    code: int = 0
    passed: int = 0
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    took_s: float = 0.0

    def run(self, report: Path, more: Sequence[str]) -> None:
        begun = time.monotonic()
        command = [sys.executable, "-m", "pytest", f"--junit-xml={report}", *self.arguments, *more]
        # All that run beside each other see sets in the same order, or they collect other tests.
        seed = os.environ.get("PYTHONHASHSEED") or str(SystemRandom().randrange(1, 2**32))
        print(f"PYTHONHASHSEED={seed}", flush=True)
        env = {**os.environ, "PYTHONHASHSEED": seed}
        self.code = subprocess.run(command, cwd=TREE, env=env, check=False).returncode
        self.took_s = time.monotonic() - begun
        if report.exists():
            self.read(report.read_text())

    def read(self, report: str) -> None:
        """Take the results from pytest's JUnit report."""
        for case in ElementTree.fromstring(report).iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append(name)
            elif (skipped := case.find("skipped")) is not None:
                self.skipped.append(f"{name}: {skipped.get('message')}")
            else:
                self.passed += 1

    def in_words(self) -> str:
        minutes, seconds = divmod(round(self.took_s), 60)
        counts = f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"
        end = "" if self.code == 0 else f"; pytest ended with {self.code}"
        return f"{self.name}: {counts} in {minutes} min {seconds} s{end}"


def goes() -> tuple[Go, ...]:
    """All there are, in order."""
    real, alone, apart = (
        [os.path.relpath(HERE / path, TREE) for path in of] for of in (REAL_TIME, ALONE, APART)
    )
    but_real = [f"--ignore={path}" for path in (*real, *alone, *apart)]
    but_alone = [f"--ignore={path}" for path in alone]
    return (
        Go("virtual time", ["-n", "auto", "--dist", "worksteal", *but_real]),
        # By file, for the tests of many share a browser or a hub.
        Go("real time", ["-n", "2", "--dist", "loadfile", *but_alone, *real]),
        Go("alone", ["-n", "0", *alone]),
    )


def summary(done: Sequence[Go]) -> str:
    """What all came to: counts, what was skipped and why, what failed."""
    lines = ["=== all of it ==="]
    for go in done:
        lines += [f"SKIPPED {name}" for name in go.skipped]
    for go in done:
        lines += [f"FAILED {name}" for name in go.failed]
    return "\n".join([*lines, *(go.in_words() for go in done)])


def main(more: Sequence[str]) -> int:
    done = []
    with tempfile.TemporaryDirectory(prefix="forwarder-tests-") as folder:
        for number, go in enumerate(goes()):
            print(f"=== {go.name} ===", flush=True)
            go.run(Path(folder, f"{number}.xml"), more)
            done.append(go)
            if go.code == INTERRUPTED:
                break
    print(summary(done))
    # Negative: a signal ended it.
    return next((go.code for go in done if go.code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
