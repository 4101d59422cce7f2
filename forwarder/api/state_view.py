"""The state of the hub as documents: what the API answers and the dashboard shows. Reads only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

from msgspec.structs import asdict

from forwarder.api.bounds import SHOWN_AT_ONCE, STATE_VIEW_MAX_TEXT
from forwarder.api.controllers import Controller
from forwarder.api.dashboard.batteries import Batteries
from forwarder.api.dashboard.devices import DeviceViews
from forwarder.api.dashboard.relays import absent_relay, relay_view
from forwarder.api.documents.model import (
    ClientView,
    DirectView,
    Drives,
    HubView,
    Known,
    LiveDeviceView,
    MeetingView,
    OriginsView,
    RelayView,
    StatusView,
)
from forwarder.api.documents.stop import HoldView, KeptView, MutedView
from forwarder.api.missing import Missing
from forwarder.api.services import ApiServices
from forwarder.hub.device import Device as HubDevice
from forwarder.hub.hub import ClientGrant, Hub, HubClient
from forwarder.play.driver import PlayDriver
from forwarder.shares.sessions import GuestDriver
from forwarder.stop.hold import HoldMode
from relay.link.names import neutralise
from relay.version import __version__


class StateView:
    """Makes documents; every call looks at the hub anew."""

    def __init__(self, services: ApiServices, batteries: Batteries) -> None:
        self._services = services
        self.missing = Missing(services)
        self.device_views = DeviceViews(services.hub, services.relays, services.trust, batteries)
        self._version = __version__

    async def status(self) -> StatusView:
        devices = await self.devices()
        return StatusView(
            hub=self.hub(),
            hold=self.hold(),
            relays=self.relays(),
            devices=devices,
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
        if not relays.held:
            return ()
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
        paired = {known.key.hex(): known.name for known in self._services.trust.book}
        views = [relay_view(relay, key in paired) for key, relay in here.items()]
        views += [absent_relay(name) for key, name in paired.items() if key not in here]
        return tuple(sorted(views, key=lambda view: view.name.casefold()))

    # --- devices --------------------------------------------------------------------------------

    async def devices(self, grant: ClientGrant | None = None) -> tuple[LiveDeviceView, ...]:
        """All that `grant` sees; of many, everybody else has a turn in between."""
        devices = self._services.hub.devices
        shown = []
        for number, (index, device) in enumerate(sorted(devices.items()), 1):
            if devices.get(index) is device and (grant is None or grant.sees(device)):
                shown.append(self.device(device, grant))
            if number % SHOWN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return tuple(shown)

    def device(self, device: HubDevice, grant: ClientGrant | None = None) -> LiveDeviceView:
        views = self.device_views
        view = views.view(device, views.facts(device, grant))
        live = views.live(device, views.live_facts(device))
        return LiveDeviceView(**asdict(view), live=live)

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
        hub = self._services.hub
        views = [_client(client, self._drives(client), hub) for client in hub.clients]
        return tuple(sorted(views, key=lambda view: (view.kind, view.name.casefold())))

    def _drives(self, client: HubClient) -> Iterator[Drives]:
        for device, features in self._services.hub.driven(client):
            name, levels = neutralise(device.shown_name), device.levels
            for index in sorted(features & levels.keys()):
                kind, value, _ = levels[index]
                yield Drives(
                    device=device.index, device_name=name, feature=index, type=kind, steps=value
                )

    def origins(self) -> OriginsView:
        origins = self._services.origins
        return OriginsView(
            allowed=tuple(sorted(neutralise(origin, 256) for origin in origins.allowed)),
            asked={neutralise(origin, 256): count for origin, count in origins.asked.items()},
        )


def _client(client: HubClient, drives: Iterable[Drives], hub: Hub) -> ClientView:
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
