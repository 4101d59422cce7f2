"""Other Buttplug servers as sources of devices: `UpstreamSource`, one for each server.

The hub is a client there. The server's devices appear here with indexes of their own that stay the
same; they go when the server goes, and come back with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from msgspec import UNSET

from forwarder.buttplug.client import (
    ClientEvent,
    ClientSession,
    DevicesListed,
    HandshakeFailed,
    InputValue,
    Ready,
    ScanEnded,
    ServerError,
)
from forwarder.buttplug.messages import DeviceFeature, DeviceInfo, StartScanning, StopScanning
from forwarder.client.session_driver import ServerGone, SessionDriver
from forwarder.definitions.limits import build_features
from forwarder.definitions.model import Definition, FeatureSpec, InputSpec, OutputSpec, UserDevice
from forwarder.errors import ForwarderError
from forwarder.hub.bounds import MAX_HUBS
from forwarder.hub.device import Device, Identity
from forwarder.hub.loop_guard import marked
from forwarder.hub.truth import Truth
from forwarder.sources.base import DeviceSink, HeldBack
from forwarder.sources.upstream.bounds import MAX_DEVICES
from forwarder.sources.upstream.driver import UpstreamDriver
from relay.link.channel import Channel
from relay.link.names import neutralise

log = logging.getLogger(__name__)

PROTOCOL = "upstream"
# Spec versions to try, in this order, over and over: servers say nothing to what they cannot read.
_VERSIONS = (4, 3)

UserSettings = Callable[[Identity], UserDevice | None]


class UpstreamSource:
    """One other server. Implements Source; `drive` is its handler for a connector of any kind.

    `name` is what the user calls the server: it makes its devices the same ones next time.
    `hub_id` keeps devices from coming round in a circle, see forwarder.hub.loop_guard. `settings`
    looks up what the user decided about a device.
    """

    def __init__(
        self,
        name: str,
        sink: DeviceSink,
        *,
        client_name: str = "Buttplug Forwarder",
        hub_id: str = "",
        settings: UserSettings = lambda identity: None,
    ) -> None:
        self._name = name
        self._sink = sink
        self._client_name = client_name
        self._hub_id = hub_id
        self._settings = settings
        self._attempt = 0
        self._scanning = False
        self._current: _Conversation | None = None

    def __repr__(self) -> str:
        return f"<UpstreamSource {self._name} {'connected' if self.connected else 'away'}>"

    @property
    def name(self) -> str:
        return self._name

    @property
    def connected(self) -> bool:
        return self._current is not None and self._current.ready

    @property
    def devices(self) -> tuple[Device, ...]:
        return () if self._current is None else self._current.devices

    def scan(self, on: bool) -> None:
        self._scanning = on
        if self._current is not None and self._current.ready:
            self._current.scan(self._may_scan)
        elif on:
            # Nothing to wait for here. Not at once: whoever asked must get its answer first.
            asyncio.get_running_loop().call_soon(self._sink.scan_ended, self)

    def hold_changed(self) -> None:
        """What that server finds it also connects, and greets in ways that may move it."""
        if self._scanning and self._current is not None and self._current.ready:
            self._current.scan(self._may_scan)

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return ()  # what that server would find nobody knows

    @property
    def _may_scan(self) -> bool:
        return self._scanning and not self._sink.holds

    async def drive(self, channel: Channel) -> None:
        """Be a client of the server behind `channel` until either end closes it.

        A newer channel takes the place of an older one. A server that does not answer in one
        version of the spec is asked in another when this is called the next time.
        """
        old, self._current = self._current, None
        if old is not None:
            old.end(f"{self._name} came back over a new connection")
        version = _VERSIONS[self._attempt % len(_VERSIONS)]
        name = marked(self._client_name, self._hub_id) if self._hub_id else self._client_name
        session = ClientSession(name, version=version)
        conversation = _Conversation(self, self._sink, channel, session, self._settings)
        self._current = conversation
        reason = "this hub ended the connection"
        try:
            await conversation.run()
        except ServerGone as gone:
            reason = str(gone)
        finally:
            conversation.end(reason)
            if self._current is conversation:
                self._current = None
                if self._scanning:
                    self._sink.scan_ended(self)
        log.info("upstream %s: %s", self._name, reason)

    def greeted(self, conversation: _Conversation) -> None:
        """The handshake is done: what is wanted of every server is wanted of this one."""
        if self._may_scan:
            conversation.scan(True)

    def refused(self, text: str) -> None:
        self._attempt += 1
        log.info("upstream %s refused the handshake: %s", self._name, text)

    def scan_ended(self) -> None:
        if self._may_scan:
            self._sink.scan_ended(self)

    def passes(self, info: DeviceInfo) -> bool:
        """Whether a device may appear here: not if it has been here before."""
        via = way_of(info)
        return self._hub_id not in via and len(via) < MAX_HUBS


class _Conversation:
    """The time from a channel's beginning to its end; the devices live exactly as long."""

    def __init__(
        self,
        source: UpstreamSource,
        sink: DeviceSink,
        channel: Channel,
        session: ClientSession,
        settings: UserSettings,
    ) -> None:
        self._source = source
        self._sink = sink
        self._channel = channel
        self._settings = settings
        self._session = SessionDriver(channel, session, self._heard)
        self._devices: dict[int, tuple[DeviceInfo, Device, UpstreamDriver]] = {}
        self._ended: str | None = None
        self.ready = False

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(device for _, device, _ in self._devices.values())

    async def run(self) -> None:
        if self._ended is not None:
            raise ServerGone(self._ended)
        await self._session.run()

    def end(self, reason: str) -> None:
        """Take the devices away, now; the channel is closed by whoever runs this. Idempotent."""
        self._ended = self._ended or reason
        self.ready = False
        self._session.hang_up(reason)
        for index in tuple(self._devices):
            self._remove(index, reason)

    def scan(self, on: bool) -> None:
        try:
            self._session.ask(StartScanning(id=1) if on else StopScanning(id=1))
        except ForwarderError as error:
            log.warning("upstream %s: %s", self._source.name, error)

    def _heard(self, event: ClientEvent) -> None:
        if self._ended is not None:
            return
        match event:
            case Ready(server_name, version):
                self.ready = True
                log.info(
                    "upstream %s is '%s', spec v%d",
                    self._source.name,
                    neutralise(server_name),
                    version,
                )
                self._source.greeted(self)
            case HandshakeFailed(_, text):
                self._source.refused(neutralise(text, 200))
            case DevicesListed(devices):
                self._update(devices)
            case InputValue(index, feature, kind, value):
                if index in self._devices:
                    self._devices[index][2].heard(feature, kind, value)
            case ScanEnded():
                self._source.scan_ended()
            case ServerError(_, text):
                log.warning("upstream %s says: %s", self._source.name, neutralise(text, 200))
            case _:
                pass  # Reply and Ignored do not come this far

    # --- devices --------------------------------------------------------------------------------

    def _update(self, devices: Mapping[int, DeviceInfo]) -> None:
        wanted = {i: info for i, info in devices.items() if self._source.passes(info)}
        for index in [index for index in self._devices if index not in wanted]:
            self._remove(index, f"it is gone from {self._source.name}")
        for index, info in wanted.items():
            known = self._devices.get(index)
            if known is None:
                self._add(index, info)
            elif known[0] != info:
                self._change(index, info)

    def _add(self, index: int, info: DeviceInfo) -> None:
        if len(self._devices) >= MAX_DEVICES:
            log.warning("upstream %s lists more than %d devices", self._source.name, MAX_DEVICES)
            return
        name = neutralise(info.device_name) or "nameless device"
        identity = Identity(f"{self._source.name}/{index}", PROTOCOL, name)
        user = self._settings(identity)
        if user is not None and user.deny:
            return
        definition = definition_of(info, name)
        truth = Truth()
        driver = UpstreamDriver(
            self._session, info, definition.features, truth, self._others_running
        )
        shown = neutralise("" if info.device_display_name is UNSET else info.device_display_name)
        device = Device(
            identity,
            name,
            build_features(definition, user),
            driver,
            gap_ms=info.device_message_timing_gap,
            source=self._source.name,
            display_name=(user.display_name if user is not None else None) or shown or None,
            wished_index=user.index if user is not None else None,
            truth=truth,
        )
        device.via = way_of(info)
        self._devices[index] = (info, device, driver)
        self._sink.add(device)

    def _change(self, index: int, info: DeviceInfo) -> None:
        """Its limits or its name at the server changed, or it is another device altogether."""
        old, device, driver = self._devices[index]
        if old.device_name != info.device_name or way_of(old) != way_of(info):
            self._remove(index, f"{self._source.name} has another device in its place")
            self._add(index, info)
            return
        definition = definition_of(info, device.name)
        user = self._settings(device.identity)
        driver.replace(info, definition.features)
        if device.limit(build_features(definition, user)):
            self._sink.stopped(device, f"{self._source.name} changed its limits")
        if user is None or user.display_name is None:
            shown = "" if info.device_display_name is UNSET else info.device_display_name
            device.display_name = neutralise(shown) or None
        self._devices[index] = (info, device, driver)
        self._sink.changed(device)

    def _remove(self, index: int, reason: str) -> None:
        _, device, driver = self._devices.pop(index)
        driver.gone(reason)
        self._sink.remove(device, reason)

    def _others_running(self, driver: UpstreamDriver) -> bool:
        return any(
            device.running for _, device, other in self._devices.values() if other is not driver
        )


def way_of(info: DeviceInfo) -> tuple[str, ...]:
    """The hubs that a device came through, as far as they say."""
    for feature in info.device_features.values():
        if feature.via is not UNSET:
            return feature.via
    return ()


def definition_of(info: DeviceInfo, name: str) -> Definition:
    """A server's description of a device, as if it were a model of our own."""
    features = tuple(_feature(index, feature) for index, feature in info.device_features.items())
    return Definition(PROTOCOL, name, name, features, info.device_message_timing_gap)


def _feature(index: int, feature: DeviceFeature) -> FeatureSpec:
    outputs = {}
    for kind, offered in ({} if feature.output is UNSET else feature.output).items():
        low, high = offered.value
        # What servers offer begins at 0, or has both directions. The driver keeps to the rest.
        reach = max(high, -low, 0)
        duration = None if offered.duration is UNSET else offered.duration
        outputs[kind] = OutputSpec(-reach if low < 0 else 0, reach, duration)
    inputs = {
        kind: InputSpec(offered.value, offered.command)
        for kind, offered in ({} if feature.input is UNSET else feature.input).items()
    }
    return FeatureSpec(index, neutralise(feature.feature_description), outputs, inputs)
