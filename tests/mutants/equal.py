"""The mutants that nobody can notice, by name, with the reason; and what is wrong in a tally."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.edits import mutants
from tests.mutants.run import Tally

LIST = Path(__file__).with_name("equal.toml")
# Of a module's mutants, without the equal ones, in percent.
BOUND = 95.0


def listed() -> dict[str, dict[str, str]]:
    """Module → name of the mutant → why it changes nothing. Raises ValueError."""
    found: dict[str, dict[str, str]] = tomllib.loads(LIST.read_text())
    return found


def killed_percent(tally: Tally, equal: dict[str, dict[str, str]]) -> float:
    """Of those that were tried and are not listed."""
    known = sum(name in equal.get(tally.module, {}) for name in tally.survived)
    return 100 * len(tally.killed) / max(1, tally.tried - known) if tally.tried > known else 100.0


def stale(module: str, known: dict[str, str]) -> Iterator[str]:
    """Which listed names are no mutants of `module` any more, a line each."""
    names = {mutant.name for mutant in mutants(Path(module).read_text())}
    for name in known:
        if name not in names:
            yield f"{module}: listed as equal, and no mutant: {name}"


def verdict(tally: Tally, equal: dict[str, dict[str, str]], *, whole: bool) -> Iterator[str]:
    """What is wrong, a line each."""
    known = equal.get(tally.module, {})
    if killed_percent(tally, equal) < BOUND:
        yield f"{tally.module}: fewer than {BOUND:g} % were noticed"
    for name in tally.survived:
        if name not in known:
            yield f"{tally.module}: survived: {name}"
    for name in tally.killed:
        if name in known:
            yield f"{tally.module}: listed as equal, and noticed: {name}"
    if tally.late and whole:
        yield f"{tally.module}: {tally.late} were not tried in time"
    yield from stale(tally.module, known)
