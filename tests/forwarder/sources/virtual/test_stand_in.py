"""Stand-ins by their table: movements that vibrate, levels that stroke, and what ends them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue
from forwarder.errors import HardwareError
from forwarder.sources.virtual.bounds import FASTEST_S, LINGER_S, SLOWEST_S
from forwarder.sources.virtual.source import StandInRule
from forwarder.sources.virtual.stand_in import Role
from forwarder.stop.hold import Wish
from tests.doubles.virtual_house import VirtualHouse, lived

VIBRATE = OutputType.VIBRATE
MOVE, POSITION = OutputType.HW_POSITION_WITH_DURATION, OutputType.POSITION
AS_STROKER = (StandInRule("0", Role.STROKER),)
AS_VIBRATOR = (StandInRule("Stroker", Role.VIBRATOR, 0.2, 0.8),)


def vibrations(house: VirtualHouse) -> list[object]:
    return [call[3] if call[0] == "output" else "stop" for call in house.calls(0)]


def strokes(house: VirtualHouse) -> list[object]:
    return [(call[3], call[4]) if call[0] == "output" else "stop" for call in house.calls(2)]


def test_a_movement_vibrates_as_strongly_as_it_is_fast_and_no_longer_than_it_takes() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_STROKER)
        await house.come(house.noras[0])
        toy = house.named("Lovense Nora as a stroker")
        house.say(toy, MOVE, 100, 500)
        assert vibrations(house) == [10]
        await asyncio.sleep(0.5 + LINGER_S - 0.01)
        assert vibrations(house) == []
        await asyncio.sleep(0.02)
        assert vibrations(house) == [0]
        house.say(toy, MOVE, 0, 100)
        assert vibrations(house) == [20]  # as strong as it gets
        house.say(toy, MOVE, 0, 100)
        assert vibrations(house) == [0]  # it stays where it is
        await asyncio.sleep(5)
        assert "stop" not in vibrations(house)

    lived(scene())


def test_an_end_that_the_radio_did_not_take_becomes_a_stop() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_STROKER)
        await house.come(house.noras[0])
        house.say(house.named("Lovense Nora as a stroker"), MOVE, 100, 500)
        house.drivers[0].broken = True
        await asyncio.sleep(0.5 + LINGER_S + 0.1)
        calls = house.calls(0)
        assert calls.index(("stop", None)) > calls.index(("output", 0, "Vibrate", 0, 0))
        assert house.noras[0].running  # nobody may believe otherwise

    lived(scene())


@pytest.mark.parametrize("before", [0, 20])
def test_what_was_answered_with_an_error_does_not_go_on_by_itself(before: int) -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_VIBRATOR)
        await house.come(house.stroker)
        toy = house.named("Stroker as a vibrator")
        house.say(toy, VIBRATE, before)
        house.drivers[2].broken = True
        refused = house.say(toy, VIBRATE, 100)
        await asyncio.sleep(0.01)
        assert refused is not None
        assert refused.exception() is not None
        house.drivers[2].broken = False
        house.calls(2)
        await asyncio.sleep(3)
        assert not strokes(house)
        assert not toy.running
        house.say(toy, VIBRATE, 100)
        assert strokes(house)

    lived(scene())


@pytest.mark.parametrize("before", [0, 20])
def test_a_level_that_was_refused_at_once_is_not_carried_out_by_the_next_stroke(
    before: int,
) -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_VIBRATOR)
        await house.come(house.stroker)
        toy = house.named("Stroker as a vibrator")
        house.say(toy, VIBRATE, before)
        house.calls(2)
        house.drivers[2].full = True
        with pytest.raises(HardwareError):
            house.say(toy, VIBRATE, 100)
        house.drivers[2].full = False
        await asyncio.sleep(5)
        assert strokes(house) == (["stop"] if before else [])
        assert not toy.running

    lived(scene())


def test_a_script_whose_movements_follow_each_other_does_not_rest_between_them() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_STROKER)
        await house.come(house.noras[0])
        toy = house.named("Lovense Nora as a stroker")
        for place in (50, 0, 50, 0):
            house.say(toy, MOVE, place, 250)
            await asyncio.sleep(0.25)
        assert vibrations(house) == [10]  # the same each time, so told once
        await asyncio.sleep(1)
        assert vibrations(house) == [0]

    lived(scene())


def test_positions_without_a_time_are_as_fast_as_they_come() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_STROKER)
        await house.come(house.noras[0])
        toy = house.named("Lovense Nora as a stroker")
        await asyncio.sleep(1)
        house.say(toy, POSITION, 10)
        await asyncio.sleep(0.1)
        vibrations(house)
        house.say(toy, POSITION, 20)
        assert vibrations(house) == [5]
        await asyncio.sleep(2)
        assert vibrations(house) == [0]

    lived(scene())


def test_a_level_strokes_within_the_range_and_faster_at_a_higher_one() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_VIBRATOR)
        await house.come(house.stroker)
        toy = house.named("Stroker as a vibrator")
        house.say(toy, VIBRATE, 100)
        await asyncio.sleep(FASTEST_S * 3 + 0.01)
        ms = round(FASTEST_S * 1000)
        assert strokes(house) == [(80, ms), (20, ms), (80, ms), (20, ms)]
        house.say(toy, VIBRATE, 1)
        await asyncio.sleep(FASTEST_S + 0.1)
        slow = round((SLOWEST_S + (FASTEST_S - SLOWEST_S) * 0.01) * 1000)
        assert strokes(house) == [(80, slow)]
        house.say(toy, VIBRATE, 100)  # not in two seconds: now, to the same end
        assert strokes(house) == [(80, ms)]
        house.say(toy, VIBRATE, 0)
        assert strokes(house) == ["stop"]
        await asyncio.sleep(10)
        assert strokes(house) == []

    lived(scene())


@pytest.mark.parametrize("how", ["stop", "stop the toy", "leave", "hold", "mute", "take", "fail"])
def test_whatever_ends_it_no_stroke_follows(how: str) -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_VIBRATOR)
        await house.come(house.stroker)
        toy = house.named("Stroker as a vibrator")
        house.say(toy, VIBRATE, 100)
        await asyncio.sleep(0.1)
        match how:
            case "stop":
                house.stop(toy)
            case "stop the toy":
                house.stop(house.stroker)
            case "leave":
                house.hub.leave(house.app)
            case "hold":
                house.hub.hold.wish(Wish.STOP, "me", 0.0)
                house.hub.halt(house.stroker)
                house.hub.hold_changed()
            case "mute":
                house.hub.hold.mute(house.source.name, "me", 0.0)
                house.hub.stop_driven(house.source)
            case "take":
                house.say(house.stroker, MOVE, 5, 100)
            case "fail":
                house.drivers[2].broken = True
                await asyncio.sleep(FASTEST_S)
                house.drivers[2].broken = False
        strokes(house)
        await asyncio.sleep(10)
        assert strokes(house) == []
        assert not toy.running

    lived(scene())


def test_a_toy_that_leaves_takes_its_stand_in_with_it_and_brings_it_back_at_rest() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=AS_VIBRATOR)
        await house.come(house.stroker)
        house.say(house.named("Stroker as a vibrator"), VIBRATE, 100)
        house.hub.remove(house.stroker, "out of range")
        await asyncio.sleep(3)
        strokes(house)
        assert house.names() == []
        await house.come(house.stroker)
        assert house.names() == ["Stroker", "Stroker as a vibrator"]
        await asyncio.sleep(3)
        assert strokes(house) == []

    lived(scene())


def test_a_motor_that_somebody_else_took_leaves_the_other_one_to_its_end() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=(StandInRule("Two", Role.STROKER),))
        await house.come(house.two)
        toy = house.named("Two as a stroker")
        house.say(toy, MOVE, 100, 500)
        await asyncio.sleep(0.1)
        house.drivers[0].calls.clear()
        command = OutputCmd(
            id=1, device_index=house.two.index, feature_index=1,
            command={VIBRATE: OutputValue(value=3)},
        )  # fmt: skip
        house.hub.output(house.app, command)
        await asyncio.sleep(2)
        outputs = [call[1:4] for call in house.calls(0) if call[0] == "output"]
        assert outputs == [(1, "Vibrate", 3), (0, "Vibrate", 0)]

    lived(scene())


def test_a_toy_that_gets_another_name_is_stopped_where_it_is_not_meant_any_more() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=(StandInRule("Stroker", Role.VIBRATOR),))
        await house.come(house.stroker)
        house.say(house.named("Stroker as a vibrator"), VIBRATE, 100)
        house.stroker.display_name = house.stroker.name = "Another"
        house.hub.changed(house.stroker)
        await asyncio.sleep(3)
        assert strokes(house)[-1] == "stop"
        assert house.names() == ["Another"]

    lived(scene())


def test_what_cannot_stand_in_does_not() -> None:
    async def scene() -> None:
        house = VirtualHouse(stand_ins=(StandInRule("*", Role.VIBRATOR),))
        await house.come(*house.noras, house.stroker)
        made = [name for name in house.names() if "as a" in name]
        assert made == ["Stroker as a vibrator"]

    lived(scene())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 3000), st.floats(0, 2.5)), max_size=8),
    st.sampled_from([Role.STROKER, Role.VIBRATOR]),
)
def test_no_value_leaves_the_real_range_and_a_stop_is_the_last_word(
    said: list[tuple[int, int, float]], role: Role
) -> None:
    async def scene() -> None:
        rule = StandInRule("0" if role is Role.STROKER else "Stroker", role, 0.3, 0.6)
        house = VirtualHouse(stand_ins=(rule,))
        await house.come(house.noras[0] if role is Role.STROKER else house.stroker)
        (toy,) = [each for each in house.hub.devices.values() if "as a" in each.name]
        for value, ms, pause in said:
            if role is Role.STROKER:
                house.say(toy, MOVE, value, ms)
            else:
                house.say(toy, VIBRATE, value)
            await asyncio.sleep(pause)
        house.stop(toy)
        await asyncio.sleep(5)
        number = 0 if role is Role.STROKER else 2
        calls = house.calls(number)
        assert calls[-1] == ("stop", None)
        for call in calls:
            if call[0] == "output" and role is Role.STROKER:
                assert 0 <= call[3] <= 20  # type: ignore[operator]
            elif call[0] == "output":
                assert 30 <= call[3] <= 60  # type: ignore[operator]
                assert 0 <= call[4] <= 10_000  # type: ignore[operator]

    lived(scene())
