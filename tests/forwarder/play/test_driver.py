"""Who ends a pattern, or takes an output from it: rows of the table in `play`."""

from __future__ import annotations

import asyncio

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.devices.driver import Outcome
from forwarder.errors import (
    HardwareError,
    HeldByPerson,
    MessageError,
)
from forwarder.play.driver import PlayDriver
from forwarder.play.outputs import OutputChoice
from forwarder.play.plays import MOST_PLAYS
from forwarder.stop.hold import Wish
from relay.link.messages import ErrorCode
from tests.doubles.driver import RecordingDriver, device
from tests.forwarder.play.house import RAMP, STEADY, VIBRATE, PlayHouse, live, renewed

# --- who ends it ----------------------------------------------------------------------------------


def test_somebody_else_takes_an_output_and_the_others_go_on() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(RAMP).id
        await renewed(house, id, 0.6)
        house.say(house.noras[0], VIBRATE, 3)
        house.calls(0)
        await renewed(house, id, 1.5)
        calls = house.calls(0)
        assert {call[1] for call in calls} == {1}
        assert house.stops(0) == 0
        assert (0, 0) not in house.plays.state(id).outputs

    live(scene)


@pytest.mark.parametrize("how", ["stop by an app", "its end", "dismissed", "the hub ends"])
def test_whoever_stops_it_it_does_not_begin_again(how: str) -> None:
    async def scene(house: PlayHouse) -> None:
        state = house.start(RAMP)
        await renewed(house, state.id, 0.6)
        match how:
            case "stop by an app":
                for nora in house.noras:
                    house.stop(nora)
            case "its end":
                house.plays.end(state.id)
            case "dismissed":
                for client in house.hub.clients:
                    if client.name == state.name:
                        client.dismiss("a person ended it")
            case "the hub ends":
                house.plays.close()
        await asyncio.sleep(0.15)
        assert house.stops(0) == house.stops(1) == 1
        house.calls(0)
        await asyncio.sleep(2)
        assert house.calls(0) == []
        assert house.plays.states == ()

    live(scene)


@pytest.mark.parametrize("how", ["held", "muted"])
def test_the_persons_stop_and_a_mute_end_it_and_nothing_begins_at_resume(how: str) -> None:
    async def scene(house: PlayHouse) -> None:
        state = house.start(RAMP)
        if how == "held":
            house.hub.hold.wish(Wish.STOP, "person", 0.0)
        else:
            house.hub.hold.mute(state.name, "person", 0.0)
        await asyncio.sleep(0.3)
        assert house.plays.states == ()
        with pytest.raises(HeldByPerson):
            house.start(RAMP)
        house.calls(0)
        if how == "held":
            house.hub.hold.wish(Wish.RESUME, "person", 1.0)
        else:
            house.hub.hold.unmute(state.name)
        await asyncio.sleep(2)
        assert house.calls(0) == []

    live(scene)


def test_a_device_that_goes_is_left_out_and_the_last_one_ends_it() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(RAMP).id
        house.hub.remove(house.noras[0], "out of range")
        await renewed(house, id, 0.3)
        assert house.plays.state(id).outputs == ((1, 0), (1, 1))
        house.hub.remove(house.noras[1], "out of range")
        await asyncio.sleep(0.2)
        assert house.plays.states == ()

    live(scene)


def test_what_its_radio_refuses_is_stopped_and_left_out() -> None:
    async def scene(house: PlayHouse) -> None:
        id = house.start(RAMP).id
        house.drivers[0].broken = True
        await renewed(house, id, 0.6)
        assert house.stops(0) == 2  # each of its features
        assert house.plays.state(id).outputs == ((1, 0), (1, 1))

    live(scene)


@pytest.mark.parametrize("code", [ErrorCode.LATE, ErrorCode.CONGESTED])
def test_what_was_not_carried_out_for_want_of_time_or_room_is_said_again(code: ErrorCode) -> None:
    async def scene(house: PlayHouse) -> None:
        house.drivers[0].slow = True
        id = house.start(STEADY, OutputChoice(0, 0)).id
        house.drivers[0].waiting.pop().set_exception(HardwareError(code, "no"))
        house.drivers[0].slow = False
        await renewed(house, id, 0.3)
        assert house.values(0) == [10, 10]

    live(scene)


def test_a_bug_ends_the_play_and_stops_what_it_drove() -> None:
    async def scene(house: PlayHouse) -> None:
        house.start(RAMP)
        house.noras[1].lead = lambda: 1 / 0  # type: ignore[method-assign]
        await asyncio.sleep(0.2)
        assert house.plays.states == ()
        assert house.stops(0) == house.stops(1) == 1

    live(scene)


def test_plays_are_bounded() -> None:
    async def scene(house: PlayHouse) -> None:
        for _ in range(MOST_PLAYS):
            house.start(STEADY, OutputChoice(0))
        with pytest.raises(MessageError, match="end one first"):
            house.start(STEADY, OutputChoice(0))

    live(scene)


def test_nothing_there_to_play_on_is_said() -> None:
    async def scene(house: PlayHouse) -> None:
        for nora in house.noras:
            house.hub.remove(nora, "out of range")
        with pytest.raises(MessageError, match="No toy is here"):
            house.start()

    live(scene)


# --- together -------------------------------------------------------------------------------------


def test_toys_whose_ways_take_times_get_each_value_for_the_same_moment() -> None:
    async def scene(house: PlayHouse) -> None:
        house.drivers[0].lead_s, house.drivers[1].lead_s = 0.03, 0.08
        house.noras[0].source = "another relay"
        house.start(RAMP, OutputChoice(0, 0), OutputChoice(1, 0), for_s=2, stays=True)
        await asyncio.sleep(1.05)
        times = [driver.times for driver in house.drivers[:2]]
        assert times[0] == times[1]
        assert None not in times[0]
        assert len(times[0]) > 3

    live(scene)


def test_one_toy_alone_waits_for_nobody() -> None:
    async def scene(house: PlayHouse) -> None:
        house.drivers[0].lead_s = 0.03
        house.start(RAMP, OutputChoice(0), for_s=2, stays=True)
        await asyncio.sleep(1.05)
        assert set(house.drivers[0].times) == {None}

    live(scene)


def test_a_radio_that_does_not_keep_up_gets_no_queue() -> None:
    async def scene(house: PlayHouse) -> None:
        house.drivers[0].slow = True
        house.start(RAMP, OutputChoice(0, 0), for_s=9, stays=True)
        await asyncio.sleep(2.05)
        assert house.values(0) == [0]
        house.drivers[0].finish()
        await asyncio.sleep(0.1)
        assert house.values(0) in ([10], [11])  # what it is at by then

    live(scene)


class Away(RecordingDriver):
    """The way to it is gone as soon as `away` is set: it refuses at once. `only`: that feature."""

    away = False
    only: int | None = None

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        if self.away and self.only in (None, feature):
            raise HardwareError(ErrorCode.GONE, "the relay is away")
        return super().output(feature, kind, value, duration_ms, at)


def test_an_output_that_is_refused_at_once_is_out_and_its_neighbours_play_on() -> None:
    async def scene(house: PlayHouse) -> None:
        driver = Away()
        nora = device(driver, address="A9")
        await house.come(nora)
        id = house.start(RAMP, OutputChoice(nora.index), OutputChoice(0, 0)).id
        await renewed(house, id, 0.3)
        driver.away, driver.only = True, 0
        driver.calls.clear()
        house.calls(0)
        await renewed(house, id, 0.9)
        assert house.plays.state(id).outputs == ((nora.index, 1), (0, 0))
        # It was on: it is stopped, and told nothing more.
        assert [call for call in driver.calls if call[0] == "stop"] == [("stop", (0,))]
        assert {call[1] for call in driver.calls if call[0] == "output"} == {1}
        assert len(house.values(0)) > 4

    live(scene)


def test_one_that_was_refused_at_the_start_is_stopped_by_nobody() -> None:
    async def scene(house: PlayHouse) -> None:
        driver = Away()
        driver.away, driver.only = True, 0
        nora = device(driver, address="A9")
        await house.come(nora)
        house.start(STEADY, OutputChoice(nora.index))
        assert [call[:2] for call in driver.calls] == [("output", 1)]

    live(scene)


def test_what_refuses_everything_says_why_and_nothing_plays() -> None:
    async def scene(house: PlayHouse) -> None:
        driver = Away()
        driver.away = True
        nora = device(driver, address="A9")
        await house.come(nora)
        with pytest.raises(HardwareError, match="the relay is away"):
            house.start(STEADY, OutputChoice(nora.index))
        assert house.plays.states == ()
        assert "Steady (pattern)" not in house.names

    live(scene)


def test_a_failure_of_what_somebody_else_has_taken_meanwhile_stops_nothing_of_theirs() -> None:
    async def scene(house: PlayHouse) -> None:
        house.drivers[0].slow = True
        id = house.start(STEADY, OutputChoice(0, 0), OutputChoice(1, 0)).id
        [mine] = house.drivers[0].waiting
        house.drivers[0].slow = False
        house.say(house.noras[0], VIBRATE, 3)
        mine.set_exception(HardwareError(ErrorCode.RADIO, "no"))
        await renewed(house, id, 0.3)
        assert house.stops(0) == 0
        assert house.plays.state(id).outputs == ((1, 0),)

    live(scene)


@pytest.mark.parametrize("how", ["failed", "given up"])
def test_the_last_output_that_fails_ends_it(how: str) -> None:
    async def scene(house: PlayHouse) -> None:
        house.drivers[0].slow = True
        house.start(STEADY, OutputChoice(0, 0), for_s=60, stays=True)
        [mine] = house.drivers[0].waiting
        if how == "failed":
            mine.set_exception(HardwareError(ErrorCode.RADIO, "no"))
        else:
            mine.cancel()
        await asyncio.sleep(0.001)
        assert house.plays.states == ()
        assert house.stops(0) >= 1
        assert "Steady (pattern)" not in house.names

    live(scene)


def test_an_end_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def scene(house: PlayHouse) -> None:
        house.start(STEADY, for_s=0.25, stays=True)
        [driver] = [each for each in house.hub.clients if isinstance(each, PlayDriver)]
        await asyncio.sleep(0.3)
        assert driver.end("again") == []
        assert driver.ended == "its time is over"
        house.start(STEADY)
        await asyncio.sleep(1)

    live(scene)
    ends = [line for line in caplog.messages if " ended: " in line]
    assert ends == [
        "Steady (pattern) ended: its time is over",
        "Steady (pattern) ended: its page is gone",
    ]


def test_how_long_it_may_still_go_on_is_shown() -> None:
    async def scene(house: PlayHouse) -> None:
        assert house.start(STEADY, OutputChoice(0)).left_s is None
        state = house.start(STEADY, OutputChoice(1), for_s=5, stays=True)
        assert state.left_s == 5
        await asyncio.sleep(2)
        left = house.plays.state(state.id).left_s
        assert left == pytest.approx(3, abs=0.01)

    live(scene)
