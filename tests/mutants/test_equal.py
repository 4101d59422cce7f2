"""What is cheap to know about the mutants in every run of the suite; `make mutants` tries them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.edits import mutants, mutated
from tests.mutants.equal import killed_percent, listed, stale, verdict
from tests.mutants.run import Tally
from tests.mutants.targets import GROUPS

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("module", sorted(listed()))
def test_every_survivor_that_is_listed_is_still_a_mutant_and_has_a_reason(module: str) -> None:
    known = listed()[module]
    assert list(stale(module, known)) == []
    assert all(len(reason) > 20 for reason in known.values())


def test_every_group_has_its_modules_and_its_tests() -> None:
    for group in GROUPS:
        for path in (*group.modules, *group.tests):
            assert (ROOT / path).exists(), path


def test_a_mutant_is_one_change_and_texts_constants_and_logs_have_none() -> None:
    source = (
        "MOST = 8\n"
        "def f(a: int) -> bool:\n"
        '    """A docstring."""\n'
        '    log.error("a text")\n'
        "    if a > MOST:\n"
        "        return True\n"
        "    return False\n"
    )
    found = {mutant.name: ast.unparse(mutated(source, mutant.number)) for mutant in mutants(source)}
    assert sorted(found) == [
        "f: False => True",
        "f: True => False",
        "f: a > MOST => a <= MOST",
        "f: a > MOST => a >= MOST",
    ]
    assert "a >= MOST" in found["f: a > MOST => a >= MOST"]


def test_the_verdict_asks_for_the_bound_and_for_a_reason_of_each_survivor() -> None:
    module = "forwarder/hub/drove.py"
    few = Tally(module, killed=["x"] * 90, survived=["y"] * 10)
    assert killed_percent(few, {}) == 90
    faults = list(verdict(few, {}, whole=True))
    assert len(faults) == 11
    assert "fewer than 95" in faults[0]
    late = Tally(module, killed=["x"], late=3)
    assert list(verdict(late, {}, whole=True)) == [f"{module}: 3 were not tried in time"]
    assert list(verdict(Tally(module, killed=["x"]), {}, whole=True)) == []
