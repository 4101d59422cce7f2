"""`MeetingPoint`: the connector by which relays from elsewhere reach this hub, nothing opened.

It keeps this hub registered at one meeting point, and dials it once more for each visitor. What a
meeting point says of visitors is only its word: it counts against places of their own, and gives
nobody more than a stranger has.

| state      | event                      | becomes    |
|------------|----------------------------|------------|
| AWAY       | a socket, the proof        | REGISTERED |
| AWAY       | it fails; after a pause    | AWAY       |
| REGISTERED | a visitor, and a place     | REGISTERED |
| REGISTERED | one more id, or one less   | REGISTERED |
| REGISTERED | lost, silent for 7.5 s     | AWAY       |

Visitors who are here stay when the registration ends: they have sockets of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from forwarder.clients.budget import Budget
from forwarder.connectors.base import serve
from forwarder.connectors.bounds import (
    MEETING_JOIN_S,
    MEETING_PROOF_S,
    NEWS_BURST,
    NEWS_S,
    PING_S,
    STABLE_S,
    WISHES,
    Purpose,
)
from forwarder.connectors.doors import Doors, Place
from forwarder.connectors.meeting_ids import MeetingCalls, MeetingIds, OnMeetingVisit
from forwarder.connectors.websocket_client import Backoff, TlsTrust
from forwarder.errors import ConfigError
from relay.link.bounds import HEARTBEAT_S, REGISTRATION_FRAME_BYTES
from relay.link.channel import Channel
from relay.link.close_codes import POINT_FULL
from relay.link.errors import ChannelClosed, LinkError, LinkRefused, LinkViolation
from relay.link.names import neutralise
from relay.link.security.meeting import (
    HubWish,
    MeetingAddressError,
    News,
    Registered,
    Registering,
    Unanswered,
    Visitor,
    hub_id,
    hub_url,
    join_url,
    meeting_origin,
    visit_url,
)
from relay.link.security.noise import MAX_MESSAGE_BYTES, KeyPair
from relay.link.tasks.cancellation import apart
from relay.link.websocket import WebSocketChannel, dial

log = logging.getLogger(__name__)

# A meeting point that comes back is asked by all its hubs: spread over this.
AGAIN = Backoff(0.5, 10.0)


class MeetingPoint:
    """A connector whose channels are visitors of one meeting point, for the hub with `key`.
    `by`: where this machine dials it, if not at its address, as `meeting_origin` returns it.
    `ids`: what it answers to beside its own id; who comes by those is served as they say.

    `registered`: visitors are told now; else `trouble` says why not, in words.
    """

    def __init__(
        self,
        address: str,
        key: KeyPair,
        doors: Doors,
        *,
        by: str | None = None,
        ids: MeetingIds | None = None,
        tls: TlsTrust = True,
        backoff: Backoff = AGAIN,
        ping_s: float = PING_S,
        frame_bytes: int = MAX_MESSAGE_BYTES,
        news_s: float = NEWS_S,
        news_burst: float = NEWS_BURST,
    ) -> None:
        """Raises ConfigError for an `address` that is none."""
        try:
            self.origin = meeting_origin(address)
        except MeetingAddressError as error:
            raise ConfigError(f"{error}.") from error
        self.by = by or self.origin
        self._id = hub_id(key.public)
        self.url = visit_url(self.origin, self._id)
        self.registered = False
        self.trouble = "not asked yet"
        self._key = key
        self._doors = doors
        self._ids = ids or MeetingIds(key.public)
        self._calls = MeetingCalls(self._id)
        self._tls = tls
        self._backoff = backoff
        self._ping_s = ping_s
        self._frame_bytes = frame_bytes
        self._news_s, self._news_burst = news_s, news_burst

    async def run(self, handler: Callable[[Channel], Awaitable[None]]) -> None:
        """Keep registered, and run `handler` on the channel of each visitor, until cancelled."""
        await self.run_visits(lambda channel, _: handler(channel))

    async def run_visits(self, handler: OnMeetingVisit) -> None:
        """Like `run`, for a handler that says when a visitor has proven itself, and by which key.
        One that does not say so in time is sent away."""
        clock = asyncio.get_running_loop().time
        failures = 0
        async with asyncio.TaskGroup() as visits:
            while True:
                started = clock()
                try:
                    await apart(self._keep(handler, visits))
                except LinkRefused as error:
                    # Somebody has to do something about it: no haste.
                    failures = max(failures + 1, 8)
                    self._complain(error)
                except LinkError as error:
                    failures += 1
                    self._complain(error)
                finally:
                    self.registered = False
                if clock() - started >= STABLE_S:
                    failures = 1
                await asyncio.sleep(self._backoff.delay(failures))

    async def _keep(self, handler: OnMeetingVisit, visits: asyncio.TaskGroup) -> None:
        """One registration, to its end. Raises LinkError."""
        channel = await dial(
            hub_url(self.by),
            tls=self._tls,
            heartbeat_s=self._ping_s,
            max_frame_bytes=REGISTRATION_FRAME_BYTES,
        )
        try:
            registering = Registering(self._key, self.origin)
            async with asyncio.timeout(MEETING_PROOF_S):
                await channel.send(registering.start())
                await channel.send(registering.receive(await channel.receive()))
                first = registering.news(await channel.receive())
            if first != Registered(self._id):
                raise LinkViolation("the meeting point did not take the proof as it should")
            self.registered, self.trouble = True, ""
            log.info("registered at %s", self.origin)
            async with self._wishing(channel, registering):
                clock = asyncio.get_running_loop().time
                reading = Budget(self._news_s, self._news_burst, clock())
                while True:
                    self._told(registering.news(await channel.receive()), handler, visits)
                    if wait := reading.spend(1, clock()):
                        await asyncio.sleep(wait)
        except TimeoutError:
            raise ChannelClosed(1006, "the meeting point did not answer in time") from None
        except ChannelClosed as closed:
            if closed.code == POINT_FULL:
                raise LinkRefused(closed.reason) from closed
            raise
        finally:
            await channel.close()

    @asynccontextmanager
    async def _wishing(
        self, channel: WebSocketChannel, registering: Registering
    ) -> AsyncIterator[None]:
        """Tell the meeting point what else this hub answers to, meanwhile."""
        wishes: asyncio.Queue[HubWish] = asyncio.Queue(WISHES)

        def changed(wish: HubWish) -> None:
            try:
                wishes.put_nowait(wish)
            except asyncio.QueueFull:
                channel.transport.abort()  # it comes back, and hears what there is then

        async def tell() -> None:
            try:
                while True:
                    await channel.send(registering.say(await wishes.get()))
            except ChannelClosed as closed:
                log.debug("%s: %s", self.origin, closed)

        self._ids.watch(changed)
        telling = asyncio.ensure_future(tell())
        try:
            yield
        finally:
            self._ids.unwatch(changed)
            telling.cancel()
            await asyncio.wait([telling])

    def _told(self, news: News, handler: OnMeetingVisit, visits: asyncio.TaskGroup) -> None:
        match news:
            case Visitor(id=id) if id == self._id:
                self._visited(news, handler, visits)
            case Visitor(id=id):
                # Ended meanwhile, or an id that this hub never had.
                if (derived := self._ids.handler(id)) is not None:
                    self._visited(news, derived, visits)
            case Unanswered():
                text = neutralise(news.text, 128)
                log.warning("meeting point %s: a share cannot be had: %s", self.origin, text)
            case Registered():
                raise LinkViolation("the meeting point said twice that this hub is there")

    def _visited(
        self, visitor: Visitor, handler: OnMeetingVisit, visits: asyncio.TaskGroup
    ) -> None:
        """Somebody asks for this hub: a place first, then a socket."""
        loop = asyncio.get_running_loop()
        if not self._calls.may(visitor.id, visitor.address, loop.time()):
            log.debug("%s: asked for more often than this hub dials", self.origin)
            return

        def end() -> None:
            task.cancel()

        # Guests are counted by what they come by: no flood there takes a place of another share.
        guest = visitor.id != self._id
        purpose = Purpose.GUESTS if guest else Purpose.MEETING
        whose = visitor.id if guest else visitor.address
        place = self._doors.call(whose, loop.time(), end, purpose)
        task = visits.create_task(
            self._receive(visitor, place, handler), name=f"visitor by {self.origin}"
        )
        assert place.until is not None
        timer = loop.call_at(place.until, lambda: place.overdue(loop.time()))

        def gone(_: asyncio.Task[None]) -> None:
            timer.cancel()
            place.leave()

        task.add_done_callback(gone)

    async def _receive(self, visitor: Visitor, place: Place, handler: OnMeetingVisit) -> None:
        try:
            channel = await dial(
                join_url(self.by, visitor.ticket),
                tls=self._tls,
                heartbeat_s=HEARTBEAT_S,
                max_frame_bytes=self._frame_bytes,
                open_s=MEETING_JOIN_S,
            )
        except LinkError as error:
            log.debug("%s: a visitor could not be joined: %s", self.origin, error)
            return
        # Its address is the meeting point's word: shown as such, and counted as such.
        host = self.origin.rpartition("//")[2]
        channel.peer = f"{neutralise(visitor.address, 64)} by {host}"
        await serve(lambda channel: handler(channel, place.settle), channel)

    def _complain(self, error: LinkError) -> None:
        """Log `error`; the same one only once in a row, for this goes on forever."""
        text = neutralise(str(error), 400)
        level = logging.DEBUG if text == self.trouble else logging.WARNING
        self.trouble = text
        log.log(level, "meeting point %s: %s; trying again until it works", self.origin, text)
