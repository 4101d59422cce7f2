"""One device: ranges, the repeat filter, levels, what a stop leaves behind."""

from __future__ import annotations

import asyncio

import pytest

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions.limits import build_features
from forwarder.devices.driver import Fate
from forwarder.errors import HardwareError, OutOfRange, UnknownFeature, Unsupported
from forwarder.hub.bounds import VALUES_UNDER_WAY
from relay.link.messages import Ceiling, ErrorCode
from tests.doubles.driver import NORA, STROKER, RecordingDriver, device

VIBRATE, ROTATE = OutputType.VIBRATE, OutputType.ROTATE


async def test_an_output_reaches_the_driver_in_the_devices_steps() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    outcome = toy.output(1, ROTATE, -7)
    assert outcome is not None
    await outcome
    assert driver.calls == [("output", 1, "Rotate", -7, 0)]
    assert toy.levels == {1: (ROTATE, -7, 0)}
    assert toy.running


async def test_the_same_value_again_is_not_sent_again() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    assert toy.output(0, VIBRATE, 5) is not None
    assert toy.output(0, VIBRATE, 5) is None
    assert toy.output(0, VIBRATE, 6) is not None
    assert [call[3] for call in driver.calls] == [5, 6]


async def test_a_value_that_did_not_arrive_may_be_sent_again() -> None:
    driver = RecordingDriver()
    driver.broken = True
    toy = device(driver)
    first = toy.output(0, VIBRATE, 5)
    assert first is not None
    with pytest.raises(HardwareError):
        await first
    await asyncio.sleep(0)
    driver.broken = False
    assert toy.output(0, VIBRATE, 5) is not None


async def test_of_a_flood_so_much_is_handed_over_that_a_stop_comes_soon_behind_it() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    for number in range(VALUES_UNDER_WAY):
        toy.output(number % 2, VIBRATE if number % 2 == 0 else ROTATE, 1 + number // 2 % 5)
    with pytest.raises(HardwareError, match="too many values") as refused:
        toy.output(0, VIBRATE, 19)
    assert refused.value.reason is ErrorCode.CONGESTED
    levels = toy.levels
    assert levels[0] != (VIBRATE, 19, 0), "it was not handed over"
    off = toy.output(0, VIBRATE, 0)
    assert driver.calls[-1:] == [("output", 0, "Vibrate", 0, 0)]
    calls = len(driver.calls)
    assert toy.output(0, VIBRATE, 0) is off
    assert len(driver.calls) == calls, "once is enough"
    toy.stop()
    assert driver.calls[-1] == ("stop", None)
    for outcome in driver.waiting[:3]:
        outcome.set_result(Fate.SUPERSEDED)
    assert toy.output(0, VIBRATE, 19) is not None


async def test_a_late_failure_does_not_unlearn_a_newer_value() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    toy.output(0, VIBRATE, 6)
    driver.waiting[0].set_exception(HardwareError(ErrorCode.REFUSED, "no"))
    driver.waiting[1].set_result(Fate.TAKEN)
    with pytest.raises(HardwareError):
        await driver.waiting[0]
    await asyncio.sleep(0)
    assert toy.output(0, VIBRATE, 6) is None


async def test_a_stop_is_always_sent_and_silences_a_zero_behind_it() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    await toy.stop()
    await toy.stop()
    assert driver.calls == [("stop", None), ("stop", None)]
    assert not toy.running
    assert toy.output(0, VIBRATE, 0) is None


async def test_a_stop_of_one_feature_leaves_the_others() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    toy.output(1, ROTATE, 5)
    await toy.stop({0})
    assert driver.calls[-1] == ("stop", (0,))
    assert toy.levels == {0: (VIBRATE, 0, 0), 1: (ROTATE, 5, 0)}


async def test_after_a_stop_a_stroker_may_go_to_the_same_place_again() -> None:
    toy = device(definition=STROKER)
    position = OutputType.HW_POSITION_WITH_DURATION
    assert toy.output(0, position, 80, 500) is not None
    assert not toy.running
    await toy.stop()
    assert toy.output(0, position, 80, 500) is not None


@pytest.mark.parametrize(
    ("feature", "kind", "value", "error"),
    [
        (9, VIBRATE, 1, UnknownFeature),
        (0, ROTATE, 1, Unsupported),
        (0, VIBRATE, 21, OutOfRange),
        (0, VIBRATE, -1, OutOfRange),
        (1, ROTATE, -21, OutOfRange),
        (2, VIBRATE, 1, Unsupported),
    ],
)
async def test_what_the_device_cannot_do_is_refused_and_not_sent(
    feature: int, kind: OutputType, value: int, error: type[Exception]
) -> None:
    driver = RecordingDriver()
    with pytest.raises(error, match="Nora"):
        device(driver).output(feature, kind, value)
    assert driver.calls == []


async def test_inputs_are_checked_against_what_is_offered() -> None:
    toy = device()
    assert await toy.read(2, InputType.BATTERY) == 87
    with pytest.raises(Unsupported):
        await toy.read(3, InputType.PRESSURE)
    with pytest.raises(Unsupported):
        await toy.subscribe(2, InputType.BATTERY, print)
    with pytest.raises(UnknownFeature):
        await toy.read(9, InputType.BATTERY)


async def test_a_battery_is_not_asked_while_the_stop_of_what_runs_would_wait_for_it() -> None:
    driver = RecordingDriver()
    driver.stop_waits_for_reads = True
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    with pytest.raises(HardwareError, match="may be running, and its stop would have to wait"):
        await toy.read(2, InputType.BATTERY)
    toy.stop()
    await asyncio.sleep(0)
    assert await toy.read(2, InputType.BATTERY) == 87
    asked = driver.calls.count(("read", 2, "Battery"))
    toy.output(0, VIBRATE, 5)
    assert await toy.read(2, InputType.BATTERY) == 87
    assert driver.calls.count(("read", 2, "Battery")) == asked == 1
    driver.stop_waits_for_reads = False
    await toy.read(2, InputType.BATTERY)
    assert driver.calls.count(("read", 2, "Battery")) == 2


async def test_a_device_is_listed_with_its_own_gap() -> None:
    toy = device()
    toy.index = 4
    info = toy.info()
    assert (info.device_index, info.device_name, info.device_message_timing_gap) == (
        4,
        "Lovense Nora",
        50,
    )
    assert list(info.device_features) == [0, 1, 2, 3]


async def test_the_same_value_while_it_is_under_way_shares_its_fate() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    first, second = toy.output(0, VIBRATE, 5), toy.output(0, VIBRATE, 5)
    assert second is first, "an Ok for the second must wait for the radio as well"
    driver.waiting[0].set_exception(HardwareError(ErrorCode.REFUSED, "no"))
    assert toy.output(0, VIBRATE, 5) is not None
    assert [call[0] for call in driver.calls] == ["output", "recall", "output"]


async def test_a_zero_behind_a_stop_that_failed_is_sent() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    driver.finish()
    stopping = toy.stop()
    assert toy.output(0, VIBRATE, 0) is stopping
    stopping.set_exception(HardwareError(ErrorCode.TIMEOUT, "no"))
    with pytest.raises(HardwareError):
        await stopping
    await asyncio.sleep(0)
    assert toy.running, "it may well be"
    assert toy.output(0, VIBRATE, 0) is not None
    assert driver.calls[-1:] == [("output", 0, "Vibrate", 0, 0)]


async def test_a_value_that_failed_leaves_the_level_that_was_there() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    driver.broken = True
    toy.output(0, VIBRATE, 7)
    await asyncio.sleep(0)
    assert toy.levels == {0: (VIBRATE, 5, 0)}
    assert toy.may_run == (0,)
    assert toy.strongest == 7 / 20
    driver.broken = False
    assert toy.output(0, VIBRATE, 5) is not None, "it may have got the 7"
    await asyncio.sleep(0)
    assert not toy.may_run


async def test_a_toy_at_rest_whose_value_failed_may_run() -> None:
    driver = RecordingDriver()
    driver.broken = True
    toy = device(driver)
    toy.output(0, VIBRATE, 7)
    await asyncio.sleep(0)
    assert toy.running
    assert toy.may_run == (0,)
    assert toy.levels == {}


async def test_an_off_counts_when_the_radio_took_it() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    driver.slow = True
    toy.output(0, VIBRATE, 0)
    assert toy.running
    driver.finish()
    await asyncio.sleep(0)
    assert not toy.running


async def test_less_is_not_what_it_had_before_when_it_fails() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    driver.broken = True
    for value in (7, 3, 0):
        toy.output(0, VIBRATE, value)
        await asyncio.sleep(0)
    recalled = [call for call in driver.calls if call[0] == "recall"]
    assert [call[3] for call in recalled] == [5, 0, 0]


async def test_a_late_failure_recalls_nothing_newer() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    first = toy.output(0, VIBRATE, 7)
    toy.output(0, VIBRATE, 3)
    assert first is not None
    first.set_exception(HardwareError(ErrorCode.RADIO, "the radio said no"))
    await asyncio.sleep(0)
    assert not any(call[0] == "recall" for call in driver.calls)


async def test_what_was_turned_back_before_the_radio_starts_nothing() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    refused = toy.output(0, VIBRATE, 7)
    assert refused is not None
    refused.set_exception(HardwareError(ErrorCode.CONGESTED, "too much"))
    await asyncio.sleep(0)
    assert not toy.running
    assert driver.calls[-1] == ("recall", 0, "Vibrate", 0, False)


async def test_what_a_newer_one_replaced_is_in_doubt_until_that_arrived() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    one, two = toy.output(0, VIBRATE, 7), toy.output(0, VIBRATE, 0)
    assert one is not None
    assert two is not None
    one.set_result(Fate.SUPERSEDED)
    await asyncio.sleep(0)
    assert toy.running
    two.set_exception(HardwareError(ErrorCode.RADIO, "the radio said no"))
    await asyncio.sleep(0)
    assert toy.running
    assert toy.may_run == (0,)
    assert toy.output(0, VIBRATE, 0) is not None


async def test_a_limit_that_allows_less_stops_first_whatever_is_believed() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    narrower = build_features(NORA, None, (Ceiling(0.5),))
    assert toy.limit(narrower)
    assert driver.calls == [("stop", None)]
    assert not toy.limit(narrower)
    assert not toy.limit(build_features(NORA))
    assert driver.calls == [("stop", None)], "more may be allowed without one"
    assert toy.limit(build_features(NORA, None, (Ceiling(0, "Rotate"),)))


async def test_a_feature_that_was_taken_away_counts_as_long_as_it_may_run() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    toy.output(0, VIBRATE, 5)
    driver.broken = True
    toy.limit(build_features(NORA, None, (Ceiling(0),)))
    await asyncio.sleep(0)
    assert toy.levels == {}
    assert toy.running
    assert toy.strongest == 1
    driver.broken = False
    toy.stop()
    await asyncio.sleep(0)
    assert not toy.running


async def test_a_relays_own_stop_silences_no_later_value() -> None:
    driver = RecordingDriver()
    driver.slow = True
    toy = device(driver)
    under_way = toy.output(0, VIBRATE, 5)
    assert under_way is not None
    toy.at_rest()
    assert toy.output(0, VIBRATE, 5) is not under_way
    driver.finish()
    await asyncio.sleep(0)
    assert toy.running


async def test_the_same_description_is_the_same_object_until_something_changes() -> None:
    toy = device()
    toy.index = 4
    info = toy.info()
    assert toy.info() is info
    toy.display_name = "Hers"
    assert toy.info().device_display_name == "Hers"
    named = toy.info()
    toy.replace_features(())
    assert toy.info().device_features == {}
    assert named.device_features


async def test_who_says_now_what_waits_for_its_time_neither_waits_nor_comes_too_late() -> None:
    driver = RecordingDriver()
    toy = device(driver)
    driver.slow = True
    timed = toy.output(0, VIBRATE, 10, at=100.0)
    assert toy.output(0, VIBRATE, 10, at=100.0) is timed
    now = toy.output(0, VIBRATE, 10)
    assert driver.times == [100.0, None]
    assert toy.output(0, VIBRATE, 10) is now
    assert timed is not None
    assert now is not None
    timed.set_exception(HardwareError(ErrorCode.LATE, "its time was over when it came"))
    now.set_result(Fate.TAKEN)
    assert toy.output(0, VIBRATE, 10) is None
    assert toy.levels == {0: (VIBRATE, 10, 0)}
    assert not toy.may_run
