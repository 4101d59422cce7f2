"""`MeteredHub`: a hub that counts what goes through it."""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import OutputCmd, StopCmd
from forwarder.devices.driver import Outcome
from forwarder.errors import DeviceError
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub, HubClient
from forwarder.hub.store import Store
from forwarder.metrics.meter import Meter
from forwarder.stop.hold import Hold


class MeteredHub(Hub):
    """`meter` may be replaced before anything runs."""

    def __init__(self, store: Store, hold: Hold | None, meter: Meter) -> None:
        super().__init__(store, hold)
        self.meter = meter

    def add(self, device: Device) -> int:
        self.meter.connects += 1
        return super().add(device)

    def stopped(self, device: Device, reason: str) -> None:
        self.meter.stopped(reason)
        super().stopped(device, reason)

    def output(
        self, client: HubClient, command: OutputCmd, at: float | None = None
    ) -> Outcome | None:
        meter = self.meter
        if not meter.watched:
            return super().output(client, command, at)
        began = meter.clock()
        try:
            outcome = super().output(client, command, at)
        except DeviceError as error:
            meter.refused(error)
            raise
        meter.handed(command.device_index, outcome, began)
        return outcome

    def stop(self, client: HubClient | None, command: StopCmd) -> list[Outcome]:
        outcomes = super().stop(client, command)
        if command.outputs:
            self.meter.stops["client" if client is not None else "shutdown"] += len(outcomes)
        return outcomes

    def leave(self, client: HubClient) -> list[Outcome]:
        outcomes = super().leave(client)
        self.meter.stops["client left"] += len(outcomes)
        return outcomes

    def halt(self, device: Device, features: Collection[int] | None = None) -> Outcome:
        self.meter.stops["person"] += 1
        return super().halt(device, features)
