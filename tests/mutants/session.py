"""One collected pytest session, forked for each mutant: nothing is imported or collected again.

In the fork the changed function takes the place of the one that was imported, and the tests that
reach its lines run until the first one fails. What stands outside of functions is compiled into
the module before anything imports it: in a fork that has imported nothing of ours.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from tests.mutants.edits import Mutant, mutated

# Answers of a fork. Anything else, a signal too, is a test run that ended badly: noticed.
SURVIVED, KILLED, NOT_HERE = 0, 1, 3
# A mutant that never ends is noticed too: this times what its tests need otherwise, in processor
# time. And in real time, for one that waits for ever, on a machine that does other work as well.
CPU_TIMES, CPU_MORE_S = 4, 4
REAL_S = 60.0
# Of one Hypothesis test. What only thousands of examples notice is not noticed in daily work.
EXAMPLES = 30
# Where Hypothesis keeps the settings of a test function.
SETTINGS = "_hypothesis_internal_use_settings"

# In a fork some plugins are there before pytest looks for them.
_REWRITTEN = ("-W", "ignore::pytest.PytestAssertRewriteWarning")

_Key = tuple[str, int]


class SameEachTime:
    """A pytest plugin: Hypothesis finds the same in every run, tries little, and does not explain
    what it finds."""

    def pytest_configure(self, config: pytest.Config) -> None:
        _same_each_time()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            test = getattr(item, "obj", None)
            machine = getattr(item, "cls", None)
            if hasattr(test, SETTINGS):
                test = getattr(test, "__func__", test)
                setattr(test, SETTINGS, _few(getattr(test, SETTINGS)))
            elif machine is not None and isinstance(getattr(machine, "settings", None), settings):
                machine.settings = _few(machine.settings)


def _few(given: settings) -> settings:
    return settings(given, max_examples=min(given.max_examples, EXAMPLES))


def _same_each_time() -> None:
    settings.register_profile(
        "mutants",
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")


def arguments(tests: Sequence[str]) -> list[str]:
    return [
        *tests,
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout=0",
        "--capture=sys",
        *_REWRITTEN,
    ]


def quiet() -> None:
    """Whatever a fork prints goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)


def bounded(cpu_s: float) -> None:
    seconds = int(cpu_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, REAL_S + 10 * cpu_s)


class Reached:
    """A pytest plugin: which test reaches which lines of the modules, and how long it takes."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._files = {str(Path(one).resolve()): one for one in modules}
        self.seconds: dict[str, float] = {}
        # Module → line → tests
        self.lines: dict[str, dict[int, set[str]]] = {one: {} for one in modules}
        self.failed: list[str] = []
        self._test = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        self._test = item.nodeid
        started = time.process_time()
        sys.settrace(self._call)
        threading.settrace(self._call)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.seconds[item.nodeid] = time.process_time() - started

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        module = self._files.get(frame.f_code.co_filename)
        if module is None:
            return None
        lines, test = self.lines[module], self._test

        def line(frame: FrameType, event: str, argument: object) -> Any:
            lines.setdefault(frame.f_lineno, set()).add(test)
            return line

        return line(frame, event, argument)


class Forks:
    """A pytest plugin that runs no test by itself: `work` gets the session and forks of it."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        self._work(session)
        return True


def functions(files: Iterable[str]) -> dict[str, dict[_Key, list[FunctionType]]]:
    """The living functions of some files, by where they were written."""
    found: dict[str, dict[_Key, list[FunctionType]]] = {one: {} for one in files}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename in found:
            code = one.__code__
            key = (code.co_qualname, code.co_firstlineno)
            found[code.co_filename].setdefault(key, []).append(one)
    return found


def swap(living: dict[_Key, list[FunctionType]], code: CodeType, first_line: int) -> bool:
    """Put the code of the function that begins at `first_line` into the living one."""
    key, new = next(
        ((key, one) for key, one in _codes(code) if one.co_firstlineno == first_line), (None, None)
    )
    if key is None or new is None or key not in living:
        return False
    for function in living[key]:
        if function.__code__.co_freevars != new.co_freevars:
            return False
        function.__code__ = new
    return True


def _codes(code: CodeType) -> Iterable[tuple[_Key, CodeType]]:
    """Functions of a module or class body, not those within functions."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_flags & 0x02:  # CO_NEWLOCALS: a function
                yield (one.co_qualname, one.co_firstlineno), one
            else:
                yield from _codes(one)


def run_fork(
    session: pytest.Session,
    living: dict[_Key, list[FunctionType]],
    path: str,
    mutant: Mutant,
    tests: Sequence[str],
    seconds: float,
) -> int:
    """In a fork of the session: whether one of `tests` notices `mutant`."""
    quiet()
    source = Path(path).read_text()
    code = compile(mutated(source, mutant.number), path, "exec")
    assert mutant.function is not None
    if not swap(living, code, mutant.function):
        return NOT_HERE
    bounded(CPU_TIMES * seconds + CPU_MORE_S)
    wanted = {name: at for at, name in enumerate(tests)}
    items = sorted(
        (item for item in session.items if item.nodeid in wanted),
        key=lambda item: wanted[item.nodeid],
    )
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        if any(report.failed for report in runtestprotocol(item, False, following)):
            return KILLED
    return SURVIVED


class _Changed(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, number: int) -> None:
        super().__init__(name, path)
        self._number = number

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text()
        return compile(mutated(source, self._number), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, path: str, number: int) -> None:
        self._name = path.removesuffix(".py").replace("/", ".")
        self._path = str(Path(path).resolve())
        self._number = number

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Changed(fullname, self._path, self._number)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def run_whole(module: str, mutant: Mutant, tests: Sequence[str], seconds: float) -> int:
    """In a fork that has imported nothing of ours: whether `tests` notice `mutant`."""
    quiet()
    sys.meta_path.insert(0, _Finder(module, mutant.number))
    bounded(CPU_TIMES * seconds + CPU_MORE_S)
    return KILLED if pytest.main(arguments(tests), plugins=[SameEachTime()]) else SURVIVED
