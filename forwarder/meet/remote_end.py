"""`RemoteEnd`: an end of a pair that is at another node, as a Channel over two subjects of NATS.

    frame: its kind (a byte), its number (4 bytes, big-endian, from 1), and the content
    kind:  f, t: a frame, bytes or text; a: so many bytes were taken (4 bytes); c: the end, its
           code (2 bytes) and reason

What is not taken at the other end stays with the sender, up to WINDOW_BYTES on their way. One that
is missing, by its number, or that nobody had room for, ends the pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from forwarder.meet.bounds import FRAME_BYTES, FRAME_COST, NODE_MESSAGES, SEND_S, WINDOW_BYTES
from relay.link.channel import Frame
from relay.link.close_codes import GOING_AWAY
from relay.link.errors import ChannelClosed
from relay.link.names import neutralise

log = logging.getLogger(__name__)

_ACK_BYTES: Final = WINDOW_BYTES // 4
_FRAME, _TEXT, _ACK, _CLOSE = b"f", b"t", b"a", b"c"
_HEAD_BYTES: Final = 5
# A node sends its last frame when the window has some room left.
_MOST_HELD: Final = WINDOW_BYTES + FRAME_BYTES + FRAME_COST
# What the library says when NATS is away, or takes nothing.
TROUBLE: Final = (NatsError, OSError, TimeoutError)
LOST: Final = "the nodes of the meeting point have lost each other"


class RemoteEnd:
    """An end of a pair that is at another node: a Channel. `inbox` and `outbox` are subjects."""

    def __init__(self, nats: Nats, inbox: str, outbox: str, peer: str) -> None:
        self.peer = peer
        self._nats = nats
        self._inbox, self._outbox = inbox, outbox
        self._subscription: Subscription | None = None
        self._frames: deque[Frame] = deque()
        self._held = 0  # what those count for
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
        self._on_its_way += _size(data)
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
        size = _size(frame)
        self._held -= size
        self._taken += size
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
            with contextlib.suppress(*TROUBLE):
                await subscription.unsubscribe()

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
                async with asyncio.timeout(SEND_S):
                    await self._nats.publish(self._outbox, head + data)
            except TROUBLE as error:
                # Nothing may be kept for later.
                log.debug("%s: %r", self._outbox, error)
                self.over(ChannelClosed(GOING_AWAY, LOST))
                raise ChannelClosed(GOING_AWAY, LOST) from error

    async def _take(self, message: Msg) -> None:
        if self._closed is not None:
            return
        data = message.data
        kind, number = data[:1], int.from_bytes(data[1:_HEAD_BYTES], "big")
        self._heard += 1
        if len(data) < _HEAD_BYTES or number != self._heard & 0xFFFFFFFF:
            self.over(ChannelClosed(GOING_AWAY, "a frame between two nodes was lost"))
            return
        rest = data[_HEAD_BYTES:]
        if kind in (_FRAME, _TEXT):
            self._keep(rest if kind == _FRAME else rest.decode(errors="replace"))
        elif kind == _ACK:
            self._on_its_way -= int.from_bytes(rest, "big")
            if self._on_its_way < WINDOW_BYTES:
                self._room.set()
        elif kind == _CLOSE:
            reason = neutralise(rest[2:].decode(errors="replace"))
            self.over(ChannelClosed(int.from_bytes(rest[:2], "big"), reason))
        self._arrived.set()

    def _keep(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._held += _size(frame)
        if self._held > _MOST_HELD:
            self.over(ChannelClosed(GOING_AWAY, "the other node sends more than there is room for"))
            self._frames.clear()


def _size(frame: Frame) -> int:
    """What it counts for, at both ends."""
    return len(frame.encode() if isinstance(frame, str) else frame) + FRAME_COST
