"""Processor seconds of imports, and MiB on the disk: the relay, and all."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tests.benchmarks.row import Row
from tests.deploy.test_relay_only import declared, listed

_ROUNDS = 3
_MIB = 1 << 20
# What the word runs, once its options are read.
_PROGRAMS = {
    "relay run": "relay.commands.serve",
    "forwarder run": "forwarder.commands.program.serve",
}
ROOT = Path(__file__).parents[2]


def import_s(module: str) -> float:
    """The best of a few, in processes of their own, from when Python itself is there: of the
    processor's time, so that others do not count."""
    code = f"import time; a = time.process_time(); import {module}; print(time.process_time() - a)"
    return min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(_ROUNDS)
    )


def closure(names: set[str]) -> set[str]:
    """These distributions and what they need here, by their normalised names."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of another system
        found.add(name)
        waiting += [re.split(r"[ ;<>=!~\[(]", need)[0] for need in needs if "extra ==" not in need]
    return found


def size(names: set[str]) -> int:
    """Bytes of the files of these distributions, without what Python compiles by itself."""
    files = (file for name in names for file in metadata.files(name) or ())
    paths = {Path(str(file.locate())) for file in files if file.suffix != ".pyc"}
    return sum(path.stat().st_size for path in paths if path.is_file())


def own(package: str) -> int:
    paths = (ROOT / package).rglob("*")
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def rows() -> list[Row]:
    """For the table of `make bench`."""
    made = [
        Row(f"imports of `{word}` (processor)", f"{import_s(module):.2f} s", "0.5 s")
        for word, module in _PROGRAMS.items()
    ]
    relay, whole = closure(set(listed())), closure(set(declared()))
    code = own("relay") + own("forwarder")
    made.append(Row("installed: a relay only", f"{(size(relay) + code) / _MIB:.1f} MiB"))
    made.append(Row("installed: everything", f"{(size(whole) + code) / _MIB:.1f} MiB"))
    made.append(Row("  of it this package", f"{code / _MIB:.1f} MiB"))
    return made
