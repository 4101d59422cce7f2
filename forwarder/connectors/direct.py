"""`DirectPaths`: the connector by which relays reach this hub by its key, through routers.

| state  | event                          | becomes |
|--------|--------------------------------|---------|
| CLOSED | the UDP port is had            | OPEN    |
| CLOSED | it is not; after a pause       | CLOSED  |
| OPEN   | somebody dials, and a place    | OPEN    |

Who dials is nobody until the handshake of the link has said so: counted apart from all others, by
the address, or by the relay of iroh's that they come by. Where many come, an address counts once it
was shown that they are there, for anybody can write any on a datagram. At the end it is CLOSED.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from forwarder.clients.budget import Budget
from forwarder.config import PUBLIC_RELAYS, Link
from forwarder.connectors.base import LinkPath, PathKind, serve
from forwarder.connectors.bounds import DIRECT_JOIN_S, MEETING_BURST, MEETING_VISITS_S, Purpose
from forwarder.connectors.doors import Doors, Place
from forwarder.connectors.meeting_ids import MeetingCalls, OnMeetingVisit
from forwarder.connectors.websocket_client import Backoff
from forwarder.errors import ConfigError
from relay.link.channel import Channel
from relay.link.direct.channel import DirectChannel
from relay.link.direct.endpoint import DirectEndpoint, endpoint_secret, require_library
from relay.link.direct.place import DirectPlace, direct_address, relay_url
from relay.link.errors import LinkError
from relay.link.names import neutralise
from relay.link.security.noise import KeyPair
from relay.link.tasks.cancellation import apart

log = logging.getLogger(__name__)

# A port that another program has, or a network that is not up yet.
AGAIN = Backoff(0.5, 10.0)
# By what they come, as MeetingCalls counts it.
_DATAGRAMS = "datagrams"


def wants_direct(link: Link) -> bool:
    return link.direct or bool(link.iroh_relays)


def require_direct() -> None:
    """Raises ConfigError where direct paths cannot work, with what to install."""
    try:
        require_library()
    except LinkError as error:
        raise _config_error(error) from error


def _config_error(error: LinkError) -> ConfigError:
    return ConfigError(f"{str(error)[:1].upper()}{str(error)[1:]}.")


def direct_paths(link: Link, key: KeyPair, doors: Doors) -> DirectPaths | None:
    """Those that this part of the configuration wants. Raises ConfigError."""
    if not wants_direct(link):
        return None
    return DirectPaths(
        key, doors, relays=link.iroh_relays, at=link.direct_at, port=link.direct_port
    )


class DirectVisit(Protocol):
    """Somebody who dials: see relay.link.direct.endpoint.DirectVisitor."""

    @property
    def address(self) -> str: ...

    @property
    def relayed(self) -> bool: ...

    @property
    def shown(self) -> bool: ...

    async def show(self) -> None: ...

    async def join(self) -> Channel: ...

    async def refuse(self) -> None: ...


class DirectPaths:
    """A connector whose channels come by direct paths, for the hub with `key`.

    `relays`: of iroh's, by which both ends may find a way; PUBLIC_RELAYS for those of its makers.
    `at`: addresses at which a router leads to `port`, which is UDP.
    `ready`: set once it is known where it is to be found. `trouble`: why it is not, in words.
    """

    def __init__(
        self,
        key: KeyPair,
        doors: Doors,
        *,
        relays: Sequence[str] = (),
        at: Sequence[str] = (),
        host: str = "0.0.0.0",
        port: int = 0,
        backoff: Backoff = AGAIN,
    ) -> None:
        """Raises ConfigError: no iroh relay, no address, or the library is not there."""
        try:
            self.relays = tuple(relay_url(relay) for relay in relays if relay != PUBLIC_RELAYS)
            self._at = tuple(map(direct_address, at))
        except LinkError as error:
            raise _config_error(error) from error
        require_direct()
        self.ready = asyncio.Event()
        self.trouble = "not asked yet"
        self.public = PUBLIC_RELAYS in relays
        self._secret = endpoint_secret(key.private_bytes())
        self._doors = doors
        self._host = host
        self._port = port
        self._backoff = backoff
        self._endpoint: DirectEndpoint | None = None
        # Who sends datagrams has an address of their own; all who come by iroh relays seem to come
        # from there. Apart, so that no flood of one keeps the other out.
        self._calls = MeetingCalls(_DATAGRAMS)
        self._relayed: Budget | None = None

    def place(self, *, away: bool) -> DirectPlace | None:
        """Where relays find this hub by a direct path, None while nobody can. Its own addresses are
        in it only if nothing else was named, and not for `away`: by way of an iroh relay both ends
        tell each other theirs."""
        if self._endpoint is None:
            return None
        place = replace(found := self._endpoint.place(), addresses=self._at)
        if place.leads_there:
            return place
        return None if away or not found.leads_there else found

    async def run(self, handler: Callable[[Channel], Awaitable[None]]) -> None:
        """Listen, and run `handler` on the channel of each visitor, until cancelled."""
        await self.run_visits(lambda channel, _: handler(channel))

    async def run_visits(self, handler: OnMeetingVisit) -> None:
        """Like `run`, for a handler that says when a visitor has proven itself, and by which key.
        One that does not say so in time is sent away."""
        failures = 0
        async with asyncio.TaskGroup() as visits:
            while True:
                try:
                    await apart(self._listen(handler, visits))
                except LinkError as error:
                    failures += 1
                    self._complain(error)
                self.ready.set()  # nobody waits for what may never come
                await asyncio.sleep(self._backoff.delay(failures))

    async def _listen(self, handler: OnMeetingVisit, visits: asyncio.TaskGroup) -> None:
        """Raises LinkError."""
        endpoint = await DirectEndpoint.open(
            secret=self._secret,
            relays=self.relays,
            public=self.public,
            at=self._at,
            host=self._host,
            port=self._port,
        )
        try:
            self._endpoint, self.trouble = endpoint, ""
            self.ready.set()
            log.info("direct paths: relays may come by this hub's key")
            while True:
                await self._came(await endpoint.next_visitor(), handler, visits)
        finally:
            self._endpoint = None
            await endpoint.close()

    async def _came(
        self, visitor: DirectVisit, handler: OnMeetingVisit, visits: asyncio.TaskGroup
    ) -> None:
        """Somebody dials: a place first, then the rest of their handshake."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        whose = visitor.address.rpartition(":")[0].strip("[]")
        if visitor.relayed:
            budget = self._relayed = self._relayed or Budget(MEETING_VISITS_S, MEETING_BURST, now)
            welcome = budget.grants(now)
        elif not visitor.shown and self._calls.scarce(_DATAGRAMS, now):
            await visitor.show()
            return
        else:
            welcome = self._calls.may(_DATAGRAMS, whose, now)
        if not welcome:
            await visitor.refuse()
            return

        def end() -> None:
            task.cancel()

        place = self._doors.call(whose, now, end, Purpose.DIRECT, by="a direct path")
        task = visits.create_task(self._receive(visitor, place, handler), name="direct path")
        assert place.until is not None
        timer = loop.call_at(place.until, lambda: place.overdue(loop.time()))

        def gone(_: asyncio.Task[None]) -> None:
            timer.cancel()
            place.leave()

        task.add_done_callback(gone)

    async def _receive(self, visitor: DirectVisit, place: Place, handler: OnMeetingVisit) -> None:
        try:
            async with asyncio.timeout(DIRECT_JOIN_S):
                channel = await visitor.join()
        except (LinkError, TimeoutError) as error:
            log.debug("somebody dialed by %s, and did not come: %s", visitor.address, error)
            return
        await serve(lambda channel: handler(channel, place.settle), channel)

    def path(self, channel: Channel) -> LinkPath:
        """What carries `channel`, which this has made, at the moment."""
        assert isinstance(channel, DirectChannel)
        relayed, where = channel.way
        return LinkPath(PathKind.RELAYED if relayed else PathKind.DIRECT, where)

    def _complain(self, error: LinkError) -> None:
        """Log `error`; the same one only once in a row, for this goes on forever."""
        text = neutralise(str(error), 400)
        level = logging.DEBUG if text == self.trouble else logging.WARNING
        self.trouble = text
        log.log(level, "direct paths: %s; trying again until it works", text)
