"""Carries a page out: its commands, as processes, on machines of its own."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.pages.page import CARRIED, Answer, ByHand, Carry, Command, File, Step, missing
from tests.pages.places import Place, Places
from tests.system.processes import END_S, START_S

POLL_S = 0.02
# What nobody should see of a program that is ended.
_TROUBLE = re.compile(r"Traceback|Exception|Error:")
# Of what was ended by Ctrl-C: it was done, it was not, or a shell's word for it.
_QUIET = (0, 1, 130, -signal.SIGINT)


class PageFailed(AssertionError):
    """What the page says did not come."""


@dataclass(slots=True)
class Told:
    """What a page cost. `typed`: characters. `carried`: the longest that a person copies from one
    machine to another, in characters. `seconds`: waited for programs. What only looks costs
    nothing."""

    commands: int = 0
    answers: int = 0
    by_hand: int = 0
    typed: int = 0
    carried: int = 0
    seconds: float = 0.0


def count(found: Sequence[Step]) -> Told:
    """As far as it can be counted without carrying it out."""
    told = Told()
    for step in found:
        if isinstance(step, Command):
            if not step.before and not step.looks:
                told.commands += 1
                told.typed += step.typed
        elif isinstance(step, Answer):
            told.answers += 1
            told.typed += len(step.text)
        else:
            told.by_hand += 1
            told.typed += len(step.text) if isinstance(step, File) else 0
    return told


@dataclass(slots=True)
class _Started:
    step: Command
    process: subprocess.Popen[bytes]
    output: Path
    keyboard: int

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")


@dataclass(slots=True)
class Reader:
    """Does what a page says. `programs`: the folder with `forwarder`, `relay` and the rest."""

    places: Places
    programs: Path
    folder: Path
    caught: dict[str, str] = field(default_factory=dict)

    def carry_out(self, found: Sequence[Step]) -> Told:
        """Raises PageFailed."""
        told = count(found)
        with ExitStack() as running:
            staying: list[_Started] = []
            running.callback(_kill, staying)
            for step in found:
                if isinstance(step, ByHand) or (isinstance(step, Command) and step.installed):
                    continue
                if isinstance(step, Carry):
                    self._carry(step)
                    continue
                if isinstance(step, File):
                    path = self.places[step.place].home / step.path
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(step.text, encoding="utf-8")
                    continue
                begun = time.monotonic()
                if isinstance(step, Answer):
                    asked = [each for each in staying if each.step.place == step.place]
                    self._answer(asked[-1], step)
                    told.seconds += time.monotonic() - begun
                    continue
                started = self._start(step, told)
                if step.stays:
                    staying.append(started)
                else:
                    running.callback(_kill, [started])
                self._wait(started)
                if not step.looks:
                    told.seconds += time.monotonic() - begun
            for each in reversed(staying):
                self._end(each)
        return told

    def _carry(self, step: Carry) -> None:
        for name in step.files:
            source = self.places[step.source].home / name
            shutil.copy(source, self.places[step.target].home / Path(name).name)

    def _start(self, step: Command, told: Told) -> _Started:
        text = step.text
        for name in CARRIED:
            if name in text:
                if name not in self.caught:
                    raise PageFailed(f"line {step.line}: nothing before it has printed {name}")
                told.carried = max(told.carried, len(self.caught[name]))
                text = text.replace(name, shlex.quote(self.caught[name]))
        place: Place = self.places[step.place]
        output = self.folder / f"{step.line}.log"
        # A terminal to type in: some programs ask only where somebody sits.
        keyboard, reads = pty.openpty()
        with output.open("wb") as file:
            process = subprocess.Popen(
                place.words(f"exec {text}" if step.stays else text),
                stdin=reads, stdout=file, stderr=file, cwd=place.home,
                env=place.environment(self.programs), start_new_session=True,
            )  # fmt: skip
        os.close(reads)
        return _Started(step, process, output, keyboard)

    def _wait(self, started: _Started) -> None:
        step, process = started.step, started.process
        deadline = time.monotonic() + START_S
        while True:
            code = process.poll()
            lost = missing(step.seen, started.text)
            if code is None and step.stays and lost is None:
                break
            if code is not None and (step.stays or code or lost is not None):
                raise PageFailed(self._words(started, f"ended with {code}, without: {lost}"))
            if code is not None:
                break
            if time.monotonic() > deadline:
                raise PageFailed(self._words(started, f"did not end, or come to: {lost}"))
            time.sleep(POLL_S)
        for name, pattern in CARRIED.items():
            if found := pattern.search(started.text):
                self.caught[name] = found[0]

    def _answer(self, started: _Started, step: Answer) -> None:
        deadline = time.monotonic() + START_S
        while not started.text.endswith("] ") and started.process.poll() is None:
            if time.monotonic() > deadline:
                raise PageFailed(self._words(started, "asked nothing"))
            time.sleep(POLL_S)
        os.write(started.keyboard, f"{step.text}\n".encode())
        if step.ends and started.process.wait(START_S):
            raise PageFailed(self._words(started, "did not end well"))
        while (lost := missing(step.seen, started.text)) is not None:
            if time.monotonic() > deadline or started.process.poll() is not None:
                raise PageFailed(self._words(started, f"did not come to: {lost}"))
            time.sleep(POLL_S)

    def _end(self, started: _Started) -> None:
        """Ctrl-C: it ends, quietly."""
        # As a terminal does: everything that it has started hears it.
        with suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGINT)
        try:
            code = started.process.wait(END_S)
        except subprocess.TimeoutExpired:
            raise PageFailed(self._words(started, "did not end at Ctrl-C")) from None
        if code not in _QUIET or _TROUBLE.search(started.text):
            raise PageFailed(self._words(started, f"ended with {code} at Ctrl-C"))

    def _words(self, started: _Started, what: str) -> str:
        step = started.step
        return f"line {step.line}, $ {step.text}\n{what}\n\n{started.text}"


def _kill(staying: Sequence[_Started]) -> None:
    for started in staying:
        with suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait()
        os.close(started.keyboard)


def installed(folder: Path, more: dict[str, str] | None = None) -> Path:
    """A folder with the programs of this environment, and `more`: name → path."""
    folder.mkdir()
    own = Path(sys.executable).parent
    for name in ("forwarder", "relay", "buttplug-forwarder", "buttplug-relay"):
        (folder / name).symlink_to(own / name)
    (folder / "python").symlink_to(sys.executable)
    for name, path in (more or {}).items():
        (folder / name).symlink_to(path)
    return folder
