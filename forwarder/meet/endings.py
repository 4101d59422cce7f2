"""How connections and tasks of a meeting point end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from relay.link.close_codes import GOING_AWAY, NO_ANSWER
from relay.link.errors import ChannelClosed
from relay.link.websocket import WebSocketChannel

log = logging.getLogger(__name__)

T = TypeVar("T")

# Codes that a program may send (RFC 6455, 7.4): others stand for "there was none".
_SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))


def ending() -> tuple[asyncio.Future[ChannelClosed], Callable[[str], None]]:
    """How a visit will have ended, and what the table ends it with."""
    over: asyncio.Future[ChannelClosed] = asyncio.get_running_loop().create_future()

    def end(why: str) -> None:
        if not over.done():
            over.set_result(ChannelClosed(NO_ANSWER, why))

    return over, end


def sendable(closed: ChannelClosed) -> int:
    """The code of `closed` for a websocket."""
    return closed.code if any(closed.code in codes for codes in _SENDABLE) else GOING_AWAY


async def ended(task: asyncio.Future[T]) -> None:
    """Cancel `task` and wait for it; what it would have raised is of no account any more."""
    task.cancel()
    await asyncio.wait([task])


def cut(channel: WebSocketChannel, why: str) -> None:
    """At once, and without waiting: it is silent, or another connection has taken its place."""
    log.debug("%s: %s", channel.peer, why)
    channel.transport.abort()
