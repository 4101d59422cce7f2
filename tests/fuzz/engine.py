"""Runs a fuzz target under atheris: `python -m tests.fuzz.NAME SECONDS`.

A target is a function of bytes that returns, or raises what a peer may not cause. Where there is
no atheris (it is for CPython on Linux), the targets still run as tests over hypothesis' bytes.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

HAVE_ATHERIS = importlib.util.find_spec("atheris") is not None
if HAVE_ATHERIS:
    import atheris

Target = Callable[[bytes], None]


def instrumented(*packages: str) -> AbstractContextManager[object]:
    """Within this, imports of `packages` are instrumented, if this process fuzzes at all."""
    if HAVE_ATHERIS and sys.argv[0].endswith(".py") and "/fuzz/" in sys.argv[0].replace("\\", "/"):
        context: AbstractContextManager[object] = atheris.instrument_imports(include=list(packages))
        return context
    return nullcontext()


def fuzz(target: Target, arguments: list[str], seeds: Sequence[bytes] = ()) -> int:
    """Run `target` for as many seconds as `arguments` say, beginning with `seeds`.

    Does not return once it fuzzes: the process ends with status 0, or another if an input failed,
    which is then in a file in build/fuzz.
    """
    if len(arguments) != 2 or not arguments[1].isdigit() or not int(arguments[1]):
        print(f"usage: python -m tests.fuzz.{target.__name__} SECONDS", file=sys.stderr)
        return 2
    if not HAVE_ATHERIS:
        print("atheris is not installed; it comes with `pip install .[test]` on Linux")
        return 2
    # A slow input is a finding too: nothing here takes more than a second. 65,536 bytes is more
    # than any frame has.
    findings = Path("build", "fuzz")
    findings.mkdir(parents=True, exist_ok=True)
    options = [
        f"-artifact_prefix={findings}/",
        f"-max_total_time={arguments[1]}",
        "-timeout=5",
        "-max_len=65536",
        "-verbosity=1",
    ]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed{number}").write_bytes(seed)
        atheris.Setup([arguments[0], *options, "-print_final_stats=1", corpus], target)
        atheris.Fuzz()
    return 0
