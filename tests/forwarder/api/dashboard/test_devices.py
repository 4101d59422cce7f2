"""The facts of a device are others whenever its document is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forwarder.api.dashboard.batteries import Batteries
from forwarder.api.dashboard.devices import DeviceViews
from forwarder.hub.device import Device
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until

VIBRATE = {"type": "Vibrate", "percent": 50, "for_ms": 60_000}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, ("Lovense Nora",)) as hub:
        await hub.with_devices(1)
        yield hub


class Told:
    """What is told of a device, as facts and as documents."""

    def __init__(self, house: RunningHub) -> None:
        app = house.app
        self._views = DeviceViews(app.hub, app.relays, app.trust, Batteries(app.hub, bool))
        self._device = app.hub.devices[0]

    def now(self) -> list[tuple[object, object]]:
        views, device = self._views, self._device
        facts, live = views.facts(device), views.live_facts(device)
        return [(facts, views.view(device, facts)), (live, views.live(device, live))]


async def _moves(house: RunningHub, device: Device) -> None:
    await house.ask("PUT", "/devices/0/outputs", VIBRATE)


async def _is_lost_sight_of(house: RunningHub, device: Device) -> None:
    device.lost_sight()


async def _rests(house: RunningHub, device: Device) -> None:
    await house.ask("POST", "/stop", {"device": 0})


async def _is_limited(house: RunningHub, device: Device) -> None:
    limit = {"feature": 0, "type": "Vibrate", "lowest": 0, "highest": 50}
    await house.ask("PUT", "/devices/0", {"limits": [limit]})


async def _is_named(house: RunningHub, device: Device) -> None:
    await house.ask("PUT", "/devices/0", {"display_name": "Left"})


async def _is_pinned(house: RunningHub, device: Device) -> None:
    (relay,) = house.app.relays.relays.values()
    await house.ask("PUT", "/devices/0", {"pin": relay.name})


async def _is_paused(house: RunningHub, device: Device) -> None:
    (relay,) = house.app.relays.relays.values()
    house.app.agents[0].pause()
    await until(lambda: relay.blocked is not None, "the pause")


async def _has_a_battery(house: RunningHub, device: Device) -> None:
    device.battery = 50, 0.0


async def test_other_documents_have_other_facts(house: RunningHub) -> None:
    told, device = Told(house), house.app.hub.devices[0]
    steps = (
        _moves, _is_lost_sight_of, _rests, _is_limited, _is_named, _is_pinned, _has_a_battery,
        _is_paused,
    )  # fmt: skip
    for step in steps:
        before = told.now()
        await step(house, device)
        after = told.now()
        assert before != after, step.__name__
        for (facts, document), (later, changed) in zip(before, after, strict=True):
            assert document == changed or facts != later, step.__name__
