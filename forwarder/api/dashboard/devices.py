"""Devices as documents. What a document is made of is gathered first, as its *facts*: as long as
those stay the same, so does the document."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import UNSET

from forwarder.access.relay_keys import HubTrust
from forwarder.api.bounds import STATE_VIEW_MAX_TEXT
from forwarder.api.dashboard.batteries import Batteries
from forwarder.api.documents.model import (
    DeviceView,
    FeatureView,
    Level,
    Limit,
    LiveView,
    OutputView,
)
from forwarder.api.documents.seen import PinView
from forwarder.api.seen import ChosenViews, pins_of
from forwarder.buttplug.messages import DeviceFeature, DeviceInfo, OutputType
from forwarder.definitions.limits import effective_limits
from forwarder.definitions.model import OutputLimit, UserDevice
from forwarder.devices.device_setup import OpenedDevice
from forwarder.hub.client import ClientGrant
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.sources.relays.choosing.choice import RelayVerdict
from forwarder.sources.relays.choosing.pins import How
from forwarder.sources.relays.source import RelaySource
from relay.link.names import neutralise


class DeviceFacts(NamedTuple):
    """`info`: as clients with this grant see it. `user`: what the user decided about it."""

    info: DeviceInfo
    source: str
    user: UserDevice | None
    pins: tuple[PinView, ...]


class LiveFacts(NamedTuple):
    """What changes all the time. `changes`: of the device's truth, which has the levels. `owners`:
    by feature. `relay`: its name, None where no relay has it; `away`, `blocked`: of that."""

    info: DeviceInfo
    changes: int
    owners: tuple[tuple[int, str], ...]
    relay: str | None
    away: bool
    blocked: str | None
    battery: int | None
    battery_age_s: int | None
    rssi_dbm: int | None
    link_ms: float | None
    verdicts: tuple[RelayVerdict, ...]


class DeviceViews:
    """Reads only."""

    def __init__(
        self, hub: Hub, relays: RelaySource, trust: HubTrust, batteries: Batteries
    ) -> None:
        self._hub = hub
        self._relays = relays
        self._trust = trust
        self._batteries = batteries
        self._chosen = ChosenViews(relays.chosen)

    def facts(self, device: Device, grant: ClientGrant | None = None) -> DeviceFacts:
        place = self._relays.place(device)
        return DeviceFacts(
            self._hub.shown(device, grant),
            device.source,
            None if place is None else place[1].user,
            self.pins(device.identity.address),
        )

    def pins(self, address: str) -> tuple[PinView, ...]:
        relays = self._relays
        return pins_of(relays.pins, address, relays.relays, self._trust)

    def view(self, device: Device, facts: DeviceFacts) -> DeviceView:
        place = self._relays.place(device)
        limits = {} if place is None else _limits(place[1])
        shown = facts.info.device_features
        # A feature whose outputs were all taken away is listed with its limits.
        indexes = sorted({*shown, *(index for index, _ in limits)})
        return DeviceView(
            index=device.index,
            name=neutralise(device.name),
            display_name=None if device.display_name is None else neutralise(device.display_name),
            shown_name=neutralise(device.shown_name),
            protocol=device.identity.protocol,
            source=neutralise(facts.source),
            pinned=next((pin.relay for pin in facts.pins if pin.how is How.ONLY), None),
            pins=facts.pins,
            gap_ms=device.gap_ms,
            features=tuple(
                _feature(
                    index,
                    shown.get(index),
                    {kind: limit for (at, kind), limit in limits.items() if at == index},
                )
                for index in indexes
            ),
        )

    def live_facts(self, device: Device) -> LiveFacts:
        place = self._relays.place(device)
        relay = link = rssi = None
        address = device.identity.address
        if place is not None:
            relay = place[0]
            link, rssi = relay.link, self._relays.rssi(relay, place[1].hardware.address)
        battery = device.battery
        return LiveFacts(
            device.info(),
            device.truth.changes,
            tuple([(at, client.name) for at, client in self._hub.owners(device).items()]),
            None if relay is None else relay.name,
            relay is not None and link is None,
            None if relay is None else relay.blocked,
            self._batteries.level(device),
            None if battery is None else int(asyncio.get_running_loop().time() - battery[1]),
            rssi,
            None if link is None else _rounded(link.session.round_trip_ms),
            self._relays.chosen(address),
        )

    def live(self, device: Device, facts: LiveFacts) -> LiveView:
        took_ms = device.took_ms
        radio_ms = None if took_ms is None else _rounded(max(0.0, took_ms - (facts.link_ms or 0.0)))
        owners = dict(facts.owners)
        levels = {}
        for index, (kind, value, _) in sorted(device.levels.items()):
            highest = device.highest(index, kind)
            owner = owners.get(index)
            levels[str(index)] = Level(
                type=kind,
                steps=value,
                percent=round(100 * value / highest, 1) if highest else 0.0,
                driven_by=None if owner is None else neutralise(owner),
            )
        return LiveView(
            running=device.running,
            may_run=device.may_run,
            notice=_notice(device, facts),
            levels=levels,
            battery=facts.battery,
            battery_age_s=facts.battery_age_s,
            rssi_dbm=facts.rssi_dbm,
            link_ms=facts.link_ms,
            radio_ms=radio_ms,
            commands=device.commands,
            choice=self._chosen.of(device.identity.address),
        )


def _notice(device: Device, facts: LiveFacts) -> str | None:
    if device.may_run and facts.relay is not None and facts.away:
        return f"It may be running: {neutralise(facts.relay)} is away. Switch it off by hand."
    if device.may_run:
        return "It may be running: nobody knows whether its last command arrived. Stop it."
    return None if facts.blocked is None else neutralise(facts.blocked, STATE_VIEW_MAX_TEXT)


def _feature(
    index: int, shown: DeviceFeature | None, limits: dict[OutputType, Limit]
) -> FeatureView:
    outputs: dict[OutputType, OutputView] = {}
    if shown is not None and shown.output is not UNSET:
        for kind, offered in shown.output.items():
            duration = None if offered.duration is UNSET else offered.duration
            outputs[kind] = OutputView(range=offered.value, duration_ms=duration)
    inputs = () if shown is None or shown.input is UNSET else tuple(shown.input)
    description = "" if shown is None else neutralise(shown.feature_description)
    return FeatureView(
        index=index, description=description, outputs=outputs, inputs=inputs, limits=limits
    )


def _limits(opened: OpenedDevice) -> dict[tuple[int, OutputType], Limit]:
    """What the user decided, in percent of the device's own steps."""
    if opened.user is None:
        return {}
    found = {}
    for key, limit in effective_limits(opened.definition, opened.user).items():
        index, kind = key
        spec = next(spec for spec in opened.definition.features if spec.index == index)
        if limit != OutputLimit():
            found[key] = _in_percent(limit, spec.outputs[kind].high)
    return found


def _in_percent(limit: OutputLimit, high: int) -> Limit:
    lowest, highest = limit.value if limit.value is not None else (0, high)
    return Limit(
        lowest=round(100 * lowest / high, 1) if high else 0,
        highest=round(100 * highest / high, 1) if high else 100,
        disabled=limit.disabled,
    )


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)
