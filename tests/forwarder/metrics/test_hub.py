"""A hub that counts: what goes through it goes on as before, and counts once."""

from __future__ import annotations

import asyncio

import pytest

from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue, StopCmd
from forwarder.errors import DeviceError
from forwarder.hub.store import Store
from forwarder.metrics.hub import MeteredHub
from forwarder.metrics.meter import Meter
from tests.doubles.driver import RecordingDriver, device
from tests.forwarder.hub.test_hub import FakeClient


def metered() -> tuple[MeteredHub, FakeClient]:
    hub = MeteredHub(Store(None), None, Meter(lambda: 0.0))
    client = FakeClient()
    hub.join(client)
    hub.add(device(RecordingDriver()))
    return hub, client


def output(value: int) -> OutputCmd:
    command = {OutputType.VIBRATE: OutputValue(value=value)}
    return OutputCmd(id=1, device_index=0, feature_index=0, command=command)


async def test_nothing_is_timed_before_somebody_asks() -> None:
    hub, client = metered()
    assert hub.output(client, output(5)) is not None
    with pytest.raises(DeviceError):
        hub.output(client, output(999))
    assert not hub.meter.outputs
    assert not any(sum(taken.counts) for taken in hub.meter.hops.values())


async def test_from_then_on_outputs_and_refusals_are() -> None:
    hub, client = metered()
    hub.meter.watched = True
    outcome = hub.output(client, output(5))
    assert outcome is not None
    await outcome
    await asyncio.sleep(0)  # who asked first hears of it first
    with pytest.raises(DeviceError):
        hub.output(client, output(999))
    assert dict(hub.meter.outputs) == {"taken": 1, "refused": 1}


async def test_stops_are_counted_by_who_asked() -> None:
    hub, client = metered()
    hub.stop(client, StopCmd(id=1))
    hub.halt(hub.devices[0])
    hub.stopped(hub.devices[0], "anything")
    hub.output(client, output(5))
    hub.leave(client)
    hub.close()
    counted = {"client": 1, "person": 1, "other": 1, "client left": 1, "shutdown": 1}
    assert dict(hub.meter.stops) == counted
    assert hub.meter.connects == 1
