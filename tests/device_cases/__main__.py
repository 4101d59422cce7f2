"""`python -m tests.device_cases DIR [--version N] [--json]`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from pathlib import Path

from tests.device_cases.case import BadCase, read
from tests.device_cases.run import VERSIONS, Result, Verdict, run_case


def main() -> int:
    """One line per case, a closing count; returns 1 if a case failed, 2 for wrong options."""
    parser = argparse.ArgumentParser(prog="python -m tests.device_cases", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of *.yaml, or one file")
    parser.add_argument("--version", type=int, choices=VERSIONS, default=4, help="spec version")
    parser.add_argument("--json", action="store_true", help="one JSON object per case")
    parser.add_argument("--log", action="store_true", help="show what the stack logs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if options.log else logging.CRITICAL)
    paths = sorted(options.folder.glob("*.yaml")) if options.folder.is_dir() else [options.folder]
    if not paths:
        print(f"there are no *.yaml files in {options.folder}", file=sys.stderr)
        return 2
    counts: Counter[Verdict] = Counter()
    for path in paths:
        result = _run(path, options.version)
        counts[result.verdict] += 1
        if options.json:
            shown = {"case": result.case, "version": result.version}
            print(json.dumps(shown | {"verdict": result.verdict.value, "text": result.text}))
        else:
            print(f"{result.verdict.value:14} {result.case}  {result.text}".rstrip())
    total = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    print(json.dumps({"counts": counts}) if options.json else f"version {options.version}: {total}")
    return 1 if counts[Verdict.FAILED] or counts[Verdict.BAD] else 0


def _run(path: Path, version: int) -> Result:
    try:
        return run_case(read(path), version)
    except BadCase as error:
        return Result(path.stem, version, Verdict.BAD, str(error))


if __name__ == "__main__":
    sys.exit(main())
