"""`python -m tests.own_coverage`: how much of each module its own tests run.

A line counts where the test file of the module's name ran it, or the file that `elsewhere.toml`
names for it; what other tests run does not. Modules below LOW are named once more at the end; they
fail nothing. Lines that run at import count for nobody and are left out, for each test file imports
nearly everything. A module whose own tests are no unit tests (they need a browser, say) is counted
and left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import coverage

TREE = Path(__file__).resolve().parent.parent
# Percent of a module's lines: below it, what the module does is tested by accident.
LOW = 70
UNITS = ("tests/forwarder", "tests/relay", "tests/tools")
# Of so many lines on it means something.
LEAST_LINES = 5
ELSEWHERE = TREE / "tests" / "elsewhere.toml"

_RULES = """\
[run]
dynamic_context = test_function
source = forwarder,relay,tools
data_file = {data}
"""


@dataclass(frozen=True, slots=True)
class Covered:
    """`module`: its path. `lines`: those within functions; `run`: of those, by its own tests."""

    module: str
    test: str
    lines: int
    run: int

    @property
    def percent(self) -> float:
        return 100 * self.run / self.lines


def own_test(module: str, elsewhere: Mapping[str, str]) -> str:
    """The file that tests a module; both are paths in the tree."""
    path = Path(module)
    mirror = f"tests/{path.parent}/test_{path.name}"
    return elsewhere.get(module, mirror)


def ran_by(contexts: Mapping[int, list[str]], test: str) -> set[int]:
    """The lines that were run by one of this file's tests. `contexts`: what ran each line, as
    coverage names it: the dotted name of a test function, or empty at import."""
    name = test.removesuffix(".py").replace("/", ".")
    return {
        line
        for line, ran in contexts.items()
        if any(each.startswith((f"{name}.", f"{name}|")) for each in ran)
    }


def within(statements: set[int], contexts: Mapping[int, list[str]]) -> set[int]:
    """Statements that are not run by importing the module."""
    return {line for line in statements if "" not in contexts.get(line, [])}


def measured(data: Path) -> list[Covered]:
    """What a run has left in `data`, the worst first."""
    found = []
    elsewhere = tomllib.loads(ELSEWHERE.read_text(encoding="utf-8"))
    report = coverage.Coverage(data_file=str(data))
    report.load()
    for name in sorted(report.get_data().measured_files()):
        module = str(Path(name).relative_to(TREE))
        contexts = report.get_data().contexts_by_lineno(name)
        _, statements, *_ = report.analysis2(name)
        lines = within(set(statements), contexts)
        test = own_test(module, elsewhere)
        if len(lines) >= LEAST_LINES and test.startswith(UNITS):
            found.append(Covered(module, test, len(lines), len(lines & ran_by(contexts, test))))
    return sorted(found, key=lambda each: each.percent)


def run(data: Path, rules: Path, tests: list[str]) -> int:
    """The unit suites, measured."""
    rules.write_text(_RULES.format(data=data))
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={rules}", "-m", "pytest", "-q"]
    done = subprocess.run([*command, *tests], cwd=TREE, env={**os.environ}, check=False)
    return done.returncode


def main(arguments: list[str]) -> int:
    """Arguments: test files or folders, else the unit suites."""
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        data = Path(folder, "data")
        code = run(data, Path(folder, "rules"), arguments or list(UNITS))
        found = measured(data)
    for each in found:
        print(f"{each.percent:5.0f} %  {each.module}  ({each.run} of {each.lines}, {each.test})")
    low = [each.module for each in found if each.percent < LOW]
    print(f"{len(found)} modules, {len(low)} below {LOW} %", *low, sep="\n  ")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
