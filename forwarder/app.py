"""The composition root: builds everything a hub is made of, and owns the tasks that keep it going.

Programs embed a hub by `App(config)`, `run` and `open_client`; `forwarder run` does the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial

from aiohttp import web

from forwarder.access.admission import (
    HostNames,
    OriginPolicy,
    Verdict,
)
from forwarder.access.allowed_origins import allowed_origins
from forwarder.access.comparing import ComparingDesk
from forwarder.access.relay_keys import HubTrust
from forwarder.access.shares import ShareBook
from forwarder.access.tokens import TokenBook
from forwarder.api.control import ControlSocket
from forwarder.api.server import ORIGINS_FILE, Api
from forwarder.api.services import ApiServices
from forwarder.bridges.bridges import HubBridges
from forwarder.clients.driver import ClientOptions
from forwarder.composition.announcing import Announcing
from forwarder.composition.client_visitors import ClientVisitors
from forwarder.composition.known_networks import write_behind
from forwarder.composition.link_visitors import LinkVisitors
from forwarder.composition.listeners import (
    add_routes,
    certificate,
    client_server,
)
from forwarder.composition.meetings import beside, meeting_points
from forwarder.composition.ports import Ports
from forwarder.composition.sources import (
    add_virtual_devices,
    device_server,
    device_visits,
    dialing,
    own_radios,
    upstream_connector,
    upstream_source,
)
from forwarder.config import Config
from forwarder.connectors.descriptors import descriptors, doors_within
from forwarder.connectors.direct import direct_paths
from forwarder.connectors.host_addresses import (
    host_names,
    own_loopback,
)
from forwarder.connectors.in_process import InProcess
from forwarder.connectors.meeting_ids import MeetingIds
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.definitions.user_files.opened import open_files
from forwarder.devices.driver import Outcome
from forwarder.embedding import keep_linked, keep_running
from forwarder.hub.device import Device
from forwarder.hub.store import Store
from forwarder.metrics.hub import MeteredHub
from forwarder.metrics.meter import Meter
from forwarder.shares.accepted import AcceptedShares
from forwarder.shares.ids import ShareIds
from forwarder.shares.sessions import SharedSessions
from forwarder.shares.wearers import WearerGuests
from forwarder.sources.relays.choosing.pins import Pins
from forwarder.sources.relays.relay import WHY
from forwarder.sources.relays.source import RelaySource
from forwarder.sources.relays.status import RelayStatus, why_not
from forwarder.sources.relays.waiting import ReplyFuture as Asked
from forwarder.sources.upstream.source import PROTOCOL as UPSTREAM
from forwarder.stalls import Stalls
from forwarder.state_lock import StateLock
from forwarder.stop.hold import Hold
from forwarder.stop.hold_file import HoldFile, load_hold
from forwarder.stop.person import Person
from forwarder.switches import Switches
from forwarder.web.pages import relay_page_build
from relay.link.channel import Channel
from relay.version import __version__

log = logging.getLogger(__name__)

# Every device is told to stop, and the radios get this long to say that they did.
STOP_S = 1.5
# Then the relays hear a goodbye, and have so long to take it before their connections close.
GOODBYE_S = 0.2


class App:
    """One hub. `bind` takes the ports, `run` serves until `stop` is called or it is cancelled."""

    def __init__(self, config: Config, switches: Switches | None = None) -> None:
        """Take the state folder, for as long as this hub lives; read it, and the catalogue.

        `switches`: what a person may change on the dashboard, where whoever runs this starts it
        anew then (`wants_restart`).

        Raises ConfigError for what the user can repair.
        """
        self.config = config
        self.switches = switches
        self.wants_restart = False
        # Before anything is read: what another hub is about to write must not be missed.
        self._lock = StateLock(config.state_dir)
        try:
            self._build()
        except BaseException:
            self._lock.release()
            raise

    def _build(self) -> None:
        config = self.config
        state = config.state_dir
        user_file = config.devices.user or state / "devices.json"
        self.user, self.catalogue = open_files(
            config.devices.user,
            user_file,
            official=config.devices.official,
            own=config.devices.catalogue,
        )
        self.trust = HubTrust.open(state, config.name)
        self.tokens = TokenBook(state / "tokens.json")
        self.store = Store(state / "indexes.json")
        # Before anything can drive: what was stopped when the last hub ended still is.
        hold_file = state / "hold.json"
        hold = Hold(load_hold(hold_file))
        self.meter = Meter(time.monotonic, self._link_s, {text: str(c) for c, text in WHY.items()})
        self.hub = MeteredHub(self.store, hold, self.meter)
        self._hold_file = HoldFile(hold_file, hold)
        self.person = Person(self.hub, self._hold_file.changed)
        self.relays = RelaySource(
            config.name,
            self.catalogue,
            self.user,
            self.hub,
            known=self.store.at,
            kept=self.store.kept,
            on_kept=self.store.keep,
            page=relay_page_build(),
            pins=Pins((pin.address, pin.relay, pin.how) for pin in config.devices.pins),
        )
        self.hub.sources.append(self.relays)
        self.hub.missing = lambda: [item.address for item in self.relays.owing]
        self.origins = OriginPolicy(
            (*config.clients.origins, *allowed_origins(state / ORIGINS_FILE)),
            hosts=HostNames([*host_names(), *config.link.names]),
            on_origin=lambda _: Verdict.ASK if config.clients.ask_origins else Verdict.DENY,
        )
        self.options = ClientOptions(config.clients.server_name, config.clients.max_ping_ms)
        self.shares = ShareBook(self.tokens.table)
        self.shared = SharedSessions(
            self.shares, self.hub, self.options, owner=config.name, why=self._why_not
        )
        self._visiting = ClientVisitors(self.hub, self.options, self.tokens)
        self.agents = own_radios(config, self.user)
        self.doors = doors_within(descriptors(beside(config.link)), self.trust.networks)
        self.meeting_ids = MeetingIds(self.trust.key.public)
        comparing = ComparingDesk()
        self._visitors = LinkVisitors(self.trust, self.shares, self.relays, self.shared, comparing)
        ShareIds(self.shares, self.meeting_ids, self._visitors.met_guest)
        self.stalls = Stalls()
        self._clients = client_server(config, self.origins, self._visiting.grant, self.doors)
        self._in_process = InProcess("hub")
        self._apps = [dialing(entry) for entry in config.clients.dial]
        upstream = partial(upstream_source, config=config, hub=self.hub, user=self.user)
        self._upstreams = [
            (upstream_connector(entry, config, self.doors), upstream(entry.name))
            for entry in config.upstream
        ]
        self._devices = device_server(
            config, self.catalogue, self.user, self.hub, self.store, self.doors
        )
        self.accepted = AcceptedShares(
            state / "accepted.json", config.name, upstream, self.hub.sources.remove
        )
        services = ApiServices(
            config=config,
            hub=self.hub,
            relays=self.relays,
            user=self.user,
            user_file=user_file,
            catalogue=self.catalogue,
            trust=self.trust,
            comparing=comparing,
            tokens=self.tokens,
            store=self.store,
            origins=self.origins,
            guests=self._visiting.guests,
            shares=self.shares,
            shared=self.shared,
            accepted=self.accepted,
            person=self.person,
            hold_file=self._hold_file,
            meter=self.meter,
            stalls=self.stalls,
            meeting_ids=self.meeting_ids,
            switches=self.switches,
            restart=self._restart,
        )
        self._places = services.places
        self._places.home = own_loopback(self.trust.key.private_bytes())
        self.api = Api(services)
        self.web = web.Application()
        add_routes(
            self.web, self._visitors, self._visiting.came, self.origins, self._visiting.grant
        )
        self.api.mount(self.web)
        self.meetings, self._here = meeting_points(
            config, self.trust.key, self.doors, self.meeting_ids
        )
        services.meetings = self.meetings
        self.direct = services.direct = direct_paths(config.link, self.trust.key, self.doors)
        add_virtual_devices(config, self.hub)
        self.bridges = HubBridges(
            config,
            self.hub,
            self.options,
            origins=self.origins,
            doors=self.doors,
            certificate=lambda section: certificate(config, section).server_context(),
            version=__version__,
            hub_id=hashlib.sha256(self.trust.key.public).hexdigest()[:8],
        )
        dialed_by = [*self._upstreams, *([] if self._devices is None else [self._devices])]
        self._ports = Ports(
            config,
            self.web,
            self._places,
            self.doors,
            clients=self._clients,
            others=[server for server, _ in dialed_by if isinstance(server, WebSocketServer)],
            bridges=self.bridges,
            control=ControlSocket(state, self.api.control()),
            here=self._here,
        )
        self._announcing = Announcing(
            config,
            self._places,
            self.trust.key.public,
            self.relays.whereabouts,
            self.meetings,
            self.direct,
        )
        self._stop = asyncio.Event()

    def _link_s(self, index: int) -> float | None:
        """The round trip of the link to this device's relay."""
        device = self.hub.devices.get(index)
        place = None if device is None else self.relays.place(device)
        link = None if place is None else place[0].link
        trip_ms = None if link is None else link.session.round_trip_ms
        return None if trip_ms is None else trip_ms / 1000

    def _work(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """Everything that runs as long as the hub does."""
        yield "the person's stop", self._hold_file.run()
        yield "relays", self.relays.run(self._expected())
        yield from self._announcing.work()
        yield "store", self.store.run()
        yield "known networks", write_behind(self.trust.networks)
        yield "stalls", self.stalls.run()
        yield "clients", self._clients.run_visits(self._visiting.came)
        yield "in-process clients", self._in_process.run(self.serve_client)
        yield from self._ports.work()
        if self._here is not None:
            yield "own meeting point", self._here[0].run()
        for meeting in self.meetings:
            yield f"meeting point {meeting.origin}", meeting.run_visits(self._visitors.met)
        if (direct := self.direct) is not None:
            yield "direct paths", direct.run_visits(partial(self._visitors.dialed, direct.path))
        yield "API", self.api.run()
        yield from self.bridges.work()
        yield "relay guests", WearerGuests(self.shared, self.relays).run()
        yield "relay status", RelayStatus(self.hub, self.relays, self.api.battery).run()
        for app in self._apps:
            yield f"app at {app.url}", app.run(self.serve_client)
        for connector, upstream in self._upstreams:
            yield f"upstream {upstream.name}", connector.run(upstream.drive)
        yield "accepted shares", self.accepted.run()
        if self._devices is not None:
            yield self._devices[1].name, device_visits(*self._devices)
        for number, agent in enumerate(self.agents):
            key = f"embedded:{number}"
            yield "embedded relay", keep_running(agent)
            yield "embedded link", keep_linked(agent, partial(self.relays.drive, key=key))

    def _expected(self) -> list[str]:
        """Addresses of toys that were here when this hub ended; they need no scan to come back."""
        return [toy.address for toy in self.store.expected if toy.protocol != UPSTREAM]

    # --- life -----------------------------------------------------------------------------------

    def bind(self) -> tuple[int, int]:
        """Take the ports; returns (client port, link port). Raises ConfigError, and gives back what
        it had taken."""
        try:
            self._ports.bind()
        except BaseException:
            self.close()
            raise
        return self._places.client_port, self._places.link_port

    def close(self) -> None:
        """Give ports and state folder back; only needed where `run` is not called. Idempotent."""
        self._ports.close()
        self._lock.release()

    @property
    def client_url(self) -> str:
        """Where apps on this machine connect."""
        return f"{self.config.clients.scheme}://127.0.0.1:{self._places.client_port}"

    @property
    def link_url(self) -> str:
        """Where relays and browsers on this machine connect."""
        return f"http://127.0.0.1:{self._places.link_port}"

    @property
    def dashboard_url(self) -> str:
        """Where browsers on this machine find the dashboard, and are its owner."""
        return self._places.dashboard_url

    @property
    def https_port(self) -> int | None:
        """Where phones get their page; None if that port could not be had."""
        return self._places.https_port

    def stop(self) -> None:
        """Have `run` stop every device and end. May be called from a signal handler."""
        self._stop.set()

    def _restart(self) -> None:
        self.wants_restart = True
        self.stop()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`; may be called once. However this ends, devices are stopped first,
        within two seconds, and the state folder is given back last."""
        try:
            self.bind()
            await self._serve(ready)
        finally:
            self.close()

    async def _serve(self, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work, name=name) for name, work in self._work()]
            try:
                # Inside already: a client may drive a toy before the last port is ready.
                await self._ports.ready()
                ready()
                await self._stop.wait()
            finally:
                # Synchronous: the stops leave even if this task is being cancelled.
                stops: list[Outcome | Asked] = []
                stops += self.hub.close()
                stops += self.relays.stop_all()
                try:
                    await self._wind_down(stops)
                finally:
                    for task in running:
                        task.cancel()

    async def _wind_down(self, stops: Sequence[Outcome | Asked]) -> None:
        if stops:
            _, late = await asyncio.wait(stops, timeout=STOP_S)
            if late:
                log.error("%d stops were not confirmed; the relays go on trying", len(late))
        with suppress(TimeoutError):  # whoever does not take it notices by its silence
            async with asyncio.timeout(GOODBYE_S):
                await self.relays.say_goodbye("the hub is shutting down")

    # --- channels -------------------------------------------------------------------------------

    def open_client(self) -> Channel:
        """A channel to this hub's Buttplug server, within the process; the caller closes it.

        Raises ChannelClosed once the hub has ended.
        """
        return self._in_process.open_nowait()

    async def serve_client(self, channel: Channel) -> None:
        """Serve a client over any channel: the role "server" on whatever made the channel."""
        await self._visiting.serve(channel)

    def _why_not(self, device: Device) -> str | None:
        """Why a device does not run now, in words for a guest."""
        found = self.relays.place(device)
        return None if found is None else why_not(found[0])
