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
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
import nats
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from forwarder.errors import ConfigError
from forwarder.meet.bounds import (
    ASK_S,
    FRAME_COST,
    NODE_MESSAGES,
    NODE_PING_S,
    SEND_S,
    WINDOW_BYTES,
)
from forwarder.meet.table import NOBODY, MeetingTable, NoRoom, Visit
from relay.link.channel import Frame
from relay.link.close_codes import GOING_AWAY, NOT_HERE
from relay.link.errors import ChannelClosed
from relay.link.names import neutralise

log = logging.getLogger(__name__)

# The interest in a new subject travels to other servers: a question may be there before it.
_AGAIN: Final = (0.05, 0.2)
_ACK_BYTES: Final = WINDOW_BYTES // 4
_FRAME, _TEXT, _ACK, _CLOSE = b"f", b"t", b"a", b"c"
_HEAD_BYTES: Final = 5
# What the library says when NATS is away, or takes nothing.
_TROUBLE: Final = (NatsError, OSError, TimeoutError)
_LOST: Final = "the nodes of the meeting point have lost each other"


class _NodeAsked(msgspec.Struct, frozen=True):
    ticket: str
    address: str


class _NodeRefused(msgspec.Struct, frozen=True):
    code: int
    text: str


class _NodeCame(msgspec.Struct, frozen=True):
    node: str
    id: str


class RemoteEnd:
    """An end of a pair that is at another node: a Channel. `inbox` and `outbox` are subjects."""

    def __init__(self, nats: Nats, inbox: str, outbox: str, peer: str) -> None:
        self.peer = peer
        self._nats = nats
        self._inbox, self._outbox = inbox, outbox
        self._subscription: Subscription | None = None
        self._frames: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._on_its_way = 0
        self._taken = 0
        self._said, self._heard = 0, 0
        self._turn = asyncio.Lock()
        self._closed: ChannelClosed | None = None

    async def open(self) -> None:
        self._subscription = await self._nats.subscribe(
            self._inbox, cb=self._take, pending_msgs_limit=NODE_MESSAGES
        )

    @property
    def congested(self) -> bool:
        return not self._room.is_set()

    async def send(self, frame: Frame) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._room.wait()
        except TimeoutError:
            self.over(ChannelClosed(GOING_AWAY, "the other node takes nothing"))
        data = frame.encode() if isinstance(frame, str) else frame
        await self._say(_TEXT if isinstance(frame, str) else _FRAME, data)
        self._on_its_way += len(data) + FRAME_COST
        if self._on_its_way >= WINDOW_BYTES:
            self._room.clear()

    @property
    def ready(self) -> bool:
        return False  # the client of NATS has a queue of its own, which is waited for

    def send_now(self, frame: Frame) -> bool:
        return False

    async def receive(self) -> Frame:
        while not self._frames:
            if self._closed is not None:
                raise ChannelClosed(self._closed.code, self._closed.reason)
            self._arrived.clear()
            await self._arrived.wait()
        frame = self._frames.popleft()
        size = len(frame.encode()) if isinstance(frame, str) else len(frame)
        self._taken += size + FRAME_COST
        if self._taken >= _ACK_BYTES:
            taken, self._taken = self._taken, 0
            await self._say(_ACK, taken.to_bytes(4, "big"))
        return frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closed is None:
            with contextlib.suppress(ChannelClosed):  # it notices by itself
                await self._say(_CLOSE, code.to_bytes(2, "big") + reason.encode()[:120])
            self.over(ChannelClosed(code, reason))
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await _quietly(subscription.unsubscribe)

    def over(self, closed: ChannelClosed) -> None:
        """It has ended. Idempotent."""
        self._closed = self._closed or closed
        self._arrived.set()
        self._room.set()

    async def _say(self, kind: bytes, data: bytes) -> None:
        async with self._turn:
            if self._closed is not None:
                raise ChannelClosed(self._closed.code, self._closed.reason)
            self._said += 1
            head = kind + (self._said & 0xFFFFFFFF).to_bytes(4, "big")
            try:
                await self._nats.publish(self._outbox, head + data)
            except _TROUBLE as error:
                # Nothing may be kept for later.
                log.debug("%s: %r", self._outbox, error)
                self.over(ChannelClosed(GOING_AWAY, _LOST))
                raise ChannelClosed(GOING_AWAY, _LOST) from error

    async def _take(self, message: Msg) -> None:
        data = message.data
        kind, number = data[:1], int.from_bytes(data[1:_HEAD_BYTES], "big")
        self._heard += 1
        if len(data) < _HEAD_BYTES or number != self._heard & 0xFFFFFFFF:
            self.over(ChannelClosed(GOING_AWAY, "a frame between two nodes was lost"))
            return
        rest = data[_HEAD_BYTES:]
        if kind == _FRAME:
            self._frames.append(rest)
        elif kind == _TEXT:
            self._frames.append(rest.decode(errors="replace"))
        elif kind == _ACK:
            self._on_its_way -= int.from_bytes(rest, "big")
            if self._on_its_way < WINDOW_BYTES:
                self._room.set()
        elif kind == _CLOSE:
            reason = neutralise(rest[2:].decode(errors="replace"))
            self.over(ChannelClosed(int.from_bytes(rest[:2], "big"), reason))
        self._arrived.set()


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

        async def lost() -> None:
            log.warning("NATS is away: hubs and visitors at different nodes do not meet")
            for end in tuple(self._ends):
                end.over(ChannelClosed(GOING_AWAY, _LOST))

        async def back() -> None:
            log.info("NATS is there again")

        async def trouble(error: Exception) -> None:
            log.debug("NATS: %r", error)

        try:
            self._nats = await nats.connect(
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
                error_cb=trouble,
            )
        except _TROUBLE as error:
            log.debug("NATS: %s", error)
            raise ConfigError(
                f"--nats: {self._url} cannot be reached: does nats-server run there? It is written"
                " like nats://127.0.0.1:4222."
            ) from error
        self._nats.options["max_reconnect_attempts"] = -1
        await self._nats.subscribe("bpf.came", cb=self._came)

    async def run(self) -> None:
        """Listen for the hubs of this node, until cancelled."""
        client = self._nats
        assert client is not None
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for id in [id for id in self._listening if id not in self._wanted]:
                    await _quietly(self._listening.pop(id).unsubscribe)
                for id in [id for id in self._wanted if id not in self._listening]:
                    self._listening[id] = await client.subscribe(f"bpf.hub.{id}", cb=self._asked)
                    came = msgspec.msgpack.encode(_NodeCame(self._node, id))
                    await _quietly(partial(client.publish, "bpf.came", came))
        finally:
            await _quietly(client.close)

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
                    visit.end(_LOST)
                    raise
            except NoRoom as full:
                answer = msgspec.msgpack.encode(_NodeRefused(full.code, str(full)))
            await _quietly(lambda: message.respond(answer))

        try:
            waiting = await client.subscribe(f"bpf.join.{visit.ticket}", cb=came)
        except _TROUBLE as error:
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
        except _TROUBLE as error:
            raise NoRoom(_LOST, NOT_HERE) from error
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
            except _TROUBLE as error:
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
    except _TROUBLE as error:
        log.debug("NATS: %r", error)


def _now() -> float:
    return asyncio.get_running_loop().time()
