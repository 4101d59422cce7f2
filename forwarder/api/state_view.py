"""The state of the hub as documents: what the API answers and the dashboard shows. Reads only."""

from __future__ import annotations

import asyncio
import time

from msgspec import UNSET
from msgspec.structs import asdict

from forwarder.api.bounds import STATE_VIEW_MAX_TEXT
from forwarder.api.controllers import Controller
from forwarder.api.dashboard.batteries import Batteries
from forwarder.api.dashboard.relays import absent_relay, relay_view
from forwarder.api.documents.model import (
    ClientView,
    DeviceView,
    DirectView,
    Drives,
    FeatureView,
    HubView,
    Known,
    Level,
    Limit,
    LiveDeviceView,
    LiveView,
    MeetingView,
    OriginsView,
    OutputView,
    PinView,
    RelayView,
    StatusView,
)
from forwarder.api.documents.stop import HoldView, KeptView, MutedView
from forwarder.api.missing import Missing
from forwarder.api.seen import ChosenViews, pins_of
from forwarder.api.services import ApiServices
from forwarder.buttplug.messages import DeviceFeature, OutputType
from forwarder.definitions.limits import effective_limits
from forwarder.definitions.model import OutputLimit
from forwarder.devices.device_setup import OpenedDevice
from forwarder.hub.device import Device as HubDevice
from forwarder.hub.hub import ClientGrant, Hub, HubClient
from forwarder.play.driver import PlayDriver
from forwarder.shares.sessions import GuestDriver
from forwarder.sources.relays.choosing.pins import How
from forwarder.sources.relays.relay import Relay
from forwarder.stop.hold import HoldMode
from relay.link.names import neutralise
from relay.version import __version__


class StateView:
    """Makes documents; every call looks at the hub anew."""

    def __init__(self, services: ApiServices, batteries: Batteries) -> None:
        self._services = services
        self._batteries = batteries
        self.missing = Missing(services)
        self._chosen = ChosenViews(services.relays.chosen)
        self._version = __version__

    def status(self) -> StatusView:
        return StatusView(
            hub=self.hub(),
            hold=self.hold(),
            relays=self.relays(),
            devices=self.devices(),
            clients=self.clients(),
        )

    def hold(self) -> HoldView:
        """Names were neutralised when they were taken."""
        state = self._services.hub.hold.state
        free = state.mode is HoldMode.FREE
        return HoldView(
            mode=state.mode,
            by=None if free else state.by,
            since=None if free else state.since,
            muted=tuple(MutedView(name=m.name, by=m.by, since=m.since) for m in state.muted),
            unsaved=self._services.hold_file.trouble,
            missing=self.missing.views(),
            kept=self._kept(),
            held_back=self.missing.held_back(),
        )

    def _kept(self) -> tuple[KeptView, ...]:
        """Toys that are not here because their wearer paused or stopped the relay that had them."""
        relays = self._services.relays
        here = {device.identity.address for device in self._services.hub.devices.values()}
        return tuple(
            KeptView(
                name=neutralise(hold.toy) or "A toy", why=neutralise(hold.why, STATE_VIEW_MAX_TEXT)
            )
            for hold in relays.held
            if hold.address not in here
        )

    def hub(self) -> HubView:
        config, places = self._services.config, self._services.places
        page = None
        if places.https_port is not None:
            page = f"https://localhost:{places.https_port}/relay/"
        return HubView(
            name=neutralise(config.name),
            version=self._version,
            client_url=f"{config.clients.scheme}://127.0.0.1:{places.client_port}",
            dashboard_url=places.dashboard_url,
            page_url=page,
            fingerprint=places.fingerprint,
            lan=config.link.lan,
            scanning=self._services.hub.scanning,
            up_s=int(time.monotonic() - self._services.started),
            stall_ms=round(self._services.stalls.longest_s * 1000, 1),
            stall_in=self._services.stalls.longest_in,
            meetings=tuple(
                MeetingView(url=point.origin, registered=point.registered, trouble=point.trouble)
                for point in self._services.meetings
            ),
            direct=self._direct(),
        )

    def _direct(self) -> DirectView | None:
        paths = self._services.direct
        if paths is None:
            return None
        relays = (*paths.relays, "public") if paths.public else paths.relays
        return DirectView(relays=relays, trouble=paths.trouble)

    # --- relays ---------------------------------------------------------------------------------

    def relays(self) -> tuple[RelayView, ...]:
        """Those that are here, and those that are paired and away."""
        here = self._services.relays.relays
        views = [relay_view(relay, self.paired(relay)) for relay in here.values()]
        away = [paired for paired in self._services.trust.book if paired.key.hex() not in here]
        views += [absent_relay(neutralise(paired.name)) for paired in away]
        return tuple(sorted(views, key=lambda view: view.name.casefold()))

    def paired(self, relay: Relay) -> bool:
        return any(paired.key.hex() == relay.key for paired in self._services.trust.book)

    # --- devices --------------------------------------------------------------------------------

    def devices(self, grant: ClientGrant | None = None) -> tuple[LiveDeviceView, ...]:
        """All that `grant` sees."""
        shown = []
        for _, device in sorted(self._services.hub.devices.items()):
            if grant is None or grant.sees(device):
                shown.append(self.device(device, grant))
        return tuple(shown)

    def device(self, device: HubDevice, grant: ClientGrant | None = None) -> LiveDeviceView:
        return LiveDeviceView(**asdict(self.view(device, grant)), live=self.live(device))

    def view(self, device: HubDevice, grant: ClientGrant | None = None) -> DeviceView:
        found = self._services.relays.place(device)
        opened = None if found is None else found[1]
        limits = {} if opened is None else _limits(opened)
        shown = self._services.hub.shown(device, grant).device_features
        pins = self.pins(device.identity.address)
        # A feature whose outputs were all taken away is listed with its limits.
        indexes = sorted({*shown, *(index for index, _ in limits)})
        return DeviceView(
            index=device.index,
            name=neutralise(device.name),
            display_name=None if device.display_name is None else neutralise(device.display_name),
            shown_name=neutralise(device.shown_name),
            protocol=device.identity.protocol,
            source=neutralise(device.source),
            pinned=next((pin.relay for pin in pins if pin.how is How.ONLY), None),
            pins=pins,
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

    def pins(self, address: str) -> tuple[PinView, ...]:
        relays = self._services.relays
        return pins_of(relays.pins, address, relays.relays, self._services.trust)

    def live(self, device: HubDevice) -> LiveView:
        relays = self._services.relays
        found = relays.place(device)
        link_ms = rssi = None
        if found is not None:
            relay, opened = found
            rssi = relays.rssi(relay, opened.hardware.address)
            link_ms = None if relay.link is None else relay.link.session.round_trip_ms
        took_ms = device.took_ms
        radio_ms = took_ms if took_ms is None else _rounded(max(0.0, took_ms - (link_ms or 0.0)))
        owners = self._services.hub.owners(device)
        levels = {}
        for index, (kind, value, _) in sorted(device.levels.items()):
            highest = device.highest(index, kind)
            owner = owners.get(index)
            levels[str(index)] = Level(
                type=kind,
                steps=value,
                percent=round(100 * value / highest, 1) if highest else 0.0,
                driven_by=None if owner is None else neutralise(owner.name),
            )
        return LiveView(
            running=device.running,
            may_run=device.may_run,
            notice=_notice(device, None if found is None else found[0]),
            levels=levels,
            battery=self._batteries.level(device),
            battery_age_s=None if device.battery is None else int(_now() - device.battery[1]),
            rssi_dbm=rssi,
            link_ms=_rounded(link_ms),
            radio_ms=radio_ms,
            commands=device.commands,
            choice=self._chosen.of(device.identity.address),
        )

    def known(self) -> tuple[Known, ...]:
        """Devices that were here once, and whether they may come."""
        services = self._services
        connected = set(services.hub.devices)
        decided = {(d.protocol, d.address, d.identifier): d for d in services.user.devices()}
        shown = []
        for entry in services.store.known:
            key = (entry.protocol, entry.address, entry.identifier)
            device = decided.pop(key, None)
            name = (device.display_name if device is not None else None) or entry.name
            shown.append(
                Known(
                    index=entry.index,
                    name=neutralise(name),
                    protocol=entry.protocol,
                    connected=entry.index in connected,
                    denied=device is not None and device.deny,
                )
            )
        for device in decided.values():
            name = device.display_name or device.protocol
            shown.append(
                Known(
                    index=device.index,
                    name=neutralise(name),
                    protocol=device.protocol,
                    connected=False,
                    denied=device.deny,
                )
            )
        return tuple(shown)

    # --- clients --------------------------------------------------------------------------------

    def clients(self) -> tuple[ClientView, ...]:
        driven: dict[HubClient, list[Drives]] = {}
        for device in self._services.hub.devices.values():
            levels = device.levels
            for index, client in self._services.hub.owners(device).items():
                if index in levels:
                    kind, value, _ = levels[index]
                    driven.setdefault(client, []).append(
                        Drives(
                            device=device.index,
                            device_name=neutralise(device.shown_name),
                            feature=index,
                            type=kind,
                            steps=value,
                        )
                    )
        hub = self._services.hub
        views = [_client(client, driven.get(client, []), hub) for client in hub.clients]
        return tuple(sorted(views, key=lambda view: (view.kind, view.name.casefold())))

    def origins(self) -> OriginsView:
        origins = self._services.origins
        return OriginsView(
            allowed=tuple(sorted(neutralise(origin, 256) for origin in origins.allowed)),
            asked={neutralise(origin, 256): count for origin, count in origins.asked.items()},
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _notice(device: HubDevice, relay: Relay | None) -> str | None:
    if device.may_run and relay is not None and relay.link is None:
        return f"It may be running: {neutralise(relay.name)} is away. Switch it off by hand."
    if device.may_run:
        return "It may be running: nobody knows whether its last command arrived. Stop it."
    if relay is None or relay.blocked is None:
        return None
    return neutralise(relay.blocked, STATE_VIEW_MAX_TEXT)


def _client(client: HubClient, drives: list[Drives], hub: Hub) -> ClientView:
    kind = "hub" if client.hub_id is not None else "app"
    if isinstance(client, Controller | GuestDriver | PlayDriver):
        kind = client.kind
    token = None if client.grant is None else client.grant.name
    return ClientView(
        name=neutralise(client.name),
        kind=kind,
        version=client.version,
        token=token,
        muted=hub.hold.muted(client.name, token) is not None,
        drives=tuple(drives),
    )


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
