"""The mutants of a group of modules, each against the tests of that group, in forks."""

from __future__ import annotations

import gc
import os
import pickle
import random
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from tests.mutants import session as forked
from tests.mutants.edits import Mutant, mutants
from tests.mutants.targets import Group

_Answer = TypeVar("_Answer")

# A fork that uses no processor for so long waits for ever; no test here sleeps as long.
IDLE_S = 6.0


@dataclass(slots=True)
class Tally:
    """Of one module: `killed` and `survived` name mutants; `late` were not tried in time."""

    module: str
    killed: list[str] = field(default_factory=list)
    survived: list[str] = field(default_factory=list)
    late: int = 0

    @property
    def tried(self) -> int:
        return len(self.killed) + len(self.survived)


@dataclass(frozen=True, slots=True)
class _Task:
    module: str
    mutant: Mutant
    tests: tuple[str, ...]
    seconds: float


def chosen(group: Group, share: float, seed: int) -> dict[str, list[Mutant]]:
    """The mutants to try: all, or `share` of each module's."""
    dice = random.Random(seed)
    found = {}
    for module in group.modules:
        every = mutants(Path(module).read_text())
        number = len(every) if share >= 1 else max(1, round(len(every) * share))
        found[module] = dice.sample(every, min(number, len(every)))
    return found


def run(group: Group, wanted: dict[str, list[Mutant]], jobs: int, until: float) -> dict[str, Tally]:
    """Try them until the time `until`, of time.monotonic. Raises RuntimeError if the tests fail
    without any mutant."""
    tallies = {module: Tally(module) for module in group.modules}
    reached = _in_fork(lambda: _reach(group))
    if reached.failed:
        raise RuntimeError(f"{group.name}: these fail by themselves: {', '.join(reached.failed)}")
    inside, outside = [], []
    for module, some in wanted.items():
        for mutant in some:
            task = _task(reached, module, mutant)
            if mutant.function is None:
                outside.append(task)
            elif task.tests:
                inside.append(task)
            else:
                tallies[module].survived.append(f"{mutant.name} (no test reaches it)")
    answers = _in_fork(lambda: _session(group, inside, jobs, until))
    whole = sum(reached.seconds.values()) + 5
    again = [
        task for task, answer in zip(inside, answers, strict=True) if answer == forked.NOT_HERE
    ]
    outside += again
    later = _forks(
        [
            partial(forked.run_whole, task.module, task.mutant, group.selection, whole)
            for task in outside
        ],
        jobs,
        until,
    )
    for task, answer in [*zip(inside, answers, strict=True), *zip(outside, later, strict=True)]:
        tally = tallies[task.module]
        if answer is None:
            tally.late += 1
        elif answer == forked.SURVIVED:
            tally.survived.append(task.mutant.name)
        elif answer != forked.NOT_HERE:
            tally.killed.append(task.mutant.name)
    return tallies


def _task(reached: forked.Reached, module: str, mutant: Mutant) -> _Task:
    first, last = mutant.lines
    lines = reached.lines[module]
    names = set[str]().union(*(lines.get(line, ()) for line in range(first, last + 1)))
    if not names and mutant.function is not None:
        # Python leaves out lines of jumps: those that reach the lines around it, then.
        names = set[str]().union(*(lines.get(line, ()) for line in range(first - 3, first)))
    tests = sorted(names, key=lambda name: (reached.seconds[name], name))
    return _Task(module, mutant, tuple(tests), sum(reached.seconds[name] for name in tests))


def _reach(group: Group) -> forked.Reached:
    forked.quiet()
    reached = forked.Reached(group.modules)
    code = pytest.main(forked.arguments(group.selection), plugins=[forked.SameEachTime(), reached])
    if code and not reached.failed:
        reached.failed.append(f"pytest ended with {code}")
    return reached


def _session(group: Group, tasks: Sequence[_Task], jobs: int, until: float) -> list[int | None]:
    forked.quiet()
    answers: list[int | None] = []

    def work(session: pytest.Session) -> None:
        paths = {module: str(Path(module).resolve()) for module in group.modules}
        living = forked.functions(paths.values())
        gc.collect()
        gc.freeze()  # what forks need not touch
        answers.extend(
            _forks(
                [
                    partial(
                        forked.run_fork,
                        session,
                        living[paths[task.module]],
                        paths[task.module],
                        task.mutant,
                        task.tests,
                        task.seconds,
                    )
                    for task in tasks
                ],
                jobs,
                until,
            )
        )

    pytest.main(
        forked.arguments(group.selection), plugins=[forked.SameEachTime(), forked.Forks(work)]
    )
    return answers


def _in_fork(work: Callable[[], _Answer]) -> _Answer:
    """What `work` returns in a fork, pickled on its way here. Raises RuntimeError."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        error = os.dup(2)
        try:
            answer = pickle.dumps(work())
            with open(writing, "wb") as pipe:
                pipe.write(answer)
            os._exit(0)
        except BaseException:  # noqa: BLE001  # a fork must end here, not in its parent's code
            os.write(error, traceback.format_exc().encode())
        finally:
            os._exit(4)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"a fork ended with {status}")
    found: _Answer = pickle.loads(answer)
    return found


def _forks(works: Sequence[Callable[[], int]], jobs: int, until: float) -> list[int | None]:
    """The exit code of each, in forks, `jobs` at a time; None for those that came too late."""
    answers: list[int | None] = [None] * len(works)
    running: dict[int, _Running] = {}
    for at, work in enumerate(works):
        if time.monotonic() > until:
            break
        child = os.fork()
        if child == 0:
            code = forked.KILLED  # whatever ends the tests in another way has been noticed
            try:
                code = work()
            finally:
                os._exit(code)
        running[child] = _Running(at)
        while len(running) >= jobs:
            _reap(running, answers)
    while running:
        _reap(running, answers)
    return answers


@dataclass(slots=True)
class _Running:
    """One fork: what it works on, the processor time it had, and since when it has no more."""

    at: int
    used: str = ""
    since: float = field(default_factory=time.monotonic)


def _reap(running: dict[int, _Running], answers: list[int | None]) -> None:
    """Take what has ended, or end what only waits: for something that does not come any more."""
    child, status = os.waitpid(-1, os.WNOHANG)
    if child:
        answers[running.pop(child).at] = os.waitstatus_to_exitcode(status)
        return
    now = time.monotonic()
    for child, one in running.items():
        used = _used(child)
        if used != one.used:
            one.used, one.since = used, now
        elif used and now - one.since > IDLE_S:
            os.kill(child, signal.SIGKILL)
    time.sleep(0.01)


def _used(child: int) -> str:
    """The processor time of a process, in the system's own words; empty where it tells nothing."""
    try:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return (
        " ".join((fields[11], fields[12])) if fields[0] == "S" else f"at work at {time.monotonic()}"
    )
