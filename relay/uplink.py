"""Dials the hub, serves the link, dials again: for ever, with back-off."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit, urlunsplit

from relay.agent import Agent
from relay.errors import UsageError
from relay.link.channel import Channel
from relay.link.errors import LinkError, LinkRefused
from relay.link.websocket import dial

log = logging.getLogger(__name__)

# Pauses (s) between attempts: any time up to a bound that doubles ("full jitter"), so that the
# relays of a hub that restarts do not come back all at once. A person waits 10 s at most.
PAUSE_FIRST_S = 0.5
PAUSE_MOST_S = 10.0
# Never less (s), however the dice fall: a hub that hangs up at once is dialed ten times a second.
PAUSE_LEAST_S = 0.1
# A link that held this long (s) was a good one; the next loss starts again with short pauses.
GOOD_S = 5.0
# A hub that refuses us does so again until a person has done something about it.
REFUSED_S = 30.0

Secure = Callable[[Channel], Awaitable[Channel]]
Dial = Callable[[str], Awaitable[Channel]]


class Uplink:
    """Keeps `agent` linked to the hub at `url`.

    `secure` makes an authenticated channel out of a fresh one (and closes that one if it fails);
    None serves the link on the channel as it is. `trouble` is what stands in the way, for people.
    """

    def __init__(
        self,
        agent: Agent,
        url: str,
        *,
        secure: Secure | None = None,
        dial: Dial = dial,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        # Without a secured channel only a hub on this machine lets us in, at a path of its own.
        self.url = link_url(url) + ("" if secure is not None else "/plain")
        self.trouble = ""
        self._agent = agent
        self._secure = secure
        self._dial = dial
        self._chance = chance

    async def run(self) -> None:
        """Until cancelled. Everything that a network can do to us ends in another attempt."""
        loop = asyncio.get_running_loop()
        bound = PAUSE_FIRST_S
        while True:
            started = loop.time()
            try:
                await self._link()
            except LinkRefused as error:
                self._report(f"the hub refuses this relay: {error}")
                await asyncio.sleep(REFUSED_S)
                continue
            except LinkError as error:
                self._report(str(error))
            except Exception:
                # A fault boundary: one bad link must not be the last one. Everything was stopped.
                log.exception("the link to %s failed", self.url)
            else:
                self._report("the hub closed the link")
            if loop.time() - started >= GOOD_S:
                bound = PAUSE_FIRST_S
            await asyncio.sleep(max(PAUSE_LEAST_S, self._chance(0, bound)))
            bound = min(bound * 2, PAUSE_MOST_S)

    async def _link(self) -> None:
        channel = await self._dial(self.url)
        if self._secure is not None:
            channel = await self._secure(channel)
        self.trouble = ""
        await self._agent.serve_link(channel)

    def _report(self, trouble: str) -> None:
        """Once per kind of trouble: a hub that is off for a night is one line, not thousands."""
        if trouble != self.trouble:
            log.warning("%s: %s", self.url, trouble)
        self.trouble = trouble


def link_url(url: str) -> str:
    """Return the full address of the link: ws://HOST:12346 means ws://HOST:12346/link.

    Raises UsageError for anything that is no websocket address.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"{url}: the port is no number between 1 and 65535") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(f"{url}: a hub's address looks like ws://HOST:12346")
    netloc = parts.netloc if port is not None else f"{parts.netloc}:12346"
    path = parts.path if parts.path not in ("", "/") else "/link"
    return urlunsplit((parts.scheme, netloc, path, parts.query, ""))
