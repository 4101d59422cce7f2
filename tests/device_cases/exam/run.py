"""A folder of scenarios: one line per difference, and the count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from forwarder.errors import ConfigError
from tests.device_cases.client import Failure
from tests.device_cases.exam.judge import Difference, differences, shown
from tests.device_cases.exam.play import Player
from tests.device_cases.exam.scenario import Scenario, scenarios


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown device"


@dataclass(frozen=True, slots=True)
class Result:
    id: str
    verdict: Verdict
    found: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        if self.verdict is Verdict.UNKNOWN:
            return f"{self.id}: unknown device"
        (kind, text), *others = self.found
        return f"{self.id}: {kind}: {text}" + (f" (and {len(others)} more)" if others else "")


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl")) if folder.is_dir() else [folder]


def run(scenario: Scenario, player: Player) -> Result:
    try:
        played = player.play(scenario)
    except ConfigError as error:
        return Result(scenario.id, Verdict.FAILED, (("description", str(error)),))
    except ExceptionGroup as group:
        inner: BaseException = group
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        if not isinstance(inner, Failure | TimeoutError):
            raise
        return Result(scenario.id, Verdict.FAILED, (("client", str(inner) or "no reply"),))
    if played.device is None:
        if not played.known:
            return Result(scenario.id, Verdict.UNKNOWN)
        text = shown(scenario.expect.connect, played.connect)
        found = ("connect", f"was recognised but never announced; {text}")
        return Result(scenario.id, Verdict.FAILED, (found,))
    unlike = tuple(differences(scenario, played))
    return Result(scenario.id, Verdict.FAILED if unlike else Verdict.PASSED, unlike)


def run_all(paths: Iterable[Path], only: str, official: Path | None) -> Iterator[Result]:
    """Raises BadCase for a line that is none, ConfigError for an unusable `official`."""
    player = Player(official)
    for path in paths:
        for scenario in scenarios(path):
            if only in scenario.id:
                yield run(scenario, player)


def report(results: Iterable[Result], details: Path | None) -> Counter[Verdict]:
    """Print what did not pass and the count; write every difference to `details`, JSON lines."""
    counts: Counter[Verdict] = Counter()
    rows = []
    for result in results:
        counts[result.verdict] += 1
        if result.verdict is not Verdict.PASSED:
            print(result, flush=True)
        rows.append(
            json.dumps({"id": result.id, "verdict": result.verdict, "found": result.found}) + "\n"
        )
    if details is not None:
        details.write_text("".join(rows), encoding="utf-8")
    print(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict))
    return counts
