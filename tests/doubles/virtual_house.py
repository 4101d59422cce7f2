"""A hub with two Noras and a stroker over recording drivers, and what is made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

from forwarder.buttplug.messages import InputType, OutputCmd, OutputType, OutputValue, StopCmd
from forwarder.definitions.model import Definition, FeatureSpec, OutputSpec
from forwarder.devices.driver import Outcome
from forwarder.errors import DeviceError
from forwarder.hub.client import ClientGrant
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.virtual.source import GroupRule, StandInRule, VirtualSource
from tests.doubles.clock import run_virtual
from tests.doubles.driver import STROKER, RecordingDriver, device

TWO = Definition(
    "lovense",
    "T",
    "Two",
    tuple(FeatureSpec(n, outputs={OutputType.VIBRATE: OutputSpec(0, 20)}) for n in range(2)),
)


class AnApp:
    version = 4
    hub_id: str | None = None

    def __init__(self, grant: ClientGrant | None = None) -> None:
        self.name = "app"
        self.grant = grant
        self.troubles: list[str] = []

    def devices_changed(self) -> None:
        pass

    def scanning_finished(self) -> None:
        pass

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        pass

    def trouble(self, error: DeviceError) -> None:
        self.troubles.append(str(error))

    def dismiss(self, reason: str) -> None:
        pass


class VirtualHouse:
    def __init__(
        self, groups: Sequence[GroupRule] = (), stand_ins: Sequence[StandInRule] = ()
    ) -> None:
        self.hub = Hub(Store(None))
        self.drivers = [RecordingDriver() for _ in range(3)]
        self.noras = [device(driver, address=f"A{n}") for n, driver in enumerate(self.drivers[:2])]
        self.two = device(self.drivers[0], TWO, "T")
        self.stroker = device(self.drivers[2], STROKER, "S")
        self.source = VirtualSource(self.hub, self.hub, groups, stand_ins)
        self.hub.sources.append(self.source)
        self.hub.join(self.source)
        self.app = AnApp()
        self.hub.join(self.app)

    async def come(self, *toys: Device) -> None:
        for toy in toys:
            self.hub.add(toy)
        await asyncio.sleep(0.001)

    def named(self, name: str) -> Device:
        (found,) = [each for each in self.hub.devices.values() if each.name == name]
        return found

    def names(self) -> list[str]:
        return sorted(each.name for each in self.hub.devices.values())

    def say(
        self, on: Device, kind: OutputType, value: int, ms: int | None = None
    ) -> Outcome | None:
        feature = next(f.feature_index for f in on.features if f.output and kind in f.output)
        level = OutputValue(value=value) if ms is None else OutputValue(value=value, duration=ms)
        command = OutputCmd(
            id=1, device_index=on.index, feature_index=feature, command={kind: level}
        )
        return self.hub.output(self.app, command)

    def stop(self, on: Device) -> list[Outcome]:
        return self.hub.stop(self.app, StopCmd(id=1, device_index=on.index))

    def calls(self, number: int) -> list[tuple[object, ...]]:
        """What a driver was told since the last time."""
        calls, self.drivers[number].calls = self.drivers[number].calls, []
        return calls


def lived(scene: Coroutine[object, object, None]) -> None:
    run_virtual(scene)
