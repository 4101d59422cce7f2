"""Whether what reached a toy is the same as what the reference sent: the rules of the exam.

Order, characteristic, bytes and kind of write agree, except that

* the last write to a characteristic may be repeated, or such a repetition left out;
* a step with several outputs, a stop and a timed move may take other packets on the way, if each
  characteristic ends with the same one;
* a stop may also write the rest of what is off, or once more what other motors do; so may the end
  of connecting; whatever rests may be told so by the stop that the relay holds, also as keep-alive;
* a reading may be refused while something runs: a stop waits for no request;
* in silence the number of repetitions may differ by a quarter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence

from tests.device_cases.client import Message
from tests.device_cases.exam.play import Done, Played
from tests.device_cases.exam.scenario import Scenario, Step, Told

Difference = tuple[str, str]
"""What kind it is (name, features, connect, reply, bytes, …), and what was found."""


POSITIONS = ("Position", "HwPositionWithDuration")
REFUSED = ("Error 4",)


def differences(scenario: Scenario, played: Played) -> list[Difference]:
    """Empty if all is the same."""
    told = scenario.expect
    assert played.device is not None
    judge = _Judge(scenario, played.rest)
    found = [
        *_name(told.device.name, played.device),
        *_features(told.device.features, played.device),
    ]
    if not judge.same(told.connect, played.connect, None):
        found.append(("connect", shown(told.connect, played.connect)))
    running: set[int] = set()
    for number, (step, theirs, ours) in enumerate(
        zip(scenario.steps, told.steps, played.steps, strict=True)
    ):
        running = _running(running, step)
        same = judge.same(theirs.ops, ours.ops, step)
        if theirs.disputed is None:
            where = f"step {number} {step}"
            if not (running and step.read is not None and ours.reply == REFUSED):
                found += ((kind, f"{where}: {text}") for kind, text in _step(step, theirs, ours))
            if not same:
                found.append(("bytes", f"{where}: {shown(theirs.ops, ours.ops)}"))
    return found


def _running(before: set[int], step: Step) -> set[int]:
    """The features that are on after this step."""
    if step.stop is True:
        return set()
    off = {one.feature for one in step.out if not one.value} | {step.stop}
    on = {one.feature for one in step.out if one.value and one.kind not in POSITIONS}
    return (before - off) | on


def _name(wanted: str, entry: Message) -> Iterator[Difference]:
    if entry["DeviceName"] != wanted:
        yield "name", f"is called {entry['DeviceName']!r}, not {wanted!r}"


def _features(wanted: dict[str, dict[str, object]], entry: Message) -> Iterator[Difference]:
    ours: dict[str, dict[str, object]] = {}
    for key, value in entry["DeviceFeatures"].items():
        ours[key] = {
            name: value[spelt]
            for name, spelt in (
                ("description", "FeatureDescription"),
                ("output", "Output"),
                ("input", "Input"),
            )
            if value.get(spelt)
        }
    for key in sorted(ours.keys() | wanted.keys(), key=int):
        mine, theirs = ours.get(key), wanted.get(key)
        if mine != theirs:
            bare = mine and theirs and mine | {"description": ""} == theirs | {"description": ""}
            kind = "description" if bare else "features"
            yield kind, f"feature {key} is {json.dumps(mine)}, not {json.dumps(theirs)}"


def _step(step: Step, theirs: Told, ours: Done) -> Iterator[Difference]:
    if theirs.reply != ours.reply:
        yield "reply", f"answered {list(ours.reply)}, not {list(theirs.reply)}"
    if theirs.readings is not None and theirs.readings != ours.readings:
        yield "readings", f"told {list(ours.readings)}, not {list(theirs.readings)}"
    if theirs.count is not None:
        count = sum(op[0] in "wW" for op in ours.ops)
        if abs(theirs.count - count) > max(1, theirs.count // 4):
            yield "repeats", f"{count} writes in {step.wait} ms, expected about {theirs.count}"


def shown(told: Sequence[str], got: Sequence[str]) -> str:
    return f"got {', '.join(got) or 'nothing'}; expected {', '.join(told) or 'nothing'}"


def fits(pattern: str, op: str) -> bool:
    if "?" not in pattern and "*" not in pattern:
        return pattern == op
    glob = {"?": "[0-9a-f]", "*": "[0-9a-f]*"}
    return re.fullmatch("".join(glob.get(c) or re.escape(c) for c in pattern), op) is not None


class _Judge:
    """Remembers over the steps what was written last where, and what rest looks like."""

    def __init__(self, scenario: Scenario, rest: Collection[str]) -> None:
        self._patterns: list[str] = []
        self._rest = {
            op
            for step, told in zip(scenario.steps, scenario.expect.steps, strict=True)
            if step.rests
            for op in told.ops
        }
        # What stops the toy is rest, whether or not the reference ever said it.
        self._rest.update(rest)
        self._last_told: dict[str, str] = {}
        self._last_got: dict[str, str] = {}
        # The last write of each kind, told by its first two bytes: one state of one motor.
        self._kinds: dict[tuple[str, str], str] = {}

    def same(self, told: Sequence[str], got: Sequence[str], step: Step | None) -> bool:
        """`step` is None for connecting."""
        named = self._named(got, told)
        self._patterns += [one for one in dict.fromkeys(told) if one not in self._patterns]
        if step is None:
            self._rest.update(told)
        for op in told:
            if op[0] in "wW":
                _, where, data = op.split(" ")
                self._kinds[where, data[:4]] = op
        a = _unrepeated(told, self._last_told)
        b = _unrepeated(named, self._last_got)
        if list(told) == named or a == b:
            return True
        if step is not None and step.rests and not a and set(b) <= self._rest:
            return True
        if step is None:
            return b[: len(a)] == a and set(b[len(a) :]) <= self._rest
        return self._same_end(a, b, step) or (step.moves and self._ends_alike(a, b))

    def _named(self, ops: Sequence[str], told: Sequence[str]) -> list[str]:
        """Operations as the patterns that they fit, so that what counts up does not matter."""
        found = []
        for number, op in enumerate(ops):
            near = told[number : number + 1]
            same = [one for one in told if one == op]
            pool = (*same, *near, *told, *reversed(self._patterns), *self._rest)
            found.append(next((one for one in pool if fits(one, op)), op))
        return found

    def _same_end(self, a: list[str], b: list[str], step: Step) -> bool:
        stop = step.stop is not None
        if not stop and len(step.out) < 2:
            return False
        if sorted(a) == sorted(b):
            return True
        if a and b and set(b) <= set(a) and self._ends_alike(a, b):
            return True  # several motors in one packet
        if not b or not set(a) <= set(b):
            return False
        still = self._rest | set(self._kinds.values())
        return set(b) - set(a) <= still if stop else bool(a) and b[-1] in a

    def _ends_alike(self, a: Collection[str], b: Collection[str]) -> bool:
        touched = {op.split(" ")[1] for op in (*a, *b)}
        return all(self._last_told.get(one) == self._last_got.get(one) for one in touched)


def _unrepeated(ops: Sequence[str], last: dict[str, str]) -> list[str]:
    """Without writes that repeat the last one to their characteristic; `last` is carried on."""
    found = []
    for op in ops:
        kind, where, *_ = op.split(" ")
        if kind in "wW":
            if last.get(where) == op:
                continue
            last[where] = op
        found.append(op)
    return found
