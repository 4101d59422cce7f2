"""A relay in the hub's own process, kept going like any other: `keep_linked` and `keep_running`.

Nothing that such a relay or its link does ends the hub: not a stall of the process, not a suspend,
not a bug.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from forwarder.connectors.bounds import STABLE_S
from forwarder.connectors.websocket_client import Backoff
from relay.link.channel import Channel, channel_pair
from relay.link.close_codes import GOING_AWAY
from relay.link.errors import LinkError, LinkRefused
from relay.link.tasks.cancellation import apart
from relay.link.tasks.groups import first_error

log = logging.getLogger(__name__)

# The other end is in this process: soon, and without making a busy machine busier.
BACKOFF = Backoff(first_s=0.5, limit_s=5.0)
# After a bug in the relay: its radio has been given back, and is taken again.
AGAIN_S = 5.0


class EmbeddedAgent(Protocol):
    """What is needed here of relay.agent.Agent."""

    @property
    def closing(self) -> bool: ...

    async def run(self) -> None: ...

    async def serve_link(self, channel: Channel) -> None: ...


async def keep_running(agent: EmbeddedAgent) -> None:
    """Run `agent` until it was closed; whatever else ends it, it is started again."""
    while not agent.closing:
        try:
            await apart(agent.run())
        except Exception:
            # A fault boundary: this machine's radio is one relay of many.
            log.exception("the relay in this hub failed; it starts again in %g s", AGAIN_S)
            await asyncio.sleep(AGAIN_S)


async def keep_linked(
    agent: EmbeddedAgent, drive: Callable[[Channel], Awaitable[None]], *, backoff: Backoff = BACKOFF
) -> None:
    """Link `agent` to the hub whose end `drive` serves, again and again, until it was closed."""
    loop = asyncio.get_running_loop()
    failures = 0
    while not agent.closing:
        started = loop.time()
        try:
            await apart(_linked(agent, drive))
        except* LinkRefused as group:
            failures += 4  # somebody decided so: no haste
            log.info("the relay in this hub is linked no more: %s", first_error(group))
        except* LinkError as group:
            log.debug("the link of the relay in this hub ended: %s", first_error(group))
        except* Exception:
            log.exception("a bug ended the link of the relay in this hub; it is linked again")
        failures = 0 if loop.time() - started >= STABLE_S else failures + 1
        await asyncio.sleep(backoff.delay(failures))


async def _linked(agent: EmbeddedAgent, drive: Callable[[Channel], Awaitable[None]]) -> None:
    here, there = channel_pair(names=("embedded relay", "hub"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_closing(drive(here), here), name="link, hub end")
        tasks.create_task(_closing(agent.serve_link(there), there), name="link, relay end")


async def _closing(work: Awaitable[None], channel: Channel) -> None:
    """Have the other end notice that this one has ended."""
    try:
        await work
    finally:
        await channel.close(GOING_AWAY, "this end of the link is gone")
