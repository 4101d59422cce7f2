from __future__ import annotations

import asyncio
import logging
import sys

import pytest

from forwarder.buttplug.shown_devices import DeviceSnapshot
from forwarder.stalls import EVERY_S, SEEN_S, Stalls, taken_s, where
from tests.doubles.clock import VirtualLoop, run_virtual


def test_a_loop_that_stands_still_is_measured_and_said(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Stalls:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        stalls = Stalls()
        running = asyncio.create_task(stalls.run())
        await asyncio.sleep(EVERY_S / 2)
        loop.stand_still(0.7)
        await asyncio.sleep(1)
        running.cancel()
        return stalls

    stalls = run_virtual(main())
    assert 0.6 < stalls.longest_s <= 0.7
    assert stalls.count == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    stalls.reset()
    assert (stalls.longest_s, stalls.count) == (0, 0)


def test_a_loop_that_does_not_is_not(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Stalls:
        stalls = Stalls()
        running = asyncio.create_task(stalls.run())
        await asyncio.sleep(60)
        running.cancel()
        return stalls

    stalls = run_virtual(main())
    assert stalls.longest_s < 1e-6
    assert stalls.count == 0
    assert not caplog.records


def test_what_the_system_takes_only_grows() -> None:
    before = taken_s()
    assert taken_s() >= before >= 0


def test_the_longest_is_told_with_where_it_was() -> None:
    stalls = Stalls()
    stalls.note(0.06, "forwarder.hub.hub.Hub.stop")
    stalls.note(0.2, "forwarder.api.state_view.StateView.status")
    stalls.note(0.1, "relay.link.codec.encode")
    assert (stalls.longest_s, stalls.count) == (0.2, 3)
    assert stalls.longest_in == "forwarder.api.state_view.StateView.status"
    stalls.reset()
    assert stalls.longest_in == ""


def test_what_is_too_short_to_count_names_nobody() -> None:
    stalls = Stalls()
    stalls.note(SEEN_S / 2, "forwarder.hub.hub.Hub.stop")
    assert stalls.longest_in == ""


def test_where_is_the_innermost_function_of_this_software() -> None:
    def here(_: DeviceSnapshot) -> str:
        return where(sys._getframe())

    assert DeviceSnapshot().made("x", here) == (
        "forwarder.buttplug.shown_devices.DeviceSnapshot.made"
    )
    assert where(None) == ""
