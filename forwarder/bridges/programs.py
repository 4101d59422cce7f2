"""What a toy does over time, in steps: one level after another, again and again until it ends.

A program is a tuple of `ProgramStep`s that repeats; `Performance` is what one toy does now: the
programs it was given, laid over each other. Sans-I/O, and pure functions of the time.

| a program  | begins | ends |
|------------|--------|------|
| timed      | when it was given | at `until` |
| endless    | when it was given | when nothing was heard from `peer` for as long as `silence_s` |
| any        |        | when `peer` has ended, where that is known |
| any        |        | by `stop`, or by another one that says so |

What a program did not mention keeps off: when a program ends, its outputs go to 0, unless another
one holds them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from forwarder.bridges.bounds import LEAST_STEP_S, PROGRAMS_MOST_PROGRAMS
from forwarder.buttplug.messages import OutputType

Slot = tuple[int, OutputType]


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """`levels`: of each output that it sets, 0 to 1 (-1 to 1 with two directions). `seconds`: how
    long it lasts; also how long a movement to a position takes."""

    seconds: float
    levels: Mapping[Slot, float]


@dataclass(frozen=True, slots=True, eq=False)
class OutputProgram:
    """`steps` in a circle from `start` on. `until` None: endless."""

    steps: tuple[ProgramStep, ...]
    start: float
    until: float | None
    peer: Hashable
    round_s: float = field(init=False)

    def __post_init__(self) -> None:
        assert self.steps
        assert all(step.seconds >= LEAST_STEP_S for step in self.steps)
        object.__setattr__(self, "round_s", sum(step.seconds for step in self.steps))

    def at(self, now: float) -> tuple[ProgramStep, float, float]:
        """The step at `now`, when it began, and when it ends."""
        behind = (now - self.start) % self.round_s
        began = now - behind
        for step in self.steps:
            if behind < step.seconds:
                return step, began, began + step.seconds
            behind -= step.seconds
            began += step.seconds
        # The rest of a division, by the last bit of a float.
        last = self.steps[-1]
        return last, began - last.seconds, began + LEAST_STEP_S

    @property
    def slots(self) -> frozenset[Slot]:
        return frozenset(slot for step in self.steps for slot in step.levels)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a toy should do now: `levels`, of which positions are to be reached within the seconds
    of `within`; `again` is when to look next, None if nothing changes by itself."""

    levels: Mapping[Slot, float]
    within: Mapping[Slot, float]
    again: float | None


class Performance:
    """What one toy does. `silence_s`: how long an endless program outlives its peer's last word."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._programs: list[OutputProgram] = []
        self._heard: dict[Hashable, float] = {}

    def __bool__(self) -> bool:
        return bool(self._programs)

    def start(self, program: OutputProgram, *, alone: bool) -> None:
        """Begin it; `alone`: instead of all the others."""
        self._programs = [] if alone else self._programs[-PROGRAMS_MOST_PROGRAMS + 1 :]
        self._programs.append(program)
        self._heard[program.peer] = max(program.start, self._heard.get(program.peer, 0.0))

    def stop(self) -> None:
        self._programs = []
        self._heard.clear()

    def gone(self, peer: Hashable) -> None:
        """This peer has ended."""
        self._programs = [each for each in self._programs if each.peer != peer]
        self._heard.pop(peer, None)

    def heard(self, peer: Hashable, now: float) -> None:
        """A word of this peer: whatever it was, it is alive."""
        if peer in self._heard:
            self._heard[peer] = now

    def moment(self, now: float) -> Moment:
        """Drop what has ended, and say what holds now."""
        self._programs = [each for each in self._programs if now < self._end(each)]
        peers = {each.peer for each in self._programs}
        self._heard = {peer: at for peer, at in self._heard.items() if peer in peers}
        levels: dict[Slot, float] = {}
        within: dict[Slot, float] = {}
        again: list[float] = []
        for program in self._programs:
            step, _, ends = program.at(now)
            for slot in program.slots - levels.keys():
                if slot[1] not in POSITIONS:
                    levels[slot] = 0.0
            levels.update(step.levels)
            within.update(dict.fromkeys(step.levels, step.seconds))
            again.append(self._end(program))
            if len(program.steps) > 1:
                again.append(ends)
        return Moment(levels, within, min(again, default=None))

    def _end(self, program: OutputProgram) -> float:
        if program.until is not None:
            return program.until
        return self._heard.get(program.peer, program.start) + self._silence_s


POSITIONS = frozenset({OutputType.POSITION, OutputType.HW_POSITION_WITH_DURATION})
