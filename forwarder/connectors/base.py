"""The seam of connectors, and the fault boundary around what they start.

A connector makes channels and hands each to a handler: the role, such as serving a client. It knows
no message, and the role knows no socket; that is why every pair of them works.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from forwarder.errors import ForwarderError
from relay.link.channel import Channel
from relay.link.close_codes import GOING_AWAY, INTERNAL_ERROR, NORMAL_CLOSURE
from relay.link.errors import ChannelClosed, LinkError
from relay.link.tasks.groups import drop_frames

Handler = Callable[[Channel], Awaitable[None]]

log = logging.getLogger(__name__)


class PathKind(StrEnum):
    """What carries a link."""

    HERE = "here"  # this machine
    NETWORK = "network"  # a private network
    INTERNET = "internet"  # by an address that everybody can reach
    MEETING = "meeting"  # a meeting point
    DIRECT = "direct"  # a direct path
    RELAYED = "relayed"  # an iroh relay


@dataclass(frozen=True, slots=True)
class LinkPath:
    """`where`: the address at the other end, or the server between; "" if there is none to name."""

    kind: PathKind
    where: str = ""


PathNow = Callable[[], LinkPath]


def local_path() -> LinkPath:
    """Of links within this machine."""
    return LinkPath(PathKind.HERE)


def path_from(address: str) -> LinkPath:
    """The path of a socket whose other end is at this IP address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return LinkPath(PathKind.NETWORK, address)
    if ip.is_loopback:
        return LinkPath(PathKind.HERE)
    return LinkPath(PathKind.NETWORK if ip.is_private else PathKind.INTERNET, address)


class Connector(Protocol):
    async def run(self, handler: Handler) -> None:
        """Make channels until cancelled, and run `handler` once for each."""
        ...


async def serve(handler: Handler, channel: Channel) -> None:
    """Run `handler` on `channel` and close it at the end. A fault boundary: only cancellation gets
    out, so what goes wrong with one channel ends that channel and nothing else."""
    code, reason = INTERNAL_ERROR, "internal error"
    try:
        await handler(channel)
        code, reason = NORMAL_CLOSURE, ""
    except Exception as error:
        rest = _unexpected(error)
        if isinstance(rest, ForwarderError | LinkError):
            log.warning("%s: %s", channel.peer, rest)
            reason = str(rest)
        elif rest is not None:
            log.error("%s: a bug ended this connection", channel.peer, exc_info=rest)
        else:
            code, reason = NORMAL_CLOSURE, ""
        drop_frames(error)
    except BaseException:
        code, reason = GOING_AWAY, "this end is shutting down"
        raise
    finally:
        await channel.close(code, reason)


def _unexpected(error: Exception) -> Exception | None:
    """Return what is left of `error` without the normal end of a channel, out of its group if
    there is only one."""
    if isinstance(error, ExceptionGroup):
        _, rest = error.split(ChannelClosed)
        while isinstance(rest, ExceptionGroup) and len(rest.exceptions) == 1:
            rest = rest.exceptions[0]
        return rest
    return None if isinstance(error, ChannelClosed) else error
