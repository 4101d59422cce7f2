"""What each feature of a device was asked for, what its radio took, and what nobody knows.

Sans-I/O. The one owner of that truth at the hub. Its rules:

* A value counts as on when it was handed over, as off only when the radio took it.
* A value that failed may have arrived all the same: from then on the feature is *in doubt*, and
  counts as running if that value, or what it had before, is on. Only what the radio took later
  ends a doubt; never a value that hasn't arrived.
* A value that a newer one replaced on the way may have been written in part, so it is in doubt
  until the newer one was taken. What was turned back before the radio has never been there.
* Answers come in any order. What is older than the newest value that was taken says nothing more.

Values are in the device's own steps, so that they mean the same whatever limits are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from forwarder.buttplug.messages import OutputType


class FeatureValue(Struct, frozen=True):
    """`steps`: the device's own. `duration_ms` for moves that have one."""

    kind: OutputType
    steps: int
    duration_ms: int = 0

    @property
    def on(self) -> bool:
        """Whether it makes something go on. Positions hold by themselves and do not count."""
        return self.steps != 0 and not self.kind.is_position


class Given(Struct, frozen=True):
    """One command that was handed over. None: the feature rests, in no position in particular."""

    number: int
    values: Mapping[int, FeatureValue | None]


class _Feature(Struct, eq=False):
    """`taken`: what the radio took last, None before anything, and `since` its number.

    `waiting`: number → what was handed over behind it, oldest first. `doubt`: the strongest value
    behind it that may or may not have arrived, and its number.
    """

    taken: FeatureValue | None = None
    since: int = 0
    waiting: dict[int, FeatureValue | None] = field(default_factory=dict)
    doubt: tuple[int, FeatureValue] | None = None

    @property
    def newest(self) -> FeatureValue | None:
        return next(reversed(self.waiting.values())) if self.waiting else self.taken

    @property
    def possible(self) -> Iterator[FeatureValue]:
        """Everything that it may be doing now."""
        values = (self.taken, *self.waiting.values(), self.doubt and self.doubt[1])
        return (value for value in values if value is not None)

    @property
    def may_run(self) -> bool:
        # `possible`, spelt out: it is asked for each feature and command.
        if self.taken is not None and self.taken.on:
            return True
        for value in self.waiting.values():
            if value is not None and value.on:
                return True
        return self.doubt is not None and self.doubt[1].on

    def take(self, number: int, value: FeatureValue | None) -> None:
        if number < self.since:
            return
        self.taken, self.since = value, number
        # They are in order: nearly always it is the first one.
        for at in tuple(self.waiting):
            if at > number:
                break
            del self.waiting[at]
        if self.doubt is not None and self.doubt[0] < number:
            self.doubt = None

    def fail(self, number: int) -> None:
        value = self.waiting.pop(number, None)
        # What rests and was told to rest does so, whether or not that arrived.
        alone = self.doubt is None and not any(at < number for at in self.waiting)
        if value is None or (value == self.taken and alone):
            return
        self.doubt = (
            (number, value)
            if self.doubt is None
            else (max(number, self.doubt[0]), _stronger(value, self.doubt[1]))
        )


class Truth:
    """Of one device. Features that were never told anything are at rest. `changes` counts the news:
    as long as it stays, every answer does."""

    def __init__(self) -> None:
        self._features: dict[int, _Feature] = {}
        self._numbers = 0
        self.changes = 0

    def __repr__(self) -> str:
        features = sorted(self._features.items())
        states = (f"{i}: {one.taken} {one.waiting} {one.doubt}" for i, one in features)
        return f"<Truth {'; '.join(states)}>"

    def _feature(self, index: int) -> _Feature:
        feature = self._features.get(index)
        if feature is None:
            feature = self._features[index] = _Feature()
        return feature

    # --- news -----------------------------------------------------------------------------------

    def give(self, values: Mapping[int, FeatureValue | None]) -> Given:
        """A command was handed over; one of the next four tells how it ended."""
        self._numbers += 1
        self.changes += 1
        for index, value in values.items():
            feature = self._features.get(index) or self._feature(index)
            feature.waiting[self._numbers] = value
        return Given(self._numbers, values)

    def took(self, given: Given) -> None:
        """The radio took it."""
        self.changes += 1
        for index, value in given.values.items():
            feature = self._features.get(index) or self._feature(index)
            feature.take(given.number, value)

    def never_sent(self, given: Given) -> None:
        """It was turned back before the radio."""
        self.changes += 1
        for index in given.values:
            self._feature(index).waiting.pop(given.number, None)

    def failed(self, given: Given) -> None:
        """It may have arrived or not, and will not arrive any more: failed, or replaced."""
        self.changes += 1
        for index in given.values:
            self._feature(index).fail(given.number)

    def rested(self, rest: Mapping[int, FeatureValue | None]) -> None:
        """A stop that somebody else ran was taken by the radio."""
        self.took(self.give(rest))

    def lost(self) -> None:
        """Whoever would have told is gone: what may run, may run from now on."""
        self.changes += 1
        for feature in self._features.values():
            for number in tuple(feature.waiting):
                feature.fail(number)
            if feature.may_run and feature.doubt is None and feature.taken is not None:
                feature.doubt = (feature.since, feature.taken)

    # --- questions ------------------------------------------------------------------------------

    def asked(self, index: int) -> FeatureValue | None:
        """What it was asked for last, as far as that didn't fail; None: nothing, or to rest."""
        feature = self._features.get(index)
        return None if feature is None else feature.newest

    def newest(self, given: Given, index: int) -> bool:
        """Whether nothing newer was asked of this feature, and nothing newer was taken."""
        feature = self._feature(index)
        last = next(reversed(feature.waiting), 0)
        return given.number >= max(last, feature.since)

    def taken(self, index: int) -> FeatureValue | None:
        """What the radio took last."""
        feature = self._features.get(index)
        return None if feature is None else feature.taken

    def certain(self, index: int) -> bool:
        """Whether what it was asked for last is what it does, or will do once that is taken."""
        feature = self._features.get(index)
        if feature is None or feature.doubt is None:
            return True
        return bool(feature.waiting) and next(reversed(feature.waiting)) > feature.doubt[0]

    def in_doubt(self, index: int) -> bool:
        """Whether it may run without anybody knowing."""
        feature = self._features.get(index)
        return feature is not None and feature.may_run and not self.certain(index)

    def waits(self, index: int, since: Given) -> bool:
        """Whether something that was handed over behind `since` is still under way."""
        feature = self._features.get(index)
        return feature is not None and any(number > since.number for number in feature.waiting)

    @property
    def told(self) -> tuple[int, ...]:
        """The features that were ever told something, in order."""
        return tuple(sorted(self._features))

    @property
    def running(self) -> bool:
        """Whether anything is on, or may be."""
        for feature in self._features.values():  # noqa: SIM110  # a generator costs twice as much
            if feature.may_run:
                return True
        return False

    @property
    def unknown(self) -> bool:
        """Whether anything may be on without anybody knowing."""
        return any(self.in_doubt(index) for index in self._features)

    def may_run(self, index: int) -> bool:
        feature = self._features.get(index)
        return feature is not None and feature.may_run

    def strongest(self, index: int) -> FeatureValue | None:
        """The strongest of what this feature may be doing; None if it rests."""
        feature = self._features.get(index)
        on = [] if feature is None else [value for value in feature.possible if value.on]
        return max(on, key=lambda value: abs(value.steps), default=None)

    def rests_after(self, values: Mapping[int, FeatureValue | None]) -> bool:
        """Whether every output is off once `values` and all before them were taken."""
        for index, feature in self._features.items():
            if index in values:
                continue
            doubt = feature.doubt
            if not self.certain(index) and doubt is not None and feature.may_run:
                return False
            if feature.newest is not None and feature.newest.on:
                return False
        for value in values.values():  # noqa: SIM110  # a generator costs twice as much
            if value is not None and value.on:
                return False
        return True


def _stronger(one: FeatureValue, other: FeatureValue) -> FeatureValue:
    if one.on != other.on:
        return one if one.on else other
    return one if abs(one.steps) >= abs(other.steps) else other
