"""`MeetingServer`: the sockets of a meeting point, and its pages.

Who may stay, `MeetingTable` decides.

GET /hub           a hub registers (websocket)
GET /at/ID         a visitor of the hub ID (websocket)
GET /join/TICKET   the hub, for that visitor: both are joined (websocket)
GET /relay/        the phone's page
GET /              what this is, and who serves it
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from forwarder.connectors.bounds import REQUEST_S, Bound, PeerOrigin, Purpose
from forwarder.connectors.doors import Doors
from forwarder.connectors.listener import EVERYWHERE, OPEN, Listener, place_of
from forwarder.errors import ConfigError
from forwarder.meet.bounds import (
    DEFAULT,
    FRAME_BYTES,
    FRAME_COST,
    KNOCKING,
    SEND_S,
    SWEEP_S,
    Bounds,
    sockets,
)
from forwarder.meet.endings import cut, ended, ending, sendable
from forwarder.meet.flow import Flow
from forwarder.meet.news import Newsboy
from forwarder.meet.proxies import Proxies
from forwarder.meet.table import MeetingState, MeetingTable, NoRoom, RegisteredHub, Visit
from forwarder.web.headers import guard_headers
from forwarder.web.pages import RelayPages
from relay.link.bounds import CLOSE_S, REGISTRATION_FRAME_BYTES
from relay.link.channel import Channel
from relay.link.close_codes import GOING_AWAY, NOT_HERE, POLICY_VIOLATION
from relay.link.errors import ChannelClosed, LinkError, LinkViolation
from relay.link.security.meeting import (
    HUB_PATH,
    JOIN_PATH,
    VISIT_PATH,
    Ended,
    HubWish,
    News,
    Proving,
    Registered,
    Unanswered,
    Visitor,
    derived_id,
    is_id,
)
from relay.link.websocket import WebSocketChannel, aiohttp_limit

if TYPE_CHECKING:
    from forwarder.meet.nodes import Nodes
    from forwarder.meet.remote_end import RemoteEnd

log = logging.getLogger(__name__)

# As tables make them; anything else means nobody, and is no part of a subject between nodes.
_TICKET = re.compile(r"[A-Za-z0-9_-]{16,64}")


class PairEnd(Channel, Protocol):
    """One end of a pair: a socket here, or one at another node. `congested`: bytes for it wait."""

    @property
    def congested(self) -> bool: ...


_FOR_PROGRAMS = "This is for programs: give the address of this meeting point to a hub.\n"
_INDEX = """This is a meeting point of Buttplug Forwarder.

It joins hubs with the relays that they have paired with, and sees ciphertext only: which hub,
from which address, when and how much. It stores nothing.
{who}

Hubs here now: {hubs}. Connections: {pairs}.
"""


class MeetingServer:
    """One meeting point. `origin`: as `meeting_origin` returns it. `owner`: who serves it, for
    people. Its connections are counted by the address that `proxies` see to be the visitor's."""

    def __init__(
        self,
        *,
        port: int,
        origin: str,
        hosts: Sequence[str] = EVERYWHERE,
        tls: ssl.SSLContext | None = None,
        bounds: Bounds = DEFAULT,
        knocking: int = KNOCKING,
        only: Callable[[str], bool] = lambda id: True,
        proxies: Proxies | None = None,
        owner: str = "",
        option: str = "--port",
        nats: str | None = None,
    ) -> None:
        """Raises ConfigError: `nats` needs a package that is not there."""
        self.table = MeetingTable(bounds, only=only)
        self.origin = origin
        self._proxies = proxies or Proxies()
        self._owner = owner
        self._hubs: dict[RegisteredHub, WebSocketChannel] = {}
        self._visitors: dict[Visit, _Waiting] = {}
        self._nodes = None if nats is None else _nodes(nats, self.table)
        self._app = app = web.Application()
        app[OPEN] = {}
        app.on_response_prepare.append(guard_headers)
        app.router.add_get(HUB_PATH, self._hub)
        app.router.add_get(VISIT_PATH + "{id}", self._visit)
        app.router.add_get(JOIN_PATH + "{ticket}", self._join)
        app.router.add_get("/", self._index)
        RelayPages(served_by=owner or "somebody who gives no name").mount(app)
        most = sockets(bounds)
        behind = Bound(most, most)
        each = Bound(knocking, knocking // 8)
        self._listener = Listener(
            app,
            port=port,
            hosts=hosts,
            tls=tls,
            option=option,
            doors=Doors(
                knocking={
                    PeerOrigin.HERE: Bound(knocking, knocking),
                    PeerOrigin.KNOWN: each,
                    PeerOrigin.NEW: each,
                },
                strangers={},
                # Places by the address that is meant are given by the table; a proxy has many.
                settled={Purpose.OTHER: behind},
                settled_here={Purpose.OTHER: behind},
            ),
        )

    def bind(self) -> int:
        """Take the port and return its number. Raises ConfigError. Idempotent."""
        return self._listener.bind()

    def close(self) -> None:
        """Give a bound port back; only needed where `run` is not called."""
        self._listener.close()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled. Raises ConfigError if the port cannot be had, or NATS."""
        self.bind()
        if self._nodes is not None:
            await self._nodes.connect()
        async with asyncio.TaskGroup() as tasks:
            if self._nodes is not None:
                tasks.create_task(self._nodes.run(), name="other nodes")
            tasks.create_task(self._listener.run(), name="listener")
            await self._listener.ready.wait()
            ready()
            while True:
                await asyncio.sleep(SWEEP_S)
                for hub, channel in self._hubs.items():
                    if hub.state is MeetingState.REGISTERED:
                        hub.heard = _now() - channel.silent_s()
                self.table.sweep(_now())

    # --- requests -------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.StreamResponse:
        who = f"It is served by {self._owner}." if self._owner else ""
        return web.Response(text=_INDEX.format(who=who, **self.table.counts))

    async def _hub(self, request: web.Request) -> web.StreamResponse:
        async with self._opened(request, REGISTRATION_FRAME_BYTES) as (ws, channel):
            hub = self.table.knock(channel.peer, _now(), lambda why: cut(channel, why))
            self._hubs[hub] = channel
            try:
                await self._register(channel, hub)
            finally:
                del self._hubs[hub]
                self.table.leave_hub(hub)
        return ws

    async def _register(self, channel: WebSocketChannel, hub: RegisteredHub) -> None:
        proving = Proving(self.origin)
        await channel.send(proving.first(await channel.receive()))
        key = proving.proof(await channel.receive())
        news = Newsboy(channel, proving, self.table.bounds.visitors + 1)

        def visited(visit: Visit) -> None:
            news.tell(Visitor(visit.ticket, visit.address, visit.id))

        news.tell(Registered(self.table.prove(hub, key, _now(), visited)))
        try:
            while True:
                self._wish(hub, proving.wish(await channel.receive()), news.tell)
        finally:
            await news.end()

    def _wish(self, hub: RegisteredHub, wish: HubWish, tell: Callable[[News], None]) -> None:
        """A hub wants to answer to one id more, or less."""
        if not self.table.wishes(hub, _now()):
            raise LinkViolation("a hub that changes what it answers to so often is not served")
        if isinstance(wish, Ended):
            self.table.ended(hub, wish.seed)
            return
        try:
            self.table.answer(hub, wish.seed, _now())
        except NoRoom as full:
            tell(Unanswered(derived_id(hub.key, wish.seed), str(full)))

    async def _visit(self, request: web.Request) -> web.StreamResponse:
        async with self._opened(request, FRAME_BYTES) as (ws, channel):
            id = request.match_info["id"]
            if not is_id(id):
                raise NoRoom("there is no such hub", NOT_HERE)
            over, end = ending()
            if self._nodes is not None and not self.table.here(id):
                visit = self.table.visit_elsewhere(id, channel.peer, _now(), end)
            else:
                visit = self.table.visit(id, channel.peer, _now(), end)
            waiting = self._visitors[visit] = _Waiting(channel, over)
            try:
                if visit.hub is None:
                    closed = await self._far_hub(visit, waiting)
                else:
                    closed = await over
            finally:
                del self._visitors[visit]
                self.table.leave_visit(visit)
            await channel.close(sendable(closed), closed.reason)
        return ws

    async def _far_hub(self, visit: Visit, waiting: _Waiting) -> ChannelClosed:
        """A visitor of this node, whose hub may be at another. Raises NoRoom."""
        assert self._nodes is not None
        hubs: list[RemoteEnd] = []
        something = asyncio.Event()
        waiting.over.add_done_callback(lambda _: something.set())

        def joined(end: RemoteEnd) -> None:
            hubs.append(end)
            something.set()

        stop_waiting = await self._nodes.ask(visit, joined)
        try:
            await something.wait()
        finally:
            await stop_waiting()
        if not hubs:
            return waiting.over.result()
        (hub,) = hubs
        return await self._far(hub, self._pair(visit, hub, waiting.channel, waiting.over))

    async def _far_visitor(self, ticket: str, hub: WebSocketChannel) -> ChannelClosed:
        """A hub of this node comes for a visitor of another. Raises NoRoom."""
        assert self._nodes is not None
        over, end = ending()
        visit = self.table.pair_elsewhere(_now(), end)
        try:
            visitor = await self._nodes.join(ticket)
            return await self._far(visitor, self._pair(visit, hub, visitor, over))
        finally:
            self.table.leave_visit(visit)

    async def _far(self, end: RemoteEnd, pair: Awaitable[ChannelClosed]) -> ChannelClosed:
        """A pair with an end at another node, which is told how it ended."""
        assert self._nodes is not None
        closed = ChannelClosed(GOING_AWAY, "the meeting point is ending")
        try:
            closed = await pair
        finally:
            await self._nodes.left(end, sendable(closed), closed.reason)
        return closed

    async def _join(self, request: web.Request) -> web.StreamResponse:
        async with self._opened(request, FRAME_BYTES) as (ws, channel):
            ticket = request.match_info["ticket"]
            far = self._nodes is not None and _TICKET.fullmatch(ticket)
            if far and not self.table.waits(ticket):
                closed = await self._far_visitor(ticket, channel)
            else:
                visit = self.table.join(ticket, _now())
                visitor = self._visitors[visit]
                closed = await self._pair(visit, channel, visitor.channel, visitor.over)
                if not visitor.over.done():
                    visitor.over.set_result(closed)
            await channel.close(sendable(closed), closed.reason)
        return ws

    async def _pair(
        self, visit: Visit, hub: PairEnd, visitor: PairEnd, over: asyncio.Future[ChannelClosed]
    ) -> ChannelClosed:
        """Pass frames both ways until one end closes; returns how."""
        ways = [
            asyncio.ensure_future(self._pass(visit, hub, visitor)),
            asyncio.ensure_future(self._pass(visit, visitor, hub)),
        ]
        try:
            await asyncio.wait([*ways, over], return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return over.result()
            return next(way.result() for way in ways if way.done())
        finally:
            for way in ways:
                await ended(way)

    async def _pass(self, visit: Visit, source: PairEnd, sink: PairEnd) -> ChannelClosed:
        bounds = self.table.bounds
        flow = Flow(bounds.bytes_s, bounds.burst_bytes, _now())
        try:
            while True:
                frame = await source.receive()
                now = visit.heard = _now()
                # An empty frame is work, too.
                if wait := flow.take(len(frame) + FRAME_COST, now):
                    await asyncio.sleep(wait)
                if not sink.congested:
                    await sink.send(frame)
                    continue
                self.table.slow(visit)
                try:
                    await sink.send(frame)
                finally:
                    self.table.flows(visit)
        except ChannelClosed as closed:
            return closed

    @asynccontextmanager
    async def _opened(
        self, request: web.Request, most_bytes: int
    ) -> AsyncIterator[tuple[web.WebSocketResponse, WebSocketChannel]]:
        """The websocket that `request` asks for. Whatever is raised inside closes it."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPUpgradeRequired(headers={"Upgrade": "websocket"}, text=_FOR_PROGRAMS)
        place, now = place_of(request), _now()
        if place is not None and not place.enter(Purpose.OTHER, now, settled=True):
            raise web.HTTPServiceUnavailable(text="There are too many connections.\n")
        ws = web.WebSocketResponse(
            timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=aiohttp_limit(most_bytes)
        )
        try:
            async with asyncio.timeout(REQUEST_S):
                await ws.prepare(request)
        except (ConnectionError, TimeoutError):
            raise web.HTTPServiceUnavailable from None  # it has gone again, or takes nothing
        ws.headers.clear()  # they have left; ten thousand hubs keep none
        if request.transport is None:
            raise web.HTTPServiceUnavailable  # it has gone again
        peer = request.transport.get_extra_info("peername")
        forwarded = request.headers.getall("X-Forwarded-For", [])
        address = self._proxies.address(str(peer[0]) if peer else "", forwarded)
        channel = WebSocketChannel(ws, request.transport, peer=address, send_s=SEND_S)
        opened = request.app[OPEN]
        opened[request.protocol] = channel
        try:
            yield ws, channel
        except NoRoom as full:
            await channel.close(full.code, str(full))
        except LinkViolation as error:
            await channel.close(POLICY_VIOLATION, str(error))
        except LinkError as error:
            log.debug("%s: %s", address, error)
        finally:
            del opened[request.protocol]
            await channel.close(GOING_AWAY, "the meeting point is ending")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A visitor's channel, and how it will have ended."""

    channel: WebSocketChannel
    over: asyncio.Future[ChannelClosed]


def _nodes(url: str, table: MeetingTable) -> Nodes:
    try:
        from forwarder.meet.nodes import Nodes
    except ImportError:
        raise ConfigError(
            "--nats needs one package more: pip install 'buttplug-forwarder[nats]'."
        ) from None
    return Nodes(url, table)


def _now() -> float:
    return asyncio.get_running_loop().time()
