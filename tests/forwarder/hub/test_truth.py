"""What is believed of a device: never less than what it may be doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forwarder.buttplug.messages import OutputType
from forwarder.hub.truth import FeatureValue, Given, Truth

VIBRATE, POSITION = OutputType.VIBRATE, OutputType.POSITION


def on(steps: int) -> dict[int, FeatureValue | None]:
    return {0: FeatureValue(VIBRATE, steps)}


def test_a_value_is_on_when_it_was_handed_over_and_off_when_the_radio_took_it() -> None:
    truth = Truth()
    five = truth.give(on(5))
    assert truth.running
    truth.took(five)
    off = truth.give(on(0))
    assert truth.running
    assert truth.asked(0) == FeatureValue(VIBRATE, 0)
    truth.took(off)
    assert not truth.running


def test_what_failed_is_in_doubt_until_something_later_was_taken() -> None:
    truth = Truth()
    truth.took(truth.give(on(5)))
    earlier = truth.give(on(3))
    truth.failed(truth.give(on(0)))
    assert truth.running
    assert truth.unknown
    assert not truth.certain(0)
    truth.took(earlier)
    assert truth.unknown, "that says nothing about what came behind it"
    truth.took(truth.give(on(0)))
    assert not truth.running
    assert truth.certain(0)


def test_a_value_that_never_arrived_undoes_no_doubt() -> None:
    truth = Truth()
    truth.took(truth.give(on(5)))
    truth.failed(truth.give(on(0)))
    truth.failed(truth.give(on(0)))
    truth.never_sent(truth.give(on(0)))
    assert truth.running
    assert truth.unknown


def test_a_rest_that_failed_on_what_rests_is_no_doubt() -> None:
    truth = Truth()
    truth.failed(truth.give(on(0)))
    assert not truth.running
    truth.took(truth.give(on(0)))
    truth.failed(truth.give(on(0)))
    assert not truth.unknown


def test_a_rest_that_failed_behind_a_value_without_an_answer_is_a_doubt() -> None:
    truth = Truth()
    truth.took(truth.give(on(0)))
    seven = truth.give(on(7))
    truth.failed(truth.give(on(0)))
    truth.took(seven)
    assert truth.running
    assert not truth.certain(0), "it may have got the 0 behind the 7"


def test_answers_that_come_late_say_nothing_about_what_came_behind() -> None:
    truth = Truth()
    first, second = truth.give(on(0)), truth.give(on(5))
    truth.took(second)
    for late in (truth.took, truth.failed, truth.never_sent):
        late(first)
        assert truth.taken(0) == FeatureValue(VIBRATE, 5)
        assert truth.certain(0)


def test_a_stop_that_somebody_else_ran_ends_every_doubt() -> None:
    truth = Truth()
    waiting = truth.give(on(5))
    truth.failed(truth.give(on(7)))
    truth.rested(on(0))
    assert not truth.running
    truth.took(waiting)
    assert not truth.running


def test_when_nobody_can_tell_any_more_what_may_run_stays_in_doubt() -> None:
    truth = Truth()
    truth.took(truth.give({0: FeatureValue(VIBRATE, 5), 1: FeatureValue(VIBRATE, 0)}))
    truth.give({1: FeatureValue(VIBRATE, 3), 2: FeatureValue(VIBRATE, 0)})
    truth.lost()
    assert [truth.in_doubt(index) for index in range(4)] == [True, True, False, False]


def test_positions_hold_and_do_not_run() -> None:
    truth = Truth()
    place = FeatureValue(POSITION, 80)
    truth.took(truth.give({0: place}))
    truth.failed(truth.give({0: FeatureValue(POSITION, 10)}))
    assert not truth.running
    assert not truth.unknown
    assert not truth.certain(0), "it is sent again all the same"
    truth.took(truth.give({0: None}))
    assert truth.asked(0) is None


@pytest.mark.parametrize(
    ("before", "values", "rests"),
    [
        (lambda truth: None, on(0), True),
        (lambda truth: None, on(5), False),
        (lambda truth: truth.give(on(5)), {1: FeatureValue(VIBRATE, 0)}, False),
        (lambda truth: truth.give(on(5)), on(0), True),
        (lambda truth: truth.failed(truth.give(on(5))), {1: FeatureValue(VIBRATE, 0)}, False),
        (lambda truth: truth.failed(truth.give(on(5))), on(0), True),
        (
            lambda truth: truth.give({0: FeatureValue(POSITION, 80)}),
            {1: FeatureValue(VIBRATE, 0)},
            True,
        ),
        (lambda truth: truth.failed(truth.give({0: FeatureValue(POSITION, 9)})), {}, True),
        (
            lambda truth: truth.give({0: FeatureValue(VIBRATE, 5), 1: FeatureValue(VIBRATE, 5)}),
            on(0),
            False,
        ),
        (lambda truth: truth.give(on(5)), {0: None}, True),
    ],
)
def test_whether_all_is_off_behind_a_command(
    before: Callable[[Truth], object], values: dict[int, FeatureValue | None], rests: bool
) -> None:
    truth = Truth()
    before(truth)
    assert truth.rests_after(values) is rests


def test_the_strongest_of_what_may_be_counts() -> None:
    truth = Truth()
    assert truth.strongest(0) is None
    truth.took(truth.give(on(3)))
    truth.failed(truth.give(on(-7)))
    truth.give(on(5))
    assert truth.strongest(0) == FeatureValue(VIBRATE, -7)


def test_each_feature_is_asked_about_by_itself() -> None:
    truth = Truth()
    truth.took(
        truth.give(
            {2: FeatureValue(VIBRATE, 5), 1: FeatureValue(VIBRATE, 0), 0: FeatureValue(VIBRATE, 0)}
        )
    )
    assert truth.told == (0, 1, 2)
    assert [truth.may_run(index) for index in range(4)] == [False, False, True, False]
    assert truth.running
    truth.failed(truth.give({1: FeatureValue(VIBRATE, 3)}))
    assert [truth.in_doubt(index) for index in range(4)] == [False, True, False, False]
    assert truth.unknown
    assert (truth.taken(3), truth.asked(3)) == (None, None)


def test_what_is_under_way_behind_a_command() -> None:
    truth = Truth()
    first, second = truth.give(on(3)), truth.give(on(5))
    other = truth.give({1: FeatureValue(VIBRATE, 5)})
    assert truth.waits(0, first)
    assert not truth.waits(0, second)
    assert not truth.waits(2, first)
    assert not truth.newest(first, 0)
    assert truth.newest(second, 0)
    assert truth.newest(other, 1)
    truth.took(second)
    assert not truth.waits(0, first)
    assert not truth.newest(first, 0)
    assert truth.newest(second, 0)
    third, fourth = truth.give(on(1)), truth.give(on(2))
    assert truth.waits(0, third)
    truth.never_sent(fourth)
    assert truth.newest(third, 0)
    assert not truth.waits(0, third)
    fifth = truth.give(on(2))
    assert truth.waits(0, third), "one of the two is behind it"
    truth.took(fifth)
    assert not truth.waits(0, second)


def test_a_value_that_was_given_behind_a_doubt_is_what_it_will_do() -> None:
    truth = Truth()
    truth.failed(truth.give(on(5)))
    assert not truth.certain(0)
    truth.give(on(0))
    assert truth.certain(0)
    assert not truth.in_doubt(0)
    assert truth.rests_after({})


def test_the_same_value_again_that_failed_is_no_doubt() -> None:
    truth = Truth()
    truth.took(truth.give(on(5)))
    truth.failed(truth.give(on(5)))
    assert truth.certain(0)


def test_one_value_without_an_answer_before_what_failed_is_enough_for_a_doubt() -> None:
    truth = Truth()
    truth.took(truth.give(on(0)))
    truth.give(on(7))
    failing, behind = truth.give(on(0)), truth.give(on(3))
    truth.failed(failing)
    truth.never_sent(behind)
    assert not truth.certain(0)


def test_a_doubt_is_as_new_as_the_newest_value_in_it() -> None:
    truth = Truth()
    _, second, third, fourth = (truth.give(on(steps)) for steps in (1, 2, 3, 4))
    truth.failed(fourth)
    truth.failed(second)
    truth.took(third)
    assert not truth.certain(0)
    assert truth.in_doubt(0)


@pytest.mark.parametrize("values", [(-7, 3), (3, -7), (-7, -3), (-3, -7), (0, -7), (-7, 0)])
def test_the_strongest_of_a_doubt_counts_whatever_its_sign(values: tuple[int, int]) -> None:
    truth = Truth()
    truth.took(truth.give(on(1)))
    for value in values:
        truth.failed(truth.give(on(value)))
    assert truth.strongest(0) == FeatureValue(VIBRATE, -7)


def test_when_nobody_can_tell_any_more_what_rests_stays_certain() -> None:
    truth = Truth()
    truth.took(truth.give(on(0)))
    truth.took(truth.give({1: FeatureValue(POSITION, 80)}))
    truth.lost()
    assert truth.certain(0)
    assert truth.certain(1)
    assert not truth.unknown


def test_a_value_moves_for_no_time_in_particular() -> None:
    assert FeatureValue(VIBRATE, 5).duration_ms == 0


def test_all_news_are_counted() -> None:
    truth = Truth()
    counted = [truth.changes]
    given = [truth.give(on(steps)) for steps in (5, 3, 2)]
    counted.append(truth.changes)
    truth.took(given[0])
    counted.append(truth.changes)
    truth.failed(given[1])
    counted.append(truth.changes)
    truth.never_sent(given[2])
    counted.append(truth.changes)
    truth.rested(on(0))
    counted.append(truth.changes)
    truth.lost()
    counted.append(truth.changes)
    assert counted == sorted(set(counted))


@dataclass
class _Sent:
    given: Given
    value: int
    arrived: bool = False
    done: bool = field(default=False)


class TruthWalk(RuleBasedStateMachine):
    """A radio that writes in order, may lose what it writes or the answer, and answers late."""

    def __init__(self) -> None:
        super().__init__()
        self.truth = Truth()
        self.toy = 0
        self.queue: list[_Sent] = []
        self.unanswered: list[_Sent] = []
        self.looked: tuple[int, str] = (-1, "")

    @rule(value=st.sampled_from((0, 0, 3, 7, -7)))
    def is_told(self, value: int) -> None:
        self.queue.append(_Sent(self.truth.give(on(value)), value))

    @precondition(lambda self: self.queue)
    @rule(arrives=st.booleans())
    def radio_writes(self, arrives: bool) -> None:
        sent = self.queue.pop(0)
        sent.arrived = arrives
        if arrives:
            self.toy = sent.value
        self.unanswered.append(sent)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def is_turned_back(self, data: st.DataObject) -> None:
        sent = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        self.truth.never_sent(sent.given)

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data(), lost=st.booleans())
    def answer_comes(self, data: st.DataObject, lost: bool) -> None:
        sent = self.unanswered.pop(data.draw(st.integers(0, len(self.unanswered) - 1)))
        if sent.arrived and not lost:
            self.truth.took(sent.given)
        else:
            self.truth.failed(sent.given)

    @rule()
    def relay_stops_it(self) -> None:
        """Whatever waited is dropped by that, and said to have failed."""
        self.toy = 0
        self.truth.rested(on(0))
        dropped, self.queue, self.unanswered = [*self.queue, *self.unanswered], [], []
        for sent in dropped:
            self.truth.failed(sent.given)

    @rule()
    def nobody_can_tell(self) -> None:
        self.queue.clear()
        self.unanswered.clear()
        self.truth.lost()

    @invariant()
    def as_long_as_nothing_is_counted_nothing_is_different(self) -> None:
        looked, self.looked = self.looked, (self.truth.changes, repr(self.truth))
        assert looked[0] != self.looked[0] or looked == self.looked

    @invariant()
    def what_runs_counts_as_running(self) -> None:
        if self.toy:
            assert self.truth.running
            strongest = self.truth.strongest(0)
            assert strongest is not None
            assert abs(strongest.steps) >= abs(self.toy)

    @invariant()
    def what_is_certain_and_answered_is_so(self) -> None:
        if not (self.queue or self.unanswered) and self.truth.certain(0):
            asked = self.truth.asked(0)
            assert (0 if asked is None else asked.steps) == self.toy

    @invariant()
    def what_rests_for_all_that_was_handed_over_is_off_when_all_arrives(self) -> None:
        if not self.unanswered and self.truth.rests_after({}):
            last = self.queue[-1].value if self.queue else self.toy
            assert last == 0


TruthWalk.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
test_walk = TruthWalk.TestCase


@given(st.lists(st.sampled_from((0, 3, 7)), min_size=1, max_size=8))
def test_a_stop_behind_anything_ends_it(values: list[int]) -> None:
    truth = Truth()
    for value in values:
        truth.failed(truth.give(on(value)))
    truth.took(truth.give(on(0)))
    assert not truth.running
    assert truth.rests_after({})


def test_what_is_under_way_and_rests_or_holds_a_position_does_not_run() -> None:
    truth = Truth()
    rest = truth.give({0: None})
    assert not truth.may_run(0)
    position = truth.give({0: FeatureValue(POSITION, 7)})
    assert not truth.may_run(0)
    truth.took(rest)
    assert not truth.may_run(0)
    later = truth.give(on(5))
    assert truth.may_run(0)
    truth.took(position)
    assert truth.may_run(0), "what came behind it is still under way"
    truth.never_sent(later)
    assert not truth.may_run(0)
