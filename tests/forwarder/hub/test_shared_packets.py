"""A toy whose packets carry all of its motors: what one packet takes with it counts as taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.client.client import Client
from forwarder.devices.driver import Fate
from forwarder.errors import HardwareError
from forwarder.hub.device import Device
from relay.link.messages import ErrorCode
from tests.doubles.driver import RecordingDriver, device
from tests.doubles.running_hub import running_hub
from tests.system.processes import until

VIBRATE, ROTATE = OutputType.VIBRATE, OutputType.ROTATE


def both() -> tuple[Device, RecordingDriver]:
    driver = RecordingDriver()
    driver.slow = True
    return device(driver), driver


async def _let_go() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def carried() -> tuple[Device, RecordingDriver, asyncio.Future[Fate]]:
    """A value that went with another motor's packet, and that packet, not taken yet."""
    toy, driver = both()
    toy.output(0, VIBRATE, 10)
    toy.output(1, ROTATE, 5)
    first, second = driver.waiting
    first.set_result(Fate.SUPERSEDED)
    await _let_go()
    return toy, driver, second


async def test_a_value_that_another_motors_packet_carries_is_taken_with_it() -> None:
    toy, driver, second = await carried()
    assert toy.levels[0] == (VIBRATE, 10, 0)
    assert not toy.may_run
    # Asked again it is no news, and answered when that packet is.
    again = toy.output(0, VIBRATE, 10)
    assert again is not None
    assert not again.done()
    assert len(driver.calls) == 2
    second.set_result(Fate.TAKEN)
    await _let_go()
    assert again.result() is Fate.TAKEN
    assert toy.levels == {0: (VIBRATE, 10, 0), 1: (ROTATE, 5, 0)}
    assert not toy.may_run


async def test_a_value_is_in_doubt_if_the_packet_that_carried_it_failed() -> None:
    toy, _, second = await carried()
    second.set_exception(HardwareError(ErrorCode.TIMEOUT, "no answer"))
    await _let_go()
    assert toy.may_run == (0, 1)
    assert toy.running


async def test_it_is_taken_when_all_behind_it_were_for_nobody_knows_which_carried_it() -> None:
    toy, driver = both()
    toy.output(0, VIBRATE, 10)
    toy.output(1, ROTATE, 5)
    toy.output(1, ROTATE, 6)
    first, second, third = driver.waiting
    first.set_result(Fate.SUPERSEDED)
    await _let_go()
    third.set_result(Fate.TAKEN)
    await _let_go()
    assert toy.truth.taken(0) is None
    second.set_result(Fate.SUPERSEDED)
    await _let_go()
    taken = toy.truth.taken(0)
    assert taken is not None
    assert taken.steps == 10


async def test_a_chain_of_packets_proves_nothing_before_its_last_was_taken() -> None:
    for fate, running in ((None, True), (Fate.TAKEN, False)):
        toy, driver = both()
        toy.output(0, VIBRATE, 10)
        driver.waiting.pop().set_result(Fate.TAKEN)
        await _let_go()
        toy.output(0, VIBRATE, 0)
        toy.output(1, ROTATE, 5)
        first, second = driver.waiting
        first.set_result(Fate.SUPERSEDED)
        await _let_go()
        toy.output(1, ROTATE, 0)
        second.set_result(Fate.SUPERSEDED)
        await _let_go()
        assert toy.truth.may_run(0)
        if fate is None:
            driver.waiting[-1].set_exception(HardwareError(ErrorCode.TIMEOUT, "no answer"))
        else:
            driver.waiting[-1].set_result(fate)
        await _let_go()
        assert toy.truth.may_run(0) is running


async def test_who_shared_what_a_newer_command_replaced_is_not_told_of_a_failure() -> None:
    toy, driver, second = await carried()
    shared = toy.output(0, VIBRATE, 10)
    assert shared is not None
    toy.output(0, VIBRATE, 3)
    second.set_result(Fate.SUPERSEDED)
    await _let_go()
    assert shared.result() is Fate.SUPERSEDED
    driver.waiting[-1].set_result(Fate.TAKEN)
    await _let_go()
    taken = toy.truth.taken(0)
    assert taken is not None
    assert taken.steps == 3


async def test_a_stop_behind_it_has_the_last_word() -> None:
    toy, driver = both()
    toy.output(0, VIBRATE, 10)
    toy.output(1, ROTATE, 5)
    stop = toy.stop()
    first, second, _ = driver.waiting
    first.set_result(Fate.SUPERSEDED)
    second.set_result(Fate.SUPERSEDED)
    stop.set_result(Fate.TAKEN)
    await _let_go()
    assert not toy.running
    assert not toy.may_run


async def test_without_anything_behind_it_nobody_knows() -> None:
    toy, driver = both()
    toy.output(0, VIBRATE, 10)
    driver.waiting[0].set_result(Fate.SUPERSEDED)
    await _let_go()
    assert toy.may_run == (0,)


@pytest.mark.parametrize("model", ["We-Vibe Chorus", "We-Vibe Nova"])
async def test_both_motors_at_once_are_shown_as_they_run(tmp_path: Path, model: str) -> None:
    async with running_hub(tmp_path, (model,)) as hub:
        await hub.with_devices(1)
        async with Client.connect(hub.app.client_url) as app:
            toy = hub.app.hub.devices[0]
            for share in (0.6, 0.3):
                await app.devices[0].vibrate(share)
                await until(lambda: len(toy.levels) == 2, "both levels", 5)
                assert not toy.may_run
                levels = {level[1] / toy.highest(i, VIBRATE) for i, level in toy.levels.items()}
                assert all(abs(level - share) < 0.1 for level in levels)
