"""`python -m tests.device_cases DIR`: play cases (*.yaml) and scenarios (*.jsonl) of a folder."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from pathlib import Path

from forwarder.errors import ConfigError
from tests.device_cases import exam
from tests.device_cases.case import BadCase, read
from tests.device_cases.exam import run as exam_run
from tests.device_cases.run import VERSIONS, Result, Verdict, run_case


def main() -> int:
    """One line per case, a closing count; returns 1 if a case failed, 2 for wrong options."""
    options = _options()
    logging.basicConfig(level=logging.DEBUG if options.log else logging.CRITICAL)
    folder: Path = options.folder
    cases = sorted(folder.glob("*.yaml")) if folder.is_dir() else [folder]
    scenarios = [path for path in exam_run.files(folder) if path.suffix == ".jsonl"]
    cases = [path for path in cases if path.suffix == ".yaml"]
    if not cases and not scenarios:
        print(f"there are no *.yaml and no *.jsonl files in {folder}", file=sys.stderr)
        return 2
    failed = bool(cases) and _cases(cases, options.version, as_json=options.json)
    if scenarios:
        try:
            results = exam_run.run_all(scenarios, options.only, options.official)
            counts = exam_run.report(results, options.details)
        except (BadCase, ConfigError, OSError) as error:
            print(error, file=sys.stderr)
            return 2
        failed = failed or counts[exam_run.Verdict.PASSED] != counts.total()
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.device_cases", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder, or one file")
    parser.add_argument("--log", action="store_true", help="show what the stack logs")
    cases = parser.add_argument_group("cases (*.yaml)")
    cases.add_argument("--version", type=int, choices=VERSIONS, default=4, help="spec version")
    cases.add_argument("--json", action="store_true", help="one JSON object per case")
    lines = parser.add_argument_group("scenarios (*.jsonl)", exam.__doc__)
    lines.add_argument("--only", default="", metavar="TEXT", help="those whose id contains it")
    lines.add_argument("--details", type=Path, metavar="FILE", help="write every difference here")
    lines.add_argument(
        "--official", type=Path, metavar="FILE", help="load this device configuration of Intiface"
    )
    return parser.parse_args()


def _cases(paths: list[Path], version: int, *, as_json: bool) -> bool:
    """Whether one of them failed."""
    counts: Counter[Verdict] = Counter()
    for path in paths:
        result = _run(path, version)
        counts[result.verdict] += 1
        if as_json:
            shown = {"case": result.case, "version": result.version}
            print(json.dumps(shown | {"verdict": result.verdict.value, "text": result.text}))
        else:
            print(f"{result.verdict.value:14} {result.case}  {result.text}".rstrip())
    total = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    print(json.dumps({"counts": counts}) if as_json else f"version {version}: {total}")
    return bool(counts[Verdict.FAILED] or counts[Verdict.BAD])


def _run(path: Path, version: int) -> Result:
    try:
        return run_case(read(path), version)
    except BadCase as error:
        return Result(path.stem, version, Verdict.BAD, str(error))


if __name__ == "__main__":
    sys.exit(main())
