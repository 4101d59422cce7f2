"""Battery levels for people: asked of the toys only while somebody looks, and seldom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec import UNSET

from forwarder.api.bounds import AGAIN_S, LOOK_S, RETRY_S
from forwarder.buttplug.messages import InputCommand, InputType
from forwarder.errors import DeviceError
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub

log = logging.getLogger(__name__)


class Batteries:
    """`watched()`: whether somebody looks. `run` does the asking, one toy at a time."""

    def __init__(self, hub: Hub, watched: Callable[[], bool]) -> None:
        self._hub = hub
        self._watched = watched
        # Device object → percent: a device that left and came back is another object.
        self._levels: dict[Device, int] = {}
        self._due: dict[Device, float] = {}

    def level(self, device: Device) -> int | None:
        return self._levels.get(device)

    def learn(self, device: Device, level: int) -> None:
        """Somebody else asked."""
        self._levels[device] = level
        self._due[device] = asyncio.get_running_loop().time() + AGAIN_S

    async def run(self) -> None:
        """Runs until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            here = set(self._hub.devices.values())
            self._levels = {d: level for d, level in self._levels.items() if d in here}
            self._due = {d: due for d, due in self._due.items() if d in here}
            if self._watched():
                for device in here:
                    if clock() >= self._due.get(device, 0):
                        await self._ask(device)
            await asyncio.sleep(LOOK_S)

    async def _ask(self, device: Device) -> None:
        clock = asyncio.get_running_loop().time
        feature = battery_feature(device)
        self._due[device] = clock() + AGAIN_S
        if feature is None:
            return
        try:
            # The device's driver has a deadline of its own.
            self._levels[device] = await device.read(feature, InputType.BATTERY)
        except DeviceError as error:
            log.debug("battery: %s", error)
            self._due[device] = clock() + RETRY_S
        except Exception:
            # A fault boundary: what one toy's battery trips up ends no hub.
            log.exception("the battery of %s tripped this hub up", device.shown_name)


def battery_feature(device: Device) -> int | None:
    """The feature that tells the battery's level when asked."""
    for feature in device.features:
        if feature.input is UNSET:
            continue
        offered = feature.input.get(InputType.BATTERY)
        if offered is not None and InputCommand.READ in offered.command:
            return feature.feature_index
    return None
