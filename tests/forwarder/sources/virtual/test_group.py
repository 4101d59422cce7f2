"""Groups: the union of what their members have, exact answers, and stops that reach everybody."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.access.tokens import TokenGrant
from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue
from forwarder.definitions.limits import build_features
from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import HardwareError, UnknownDevice
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.virtual.bounds import AWAY_S
from forwarder.sources.virtual.source import GroupRule, VirtualSource
from forwarder.stop.hold import Wish
from relay.link.messages import Ceiling, ErrorCode
from tests.doubles.driver import NORA
from tests.doubles.virtual_house import VirtualHouse, lived

VIBRATE, ROTATE = OutputType.VIBRATE, OutputType.ROTATE
MOVE = OutputType.HW_POSITION_WITH_DURATION
ALL = (GroupRule("All toys"),)


def test_a_group_has_what_any_member_has_and_comes_and_goes_with_them() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        assert house.names() == []
        await house.come(house.noras[0])
        group = house.named("All toys")
        assert [list(f.output or ()) for f in group.features] == [[VIBRATE], [ROTATE]]
        index = {next(iter(f.output or ())): f.feature_index for f in group.features}
        await house.come(house.stroker)
        await asyncio.sleep(AWAY_S)
        group = house.named("All toys")
        kinds = {next(iter(f.output or ())): f.feature_index for f in group.features}
        assert set(kinds) == {VIBRATE, ROTATE, MOVE}
        assert {kind: kinds[kind] for kind in index} == index  # those that were there stay
        house.hub.remove(house.noras[0], "out of range")
        await house.come()
        assert [list(f.output or ()) for f in house.named("All toys").features] == [[MOVE]]
        house.hub.remove(house.stroker, "out of range")
        await house.come()
        assert house.names() == []

    lived(scene())


def test_a_group_that_has_more_to_offer_comes_anew_for_apps_look_only_once() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(house.stroker)
        index = house.named("All toys").index
        await house.come(house.noras[0])
        assert "All toys" not in house.names()  # each app hears that it has gone
        await house.come(house.noras[1])
        assert "All toys" not in house.names()
        await asyncio.sleep(AWAY_S)
        group = house.named("All toys")
        assert group.index == index
        assert len(group.features) == 3
        # What it had before, or less, is no reason to go.
        house.hub.remove(house.stroker, "out of range")
        await house.come()
        assert house.named("All toys") is group

    lived(scene())


def test_a_group_that_is_driven_stays_as_it_is() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(house.noras[0])
        group = house.named("All toys")
        house.say(group, VIBRATE, 50)
        await house.come(house.stroker)
        assert house.named("All toys") is group
        assert len(group.features) == 3

    lived(scene())


def test_a_value_is_a_share_of_each_members_own_range() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras, house.stroker)
        group = house.named("All toys")
        assert group.highest(0, VIBRATE) == 100
        outcome = house.say(group, VIBRATE, 51)
        assert outcome is not None
        assert await outcome is Fate.TAKEN
        assert house.calls(0) == [("output", 0, "Vibrate", 11, 0)]  # up, as elsewhere
        assert house.calls(1) == [("output", 0, "Vibrate", 11, 0)]
        assert house.calls(2) == []
        house.say(group, ROTATE, -100)
        assert house.calls(0) == [("output", 1, "Rotate", -20, 0)]
        house.say(group, MOVE, 50, 99_999)
        assert house.calls(2) == [("output", 0, "HwPositionWithDuration", 50, 10_000)]

    lived(scene())


def test_what_one_member_did_not_take_the_group_did_not_take() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras)
        house.drivers[1].broken = True
        outcome = house.say(house.named("All toys"), VIBRATE, 50)
        assert outcome is not None
        with pytest.raises(HardwareError, match="Lovense Nora: the radio said no"):
            await outcome
        assert house.calls(0) == [("output", 0, "Vibrate", 10, 0)]

    lived(scene())


def test_a_stop_reaches_every_member_whatever_it_is_believed_to_do() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras, house.stroker)
        for outcome in house.stop(house.named("All toys")):
            await outcome
        assert [house.calls(number) for number in range(3)] == [[("stop", None)]] * 3

    lived(scene())


def test_who_leaves_stops_what_it_drove_by_the_group() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras)
        house.say(house.named("All toys"), VIBRATE, 50)
        house.hub.leave(house.app)
        assert [house.calls(number)[-1] for number in range(2)] == [("stop", None)] * 2

    lived(scene())


def test_what_somebody_else_stopped_is_driven_again_by_the_same_value() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras)
        group = house.named("All toys")
        house.say(group, VIBRATE, 50)
        for toy in house.noras:
            house.stop(toy)
        await house.come()
        assert not group.running
        assert group.levels == {}
        for number in range(2):
            house.calls(number)
        house.say(group, VIBRATE, 50)
        assert house.calls(0) == [("output", 0, "Vibrate", 10, 0)]

    lived(scene())


def test_a_group_names_its_members_and_never_another_group() -> None:
    async def scene() -> None:
        house = VirtualHouse((GroupRule("Pair", ("*nora*",)), GroupRule("All", ("*",))))
        await house.come(*house.noras, house.stroker)
        assert house.names() == ["All", "Lovense Nora", "Lovense Nora", "Pair", "Stroker"]
        house.say(house.named("Pair"), VIBRATE, 100)
        assert [len(house.calls(number)) for number in range(3)] == [1, 1, 0]

    lived(scene())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([VIBRATE, ROTATE, MOVE, None]), st.integers(-100, 100)),
        max_size=8,
    )
)
def test_no_value_leaves_a_members_range_and_a_stop_ends_all(
    said: list[tuple[OutputType | None, int]],
) -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras, house.stroker)
        group = house.named("All toys")
        for kind, value in said:
            if kind is None:
                house.stop(group)
            else:
                value = value if kind is ROTATE else abs(value)
                house.say(group, kind, value, 300 if kind is MOVE else None)
        house.stop(group)
        spans = {"Vibrate": (0, 20), "Rotate": (-20, 20), "HwPositionWithDuration": (0, 100)}
        for number in range(3):
            calls = house.calls(number)
            assert calls[-1] == ("stop", None)
            for call in calls:
                if call[0] == "output":
                    low, high = spans[str(call[2])]
                    assert low <= call[3] <= high  # type: ignore[operator]
        await house.come()
        assert not any(toy.running for toy in house.noras)

    lived(scene())


def test_a_guest_who_may_not_see_the_group_does_not_drive_it() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await house.come(*house.noras)
        house.app.grant = TokenGrant("guest", devices=("0",))
        group = house.named("All toys")
        command = OutputCmd(
            id=1, device_index=group.index, feature_index=0,
            command={VIBRATE: OutputValue(value=50)},
        )  # fmt: skip
        with pytest.raises(UnknownDevice):
            house.hub.output(house.app, command)
        assert house.calls(0) == []

    lived(scene())


# --- values with a time ---------------------------------------------------------------------------


async def timed(house: VirtualHouse) -> None:
    await house.come(*house.noras, house.stroker)
    for driver, lead_s in zip(house.drivers, (0.02, 0.07, None), strict=True):
        driver.lead_s = lead_s
    house.noras[0].source = "another relay"


def test_members_begin_at_once_as_late_as_the_slowest_way_asks_for() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await timed(house)
        house.say(house.named("All toys"), VIBRATE, 50)
        at = asyncio.get_running_loop().time() + 0.07
        assert [driver.times for driver in house.drivers] == [[at], [at], []]
        # One that takes times, alone: there is nothing to wait for.
        house.drivers[0].lead_s = None
        house.say(house.named("All toys"), VIBRATE, 60)
        assert house.drivers[1].times[-1] is None

    lived(scene())


def _late(outcome: Outcome) -> None:
    outcome.set_exception(HardwareError(ErrorCode.LATE, "its time was over when it came"))


def test_a_member_that_was_told_too_late_is_told_once_more_without_a_time() -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await timed(house)
        house.drivers[1].slow = True
        outcome = house.say(house.named("All toys"), VIBRATE, 50)
        assert outcome is not None
        _late(house.drivers[1].waiting.pop())
        await asyncio.sleep(0.001)
        assert house.drivers[1].times[-1] is None
        told = [call for call in house.calls(1) if call[0] == "output"]
        assert told == [("output", 0, "Vibrate", 10, 0)] * 2
        house.drivers[1].finish()
        assert await outcome is Fate.TAKEN

    lived(scene())


@pytest.mark.parametrize("meanwhile", ["stop", "another's stop", "newer", "hold", "limit", "gone"])
def test_not_if_anything_came_in_between(meanwhile: str) -> None:
    async def scene() -> None:
        house = VirtualHouse(ALL)
        await timed(house)
        group = house.named("All toys")
        house.drivers[1].slow = True
        outcome = house.say(group, VIBRATE, 50)
        assert outcome is not None
        late = house.drivers[1].waiting.pop()
        match meanwhile:
            case "stop":
                house.stop(group)
            case "another's stop":
                house.stop(house.noras[1])
            case "newer":
                house.say(group, VIBRATE, 0)
            case "hold":
                house.hub.hold.wish(Wish.STOP, "person", 0.0)
            case "limit":
                assert house.noras[1].limit(build_features(NORA, None, (Ceiling(0.5),)))
            case "gone":
                assert house.noras[1].limit(())
        house.calls(1)
        _late(late)
        with pytest.raises(HardwareError, match="its time was over"):
            await outcome
        assert "output" not in {call[0] for call in house.calls(1)}

    lived(scene())


def test_groups_are_made_before_there_is_a_loop() -> None:
    """As the program makes all its parts."""
    hub = Hub(Store(None))
    assert VirtualSource(hub, hub, ALL, ()).name == "Groups and stand-ins"
