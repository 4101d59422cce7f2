"""When several devices can begin at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from forwarder.devices.moments import common_time
from forwarder.hub.device import Device
from tests.doubles.driver import RecordingDriver, device


def at(lead_s: float | None, source: str) -> Device:
    driver = RecordingDriver()
    driver.lead_s = lead_s
    made = device(driver)
    made.source = source
    return made


@pytest.mark.parametrize(
    ("ways", "wanted"),
    [
        ([], None),
        ([(0.05, "attic")], None),
        ([(0.05, "attic"), (0.07, "attic")], None),
        ([(0.05, "attic"), (None, "phone")], None),
        ([(0.05, "attic"), (0.02, "phone")], 10.05),
        ([(0.05, "attic"), (0.07, "attic"), (0.02, "phone"), (None, "hub")], 10.07),
    ],
)
async def test_two_ways_that_take_times_begin_as_late_as_the_slower_one_asks_for(
    ways: list[tuple[float | None, str]], wanted: float | None
) -> None:
    await asyncio.sleep(0)
    assert common_time([at(*way) for way in ways], 10.0) == wanted
