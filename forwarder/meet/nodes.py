"""Several meeting points behind one name, over NATS: the hub at one node, its visitor at another.

| subject         | who listens                   | what is said                              |
|-----------------|-------------------------------|-------------------------------------------|
| bpf.hub.ID      | the node where the hub ID is  | a visitor asks (request): told, or why not |
| bpf.came        | all nodes                     | a hub has come to a node: elsewhere it is dead |
| bpf.join.TICKET | the node of that visitor      | its hub has come (request): joined or not |
| bpf.TICKET.v .h | the visitor's node, the hub's | the frames of the pair                    |

No node keeps a table of others: who is not there, nobody answers for. Nothing is kept over a loss:
while NATS is away nothing is published, and every pair that it carried ends, at once on this side
and by its own numbers on the other. So a frame arrives in order and in time, or its pair is over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
import nats
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import NoRespondersError

from forwarder.errors import ConfigError
from forwarder.meet.bounds import (
    ASK_S,
    NODE_AGAIN_S,
    NODE_PING_S,
)
from forwarder.meet.remote_end import LOST, TROUBLE, RemoteEnd
from forwarder.meet.table import NOBODY, MeetingTable, NoRoom, Visit
from relay.link.close_codes import GOING_AWAY, NOT_HERE
from relay.link.errors import ChannelClosed
from relay.link.names import neutralise
from relay.link.websocket import shown_url

log = logging.getLogger(__name__)

# The interest in a new subject travels to other servers: a question may be there before it.
_AGAIN: Final = (0.05, 0.2)


class _NodeAsked(msgspec.Struct, frozen=True):
    ticket: str
    address: str


class _NodeRefused(msgspec.Struct, frozen=True):
    code: int
    text: str


class _NodeCame(msgspec.Struct, frozen=True):
    node: str
    id: str


Joined = Callable[[RemoteEnd], None]


class Nodes:
    """This node among those that share the NATS server at `url`. `table`: who is at this one."""

    def __init__(self, url: str, table: MeetingTable) -> None:
        self._url = url
        self._table = table
        self._node = secrets.token_hex(8)
        self._nats: Nats | None = None
        self._wanted: dict[str, None] = {}
        self._listening: dict[str, Subscription] = {}
        self._changed = asyncio.Event()
        self._ends: dict[RemoteEnd, None] = {}
        table.answers, table.silent = self._answers, self._silent

    async def connect(self) -> None:
        """Raises ConfigError if the server cannot be reached at the start; later it is tried for
        ever."""
        try:
            self._nats = await self._connected()
        except TROUBLE as error:
            log.debug("NATS: %s", error)
            where = ", ".join(map(shown_url, self._url.split(",")))
            raise ConfigError(
                f"--nats: {where} cannot be reached: does nats-server run there? It is written"
                " like nats://127.0.0.1:4222."
            ) from error

    async def _connected(self) -> Nats:
        """A new connection, which is kept by the library. Raises one of TROUBLE."""

        async def lost() -> None:
            log.warning("NATS is away: hubs and visitors at different nodes do not meet")
            for end in tuple(self._ends):
                end.over(ChannelClosed(GOING_AWAY, LOST))

        async def back() -> None:
            log.info("NATS is there again")

        async def trouble(error: Exception) -> None:
            log.debug("NATS: %r", error)

        async def closed() -> None:
            self._changed.set()

        client = await nats.connect(
            self._url.split(","),
            name="forwarder meet",
            # What was not sent at once must never arrive: no buffer (measured: with one, what
            # was said during a loss comes after it).
            pending_size=0,
            ping_interval=NODE_PING_S,
            max_outstanding_pings=2,
            reconnect_time_wait=0.5,
            connect_timeout=2,
            # At the start a person looks; -1 would wait for ever.
            max_reconnect_attempts=2,
            disconnected_cb=lost,
            reconnected_cb=back,
            closed_cb=closed,
            error_cb=trouble,
        )
        client.options["max_reconnect_attempts"] = -1
        try:
            await client.subscribe("bpf.came", cb=self._came)
        except BaseException:
            await _quietly(client.close)
            raise
        return client

    async def run(self) -> None:
        """Listen for the hubs of this node, until cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                try:
                    await self._listen()
                except TROUBLE as error:
                    # Nothing that NATS says may end this node: hubs and visitors here go on.
                    log.debug("NATS: %r", error)
                    await asyncio.sleep(NODE_AGAIN_S)
                    self._changed.set()
        finally:
            if (client := self._nats) is not None:
                await _quietly(client.close)

    async def _listen(self) -> None:
        """Be asked for those hubs that are here now. Raises one of TROUBLE."""
        assert self._nats is not None
        if self._nats.is_closed:
            # The library gives up for ever at most of what a server refuses.
            self._listening.clear()
            self._nats = await self._connected()
            log.info("NATS is there again")
        client = self._nats
        for id in [id for id in self._listening if id not in self._wanted]:
            await _quietly(self._listening.pop(id).unsubscribe)
        for id in [id for id in self._wanted if id not in self._listening]:
            self._listening[id] = await client.subscribe(f"bpf.hub.{id}", cb=self._asked)
            came = msgspec.msgpack.encode(_NodeCame(self._node, id))
            await _quietly(partial(client.publish, "bpf.came", came))

    # --- hubs -----------------------------------------------------------------------------------

    def _answers(self, id: str) -> None:
        self._wanted[id] = None
        self._changed.set()

    def _silent(self, id: str) -> None:
        self._wanted.pop(id, None)
        self._changed.set()

    async def _came(self, message: Msg) -> None:
        came = msgspec.msgpack.decode(message.data, type=_NodeCame)
        if came.node != self._node:
            self._table.moved(came.id)

    async def _asked(self, message: Msg) -> None:
        """Somebody at another node asks for a hub of this one."""
        asked = msgspec.msgpack.decode(message.data, type=_NodeAsked)
        id = message.subject.rpartition(".")[2]
        answer = b""
        try:
            self._table.tell(id, asked.address, asked.ticket, _now())
        except NoRoom as full:
            answer = msgspec.msgpack.encode(_NodeRefused(full.code, str(full)))
        await _quietly(lambda: message.respond(answer))

    # --- visitors of this node ------------------------------------------------------------------

    async def ask(self, visit: Visit, joined: Joined) -> Callable[[], Awaitable[None]]:
        """Have the hub of `visit` told, at whatever node it is; `joined` is called when it has come
        there. Returns what ends the waiting. Raises NoRoom."""
        client = self._nats
        assert client is not None

        async def came(message: Msg) -> None:
            answer = b""
            try:
                self._table.join(visit.ticket, _now())
                try:
                    joined(await self._open(visit.ticket, "v", "h", "a hub elsewhere"))
                except NoRoom:
                    visit.end(LOST)
                    raise
            except NoRoom as full:
                answer = msgspec.msgpack.encode(_NodeRefused(full.code, str(full)))
            await _quietly(lambda: message.respond(answer))

        try:
            waiting = await client.subscribe(f"bpf.join.{visit.ticket}", cb=came)
        except TROUBLE as error:
            raise NoRoom(NOBODY, NOT_HERE) from error
        asked = msgspec.msgpack.encode(_NodeAsked(visit.ticket, visit.address))
        try:
            await self._request(f"bpf.hub.{visit.id}", asked, NOBODY)
        except BaseException:
            await _quietly(waiting.unsubscribe)
            raise
        return lambda: _quietly(waiting.unsubscribe)

    # --- hubs of this node, for visitors of others ----------------------------------------------

    async def join(self, ticket: str) -> RemoteEnd:
        """The visitor with this ticket, who waits at another node. Raises NoRoom."""
        end = await self._open(ticket, "h", "v", "a visitor elsewhere")
        try:
            await self._request(f"bpf.join.{ticket}", b"", "the visitor has gone")
        except BaseException:
            await self.left(end)
            raise
        return end

    async def left(self, end: RemoteEnd, code: int = GOING_AWAY, reason: str = "") -> None:
        """The pair with this end is over."""
        self._ends.pop(end, None)
        await end.close(code, reason)

    async def _open(self, ticket: str, inbox: str, outbox: str, peer: str) -> RemoteEnd:
        assert self._nats is not None
        end = RemoteEnd(self._nats, f"bpf.{ticket}.{inbox}", f"bpf.{ticket}.{outbox}", peer)
        try:
            await end.open()
        except TROUBLE as error:
            raise NoRoom(LOST, NOT_HERE) from error
        self._ends[end] = None
        return end

    async def _request(self, subject: str, data: bytes, nobody: str) -> None:
        """Ask, and be told that it is well. Raises NoRoom."""
        assert self._nats is not None
        for pause in (*_AGAIN, None):
            try:
                answer = await self._nats.request(subject, data, timeout=ASK_S)
            except NoRespondersError:
                if pause is None:
                    raise NoRoom(nobody, NOT_HERE) from None
                await asyncio.sleep(pause)
                continue
            except TROUBLE as error:
                log.debug("%s: %r", subject, error)
                raise NoRoom(nobody, NOT_HERE) from error
            if answer.data:
                refused = msgspec.msgpack.decode(answer.data, type=_NodeRefused)
                raise NoRoom(neutralise(refused.text, 120), refused.code)
            return


async def _quietly(act: Callable[[], Awaitable[object]]) -> None:
    """What NATS does not take now is of no account: the other side notices by itself."""
    try:
        await act()
    except TROUBLE as error:
        log.debug("NATS: %r", error)


def _now() -> float:
    return asyncio.get_running_loop().time()
