"""The device table and who may do what: routing, scanning, arbitration between clients.

Everything here decides synchronously and returns futures; only readings are awaited. The rules for
several clients: the newest command wins, per feature; a stop from anyone always works; when a
client leaves, what it drove last is stopped and nothing else. While the person holds everything,
or has muted a client, nothing is driven: `output` is the only way to a device, see
forwarder.stop.hold.

Whoever gave the newest command of a feature owns it (`_owners`), which has one use: to know what to
stop when an owner leaves, is muted, or loses its grant. It gives no priority: two people at one toy
are two hands on one dial. A stop takes ownership away and gives it to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial

from msgspec import UNSET, UnsetType

from forwarder.buttplug.messages import (
    DeviceInfo,
    InputCmd,
    OutputCmd,
    OutputType,
    StopCmd,
)
from forwarder.buttplug.shown_devices import ShownDevices
from forwarder.clients.list_limits import ListLimits
from forwarder.clients.turns import TurnQueue
from forwarder.devices.driver import Outcome, failed
from forwarder.errors import DeviceError, HardwareError, HeldByPerson, UnknownDevice
from forwarder.hub.bounds import MAX_HUBS
from forwarder.hub.client import ClientGrant as ClientGrant
from forwarder.hub.client import HubClient as HubClient
from forwarder.hub.device import Device
from forwarder.hub.device_news import DeviceNews
from forwarder.hub.drove import Drove
from forwarder.hub.grants import check, reduced
from forwarder.hub.loop_guard import new_hub_id
from forwarder.hub.owners import Owners
from forwarder.hub.scanning import Scanning
from forwarder.hub.store import Store
from forwarder.hub.subscriptions import Subscriptions
from forwarder.sources.base import Source
from forwarder.stop.hold import Hold
from relay.link.messages import ErrorCode

log = logging.getLogger(__name__)


class Hub:
    """Implements DeviceSink for sources and serves `HubClient`s."""

    def __init__(self, store: Store, hold: Hold | None = None) -> None:
        self.id = new_hub_id()
        self.turns = TurnQueue()  # of all clients
        self.list_limits = ListLimits()
        self.hold = hold or Hold()
        self.devices: dict[int, Device] = {}
        self.sources: list[Source] = []
        self._store = store
        self._clients: set[HubClient] = set()
        self._scans = Scanning(self.sources)
        self._owners = Owners()
        self._subscriptions = Subscriptions()
        # Addresses of toys that are not connected and may be running; sources tell.
        self.missing: Callable[[], Iterable[str]] = tuple
        self._drove = Drove(lambda: self.missing())
        # By device: the stop that a value of 0 became while everything is held.
        self._rests: dict[int, Outcome] = {}
        self._closed = False
        self._table = ShownDevices(lambda: self.devices, self._info)  # as programs here see it
        self.news = DeviceNews(lambda: self._table.listed_bytes)

    # --- for sources ----------------------------------------------------------------------------

    @property
    def holds(self) -> bool:
        return self.hold.holds

    def add(self, device: Device) -> int:
        index = self._store.index(
            device.identity, device.name, device.wished_index, source=device.source
        )
        stale = self.devices.get(index)
        if stale is not None:
            # Its source does not know that it is no longer here: nothing may be left on.
            self._stop(stale, None)
            self.remove(stale, "it came in by another way")
        device.index = index
        self.devices[index] = device
        self._drove.here(device)
        log.info("device %d: %s connected (%s)", index, device.shown_name, device.source)
        if self.hold.holds:
            self._stop(device, None)  # whatever it did where it comes from
        self._devices_changed()
        return index

    def remove(self, device: Device, reason: str) -> None:
        if self.devices.get(device.index) is not device:
            return
        del self.devices[device.index]
        self._rests.pop(device.index, None)
        if not self._closed:  # what is here at the end is looked for at the next start
            self._store.gone(device.identity)
        self._drove.left(device, self.owners(device).values())
        self._owners.forget(device.index)
        self._subscriptions.forget(device)
        log.info("device %d: %s is gone: %s", device.index, device.shown_name, reason)
        self._devices_changed()

    def changed(self, device: Device) -> None:
        self._devices_changed()

    def stopped(self, device: Device, reason: str) -> None:
        if self.devices.get(device.index) is not device:
            return  # another device has its index now, and owners of its own
        owners = set(self.owners(device).values())
        self._drove.left(device, owners)
        self._owners.forget(device.index)
        log.warning("device %d: %s was stopped: %s", device.index, device.shown_name, reason)
        for client in owners:
            client.trouble(DeviceError(f"{device.shown_name} was stopped: {reason}."))

    def scan_ended(self, source: Source) -> None:
        self._scans.ended(source)

    def _devices_changed(self) -> None:
        self._table.changed()
        for client in self._clients:
            client.devices_changed()

    # --- clients come and go --------------------------------------------------------------------

    @property
    def clients(self) -> tuple[HubClient, ...]:
        return tuple(self._clients)

    def join(self, client: HubClient) -> None:
        self._clients.add(client)

    def leave(self, client: HubClient) -> list[Outcome]:
        """Forget `client`: what it alone drove is stopped, its scan and subscriptions end.

        The stops are on their way when this returns; the futures tell how they went.
        """
        self._clients.discard(client)
        self._drove.forget(client)
        outcomes = self.stop_driven(client)
        # Behind the stops: a source that fails at this must not be in their way.
        self._subscriptions.leave(client)
        self._scans.end(client)
        return outcomes

    def stop_driven(self, client: HubClient) -> list[Outcome]:
        """Stop what `client` alone drove last; it drives nothing then."""
        outcomes = []
        for index, features, others in self._owners.leave(client):
            device = self.devices[index]
            # A device that nobody else drives is stopped as a whole: exact, and one packet fewer.
            # So is one whose features changed meanwhile, for those can no longer be named.
            exact = others and features <= set(device.feature_indexes)
            outcomes += self._stop(device, features if exact else None)
        return outcomes

    def visible(self, client: HubClient) -> ShownDevices:
        """The devices as this client's DeviceList shows them."""
        if client.grant is None and client.hub_id is None:
            return self._table

        def show(index: int) -> DeviceInfo | None:
            device = self.devices.get(index)
            if device is None or not self._sees(client, device):
                return None
            way = UNSET if client.hub_id is None else self._way(device)
            return self.shown(device, client.grant, way)

        return ShownDevices(lambda: self.devices, show)

    def _info(self, index: int) -> DeviceInfo | None:
        device = self.devices.get(index)
        return None if device is None else device.info()

    def _sees(self, client: HubClient, device: Device) -> bool:
        """Whether `device` exists for `client`: what is not in its list is nothing to it."""
        if client.grant is not None and not client.grant.sees(device):
            return False
        if client.hub_id is None:
            return True
        # Another hub: what came by way of it must not come back to it.
        way = self._way(device)
        return client.hub_id not in way and len(way) < MAX_HUBS

    def _way(self, device: Device) -> tuple[str, ...]:
        return (self.id, *device.via)

    def shown(
        self, device: Device, grant: ClientGrant | None, way: tuple[str, ...] | UnsetType = UNSET
    ) -> DeviceInfo:
        """`device` with the ranges that the grant leaves of it."""
        info = device.info(way)
        if grant is None:
            return info
        return reduced(
            info,
            lambda kind: grant.ceiling(device, kind) if grant.allows(device, kind) else 0.0,
        )

    def owners(self, device: Device) -> dict[int, HubClient]:
        """Feature → who drives it now."""
        return self._owners.of(device.index)

    def driven(self, client: HubClient) -> list[tuple[Device, set[int]]]:
        """What `client` drives now, and which features of it."""
        return [(self.devices[index], features) for index, features in self._owners.by(client)]

    @property
    def scanning(self) -> bool:
        return bool(self._scans)

    # --- scanning -------------------------------------------------------------------------------

    def start_scanning(self, client: HubClient) -> None:
        self._scans.start(client)

    def stop_scanning(self, client: HubClient) -> None:
        self._scans.end(client)

    # --- outputs --------------------------------------------------------------------------------

    def output(
        self, client: HubClient, command: OutputCmd, at: float | None = None
    ) -> Outcome | None:
        """Carry out one command; None if the device was told the same just before. `at`: when
        (loop time), see Driver.

        Raises DeviceError that is the client's fault, and Held. The future fails with
        HardwareError.
        """
        if self._closed:
            raise HardwareError(ErrorCode.GONE, "The hub is shutting down.")
        device = self._device(client, command.device_index)
        ((kind, value),) = command.command.items()
        duration_ms = 0 if value.duration is UNSET else value.duration
        if client.grant is not None:
            check(client.grant, client.name, device, command.feature_index, kind, value.value)
        if self.hold.refuses_anybody and self._held(client, kind, value.value):
            device.highest(command.feature_index, kind)  # what is no output of it is told so
            return self._rest(device)
        outcome = device.output(command.feature_index, kind, value.value, duration_ms, at)
        if self._owners.take(device.index, command.feature_index, client):
            self._store.used(device.identity)
        return outcome

    def check_output(self, client: HubClient, command: OutputCmd) -> None:
        """Raises what `output` would raise by itself, and does nothing."""
        device = self._device(client, command.device_index)
        ((kind, value),) = command.command.items()
        duration_ms = 0 if value.duration is UNSET else value.duration
        if client.grant is not None:
            check(client.grant, client.name, device, command.feature_index, kind, value.value)
        device.check_output(command.feature_index, kind, value.value, duration_ms)
        self._held(client, kind, value.value)

    def _held(self, client: HubClient, kind: OutputType, value: int) -> bool:
        """Whether this value may be nothing but a stop: off is what everything is meant to be while
        the person holds it. Raises Held if it may not even be that."""
        if not self.hold.refuses_anybody:
            return False
        refusal = self.hold.refusal(
            client.name, None if client.grant is None else client.grant.name
        )
        if refusal is None:
            return False
        if self.hold.holds and not value and not kind.is_position:
            return True
        raise HeldByPerson(refusal)

    def stop(self, client: HubClient | None, command: StopCmd) -> list[Outcome]:
        """Carry out a stop of what `client` may see, or for None of anything, whoever drives it.

        A feature that the device does not have means the whole device. Raises UnknownDevice.
        """
        features = None
        if command.device_index is UNSET:
            # SPEC: a FeatureIndex without a DeviceIndex means nothing.
            devices = tuple(
                device
                for device in self.devices.values()
                if client is None or self._sees(client, device)
            )
        else:
            device = self._device(client, command.device_index)
            devices = (device,)
            at = command.feature_index
            features = {at} if at is not UNSET and at in device.feature_indexes else None
        outcomes: list[Outcome] = []
        for device in devices:
            if command.outputs:
                outcomes += self._stop(device, features)
                self._owners.forget(device.index, features)
        if command.outputs and client is not None and command.device_index is UNSET:
            outcomes += map(failed, self._drove.unstopped(client))
        if command.inputs and client is not None:
            # Behind all stops.
            for device in devices:
                self._subscriptions.stop(client, device, features)
        return outcomes

    def hold_changed(self) -> None:
        """The person stopped or paused everything, or resumed."""
        for source in self.sources:
            source.hold_changed()

    def halt(self, device: Device, features: Collection[int] | None = None) -> Outcome:
        """Stop a device for nobody in particular, and say how that went, also when no way leads to
        it. Raises UnknownFeature."""
        outcome = self._told_to_stop(device, features)
        self._owners.forget(device.index, features)
        return failed(outcome) if isinstance(outcome, HardwareError) else outcome

    def _rest(self, device: Device) -> Outcome | None:
        """Stop it if it may be running. An app that goes on saying 0 gets one stop at a time."""
        under_way = self._rests.get(device.index)
        if under_way is not None and not under_way.done():
            return under_way
        if not device.running:
            return None
        self._rests[device.index] = outcome = self.halt(device)
        return outcome

    def close(self) -> list[Outcome]:
        """Stop every output of every device; from now on nothing starts any more."""
        self._closed = True
        self.news.close()
        return self.stop(None, StopCmd(id=0, inputs=False))

    def _stop(self, device: Device, features: Collection[int] | None) -> list[Outcome]:
        outcome = self._told_to_stop(device, features)
        if not isinstance(outcome, HardwareError):
            return [outcome]
        # Whoever asked hears of what may be running; a relay that is gone has stopped its toys.
        return [] if outcome.reason is ErrorCode.GONE else [failed(outcome)]

    def _told_to_stop(
        self, device: Device, features: Collection[int] | None
    ) -> Outcome | HardwareError:
        """Put a stop on its way, or say why there is none. Raises UnknownFeature."""
        try:
            outcome = device.stop(features)
        except HardwareError as error:
            # The way to it is gone: its relay stops it by itself, and says so.
            log.error("%s could not be told to stop: %s", device.shown_name, error)
            return error
        except DeviceError:
            raise  # such a feature it does not have
        except Exception:
            # A fault boundary: what goes wrong with one device must not keep the others running.
            log.exception("%s could not be told to stop", device.shown_name)
            return HardwareError(ErrorCode.REFUSED, "an error in the hub, see its log.")
        outcome.then(partial(_report_stop, device))
        return outcome

    # --- inputs ---------------------------------------------------------------------------------

    async def read(self, client: HubClient, command: InputCmd) -> int:
        """Ask a device for a reading. Raises DeviceError."""
        device = self._device(client, command.device_index)
        return await device.read(command.feature_index, command.type)

    def subscribe(self, client: HubClient, command: InputCmd) -> Outcome:
        """Send readings to `client` from now on; a second subscription changes nothing.

        Raises DeviceError, or the future fails with it.
        """
        device = self._device(client, command.device_index)
        return self._subscriptions.subscribe(client, device, command.feature_index, command.type)

    def unsubscribe(self, client: HubClient, command: InputCmd) -> Outcome | None:
        """End it; None if there is nothing to wait for. Raises DeviceError."""
        device = self._device(client, command.device_index)
        return self._subscriptions.unsubscribe(client, device, command.feature_index, command.type)

    def _device(self, client: HubClient | None, index: int) -> Device:
        device = self.devices.get(index)
        if device is None or (client is not None and not self._sees(client, device)):
            raise UnknownDevice(index)
        return device


def _report_stop(device: Device, done: Outcome) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        # A failed stop is the loudest error there is; the relay goes on trying.
        log.error("STOP of %s did not reach it yet: %s", device.shown_name, error)
