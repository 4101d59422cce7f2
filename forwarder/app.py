"""The composition root: builds everything a hub is made of, and owns the tasks that keep it going.

Programs embed a hub by `App(config)`, `run` and `open_client`; `forwarder run` does the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial

from aiohttp import web

from forwarder.access.admission import (
    Admitted,
    HostNames,
    HttpVisitor,
    OriginPolicy,
    Verdict,
)
from forwarder.access.allowed_origins import allowed_origins
from forwarder.access.comparing import ComparingDesk
from forwarder.access.relay_keys import HubTrust
from forwarder.access.shares import ShareBook
from forwarder.access.tokens import TokenBook, TokenGrant
from forwarder.api.control import ControlSocket
from forwarder.api.server import ORIGINS_FILE, Api
from forwarder.api.services import ApiServices
from forwarder.api.state_view import version
from forwarder.bridges.bridges import HubBridges
from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.clients.token_sessions import TokenSessions
from forwarder.composition.known_networks import write_behind
from forwarder.composition.link_visitors import LinkVisitors
from forwarder.composition.listeners import (
    add_routes,
    certificate,
    client_server,
    https_listener,
    link_listener,
)
from forwarder.composition.sources import (
    add_virtual_devices,
    device_server,
    dialing,
    own_radios,
    upstream_connector,
    upstream_source,
)
from forwarder.config import Config
from forwarder.connectors.descriptors import descriptors, doors_within
from forwarder.connectors.direct import direct_paths
from forwarder.connectors.host_addresses import (
    addresses,
    host_names,
    own_loopback,
    places,
    whereabouts,
)
from forwarder.connectors.in_process import InProcess
from forwarder.connectors.listener import Listener
from forwarder.connectors.mdns import Announcement, announce, buttplug_server, relay_port
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.definitions.user_files.opened import open_files
from forwarder.devices.driver import Outcome
from forwarder.embedding import keep_linked, keep_running
from forwarder.errors import ConfigError
from forwarder.hub.device import Device
from forwarder.hub.store import Store
from forwarder.meet.here import DESCRIPTORS as HERE_DESCRIPTORS
from forwarder.meet.here import meeting_here
from forwarder.meet.server import MeetingServer
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
from forwarder.web.headers import HOME
from forwarder.web.pages import relay_page_build
from relay.link.channel import Channel
from relay.link.messages import Places
from relay.link.security.meeting import hub_id

log = logging.getLogger(__name__)

# Every device is told to stop, and the radios get this long to say that they did.
STOP_S = 1.5
# Then the relays hear a goodbye and connections close.
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
        self.guests = TokenSessions(lambda grant: self.tokens.holds(grant, time.time()), time.time)
        self.agents = own_radios(config, self.user)
        beside = 0 if config.link.meet_here is None else HERE_DESCRIPTORS
        self.doors = doors_within(descriptors(beside), self.trust.networks)
        self.meeting_ids = MeetingIds(self.trust.key.public)
        comparing = ComparingDesk()
        self._visitors = LinkVisitors(self.trust, self.shares, self.relays, self.shared, comparing)
        ShareIds(self.shares, self.meeting_ids, self._visitors.met_guest)
        self.stalls = Stalls()
        self._clients = client_server(config, self.origins, self._grant, self.doors)
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
            guests=self.guests,
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
        add_routes(self.web, self._visitors, self._client, self.origins, self._grant)
        self.api.mount(self.web)
        self._link = link_listener(config, self.web, services.places.home, self.doors)
        self._https: Listener | None = None
        if config.link.https_port != 0:
            shown = certificate(config, config.link.tls)
            self._places.fingerprint = shown.fingerprint
            self._places.own = config.link.tls is None
            self._https = https_listener(config, self.web, shown, self.doors)
        meet = dict.fromkeys(config.link.meet)
        self.meetings = [
            MeetingPoint(url, self.trust.key, self.doors, ids=self.meeting_ids) for url in meet
        ]
        self._here = self._meeting_here()
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
            version=version(),
            hub_id=hashlib.sha256(self.trust.key.public).hexdigest()[:8],
        )
        self._control = ControlSocket(state, self.api.control())
        self._stop = asyncio.Event()

    def _link_s(self, index: int) -> float | None:
        """The round trip of the link to this device's relay."""
        device = self.hub.devices.get(index)
        place = None if device is None else self.relays.place(device)
        link = None if place is None else place[0].link
        trip_ms = None if link is None else link.session.round_trip_ms
        return None if trip_ms is None else trip_ms / 1000

    def _meeting_here(self) -> tuple[MeetingServer, MeetingPoint] | None:
        """A meeting point of its own, and its registration there, which takes the short way."""
        link, key = self.config.link, self.trust.key
        if link.meet_here is None:
            return None
        server = meeting_here(link.meet_here, link.meet_port, hub_id(key.public), self.config.name)
        point = MeetingPoint(server.origin, key, self.doors, ids=self.meeting_ids)
        self.meetings.append(point)
        return server, point

    def _work(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """Everything that runs as long as the hub does."""
        yield "the person's stop", self._hold_file.run()
        yield "relays", self.relays.run(self._expected())
        yield "whereabouts", self._tell_whereabouts()
        yield "store", self.store.run()
        yield "known networks", write_behind(self.trust.networks)
        yield "stalls", self.stalls.run()
        yield "clients", self._clients.run_visits(self._client)
        yield "in-process clients", self._in_process.run(self.serve_client)
        yield "links", self._link.run()
        if self._https is not None:
            yield "https", self._https.run()
        if self._here is not None:
            yield "own meeting point", self._here[0].run()
        for meeting in self.meetings:
            yield f"meeting point {meeting.origin}", meeting.run_visits(self._visitors.met)
        if (direct := self.direct) is not None:
            yield "direct paths", direct.run_visits(partial(self._visitors.dialed, direct.path))
        yield "API", self.api.run()
        yield "commands", self._control.run()
        yield from self.bridges.work()
        yield "relay guests", WearerGuests(self.shared, self.relays).run()
        yield "relay status", RelayStatus(self.hub, self.relays, self.api.battery).run()
        for app in self._apps:
            yield f"app at {app.url}", app.run(self.serve_client)
        for connector, upstream in self._upstreams:
            yield f"upstream {upstream.name}", connector.run(upstream.drive)
        yield "accepted shares", self.accepted.run()
        if self._devices is not None:
            server, devices = self._devices
            yield (
                devices.name,
                server.run_visits(
                    lambda channel, admitted: devices.drive(channel, lambda: admitted.settle(None))
                ),
            )
        if self.config.mdns or (self.config.link.lan and self.config.link.beacon):
            yield "mDNS", announce(self._announcements)
        for number, agent in enumerate(self.agents):
            key = f"embedded:{number}"
            yield "embedded relay", keep_running(agent)
            yield "embedded link", keep_linked(agent, partial(self.relays.drive, key=key))

    def _announcements(self) -> list[Announcement]:
        """What this network is told: apps if that is wanted, and relays that have paired."""
        apps = buttplug_server(self._clients.port, tls=self.config.clients.secure)
        relays = relay_port(self._link.port, self.trust.key.public)
        return [apps, relays] if self.config.mdns else [relays]

    async def _tell_whereabouts(self) -> None:
        if self.direct is not None:
            await self.direct.ready.wait()  # a place that is not known yet is not one that is gone
        await self.relays.whereabouts.watch(self._whereabouts)

    def _whereabouts(self) -> Places:
        """Where relays find this hub. Own addresses are only told if others may come by them."""
        link, ports = self.config.link, self._places
        hosts = places(addresses(), link.names, lan=True) if link.lan else ()
        direct = None if self.direct is None else self.direct.place(away=True)
        return whereabouts(
            hosts,
            ports.link_port,
            ports.https_port,
            [point.url for point in self.meetings],
            () if direct is None else (direct.url,),
        )

    def _expected(self) -> list[str]:
        """Addresses of toys that were here when this hub ended; they need no scan to come back."""
        return [toy.address for toy in self.store.expected if toy.protocol != UPSTREAM]

    # --- life -----------------------------------------------------------------------------------

    def bind(self) -> tuple[int, int]:
        """Take the ports; returns (client port, link port). Raises ConfigError, and gives back what
        it had taken."""
        try:
            return self._bind()
        except BaseException:
            self.close()
            raise

    def _bind(self) -> tuple[int, int]:
        self._control.bind()
        for connector in self._other_listeners:
            connector.bind()
        if self._here is not None:
            server, point = self._here
            point.by = f"http://127.0.0.1:{server.bind()}"
        self.bridges.bind()
        places = self._places
        places.client_port, places.link_port = self._clients.bind(), self._link.bind()
        if places.home is not None and not self.web.frozen:
            self.web[HOME] = places.dashboard_url
        if self._https is not None and places.https_port is None:
            try:
                places.https_port = self._https.bind()
            except ConfigError as error:
                # Only phones need it: everything else works without.
                log.warning("no https for phones: %s", error)
                self._https = None
        return places.client_port, places.link_port

    def close(self) -> None:
        """Give ports and state folder back; only needed where `run` is not called. Idempotent."""
        for server in (self._clients, *self._other_listeners):
            server.close()
        self._link.close()
        if self._https is not None:
            self._https.close()
        if self._here is not None:
            self._here[0].close()
        self.bridges.close()
        self._control.close()
        self._lock.release()

    @property
    def _other_listeners(self) -> list[WebSocketServer]:
        sources = [*self._upstreams, *([] if self._devices is None else [self._devices])]
        return [connector for connector, _ in sources if isinstance(connector, WebSocketServer)]

    @property
    def client_url(self) -> str:
        """Where apps on this machine connect."""
        return f"{self.config.clients.scheme}://127.0.0.1:{self._clients.port}"

    @property
    def link_url(self) -> str:
        """Where relays and browsers on this machine connect."""
        return f"http://127.0.0.1:{self._link.port}"

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
                await self._clients.ready.wait()
                await self._link.ready.wait()
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
        self.relays.say_goodbye("the hub is shutting down")
        await asyncio.sleep(GOODBYE_S)

    # --- channels -------------------------------------------------------------------------------

    def open_client(self) -> Channel:
        """A channel to this hub's Buttplug server, within the process; the caller closes it.

        Raises ChannelClosed once the hub has ended.
        """
        return self._in_process.open_nowait()

    async def serve_client(self, channel: Channel) -> None:
        """Serve a client over any channel: the role "server" on whatever made the channel."""
        await clients.serve(channel, self.hub, self.options)

    async def _client(self, channel: Channel, admitted: Admitted) -> None:
        grant = admitted.grant
        assert grant is None or isinstance(grant, TokenGrant)
        if grant is None:
            await self.serve_client(channel)
            return
        await self.guests.serve(
            channel, grant, lambda: clients.serve(channel, self.hub, self.options, grant)
        )

    def _grant(self, visitor: HttpVisitor) -> TokenGrant | None:
        return self.tokens.check_all(visitor.tokens, time.time())

    def _why_not(self, device: Device) -> str | None:
        """Why a device does not run now, in words for a guest."""
        found = self.relays.place(device)
        return None if found is None else why_not(found[0])
