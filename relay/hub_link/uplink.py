"""Keeps an agent linked to its hub: connects, serves the link, connects again, for ever."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from relay.agent import Agent
from relay.hub_link.advice import advised
from relay.hub_link.bounds import (
    BUSY_S,
    GOOD_S,
    PAUSE_FIRST_S,
    PAUSE_LEAST_S,
    PAUSE_MOST_S,
    REFUSED_S,
    REVOKED_S,
)
from relay.hub_link.hubs import HubTarget
from relay.link.errors import LinkError, LinkRefused
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.session import LinkSilent
from relay.link.tasks.cancellation import apart

log = logging.getLogger(__name__)


class Uplink:
    """Keeps `agent` linked to `target`. `trouble` is what stands in the way, for people.

    A link that fell silent is dialed anew at once: mostly the hub is there and the way has changed
    (a new address, a forgotten translation), so that nobody else comes at the same moment.
    """

    def __init__(
        self,
        agent: Agent,
        target: HubTarget,
        *,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.trouble = ""
        self._agent = agent
        self._target = target
        self._chance = chance

    async def run(self) -> None:
        """Until cancelled, or until the agent is closing. Everything that a network can do to us
        ends in another attempt."""
        loop = asyncio.get_running_loop()
        bound = PAUSE_FIRST_S
        away = loop.time()
        hasty = False
        while not self._agent.closing:
            started = loop.time()
            silent = False
            try:
                await apart(self._link())
            except LinkRefused as error:
                self._report(advised(error))
                await asyncio.sleep(self._patience(error))
                continue
            except LinkError as error:
                self._report(advised(error))
                silent = isinstance(error, LinkSilent)
            except Exception:
                # A fault boundary: one bad link must not be the last one. Everything was stopped.
                log.exception("%s: the link failed because of an error in the relay", self._target)
            else:
                if not self._agent.closing:
                    self._report("the hub closed the link")
            good = loop.time() - started >= GOOD_S
            if good:
                bound, away = PAUSE_FIRST_S, loop.time()
            # Twice in a row only after a good link: where everything falls silent, that is no use.
            hasty = silent and (good or not hasty)
            if hasty:
                continue
            most = min(bound, max(PAUSE_FIRST_S, loop.time() - away))
            await asyncio.sleep(max(PAUSE_LEAST_S, self._chance(0, most)))
            bound = min(bound * 2, PAUSE_MOST_S)

    async def _link(self) -> None:
        channel = await self._target.connect()
        self.trouble = ""
        await self._agent.serve_link(channel)

    def _patience(self, error: LinkRefused) -> float:
        """Seconds before a refused relay asks again."""
        if not isinstance(error, HandshakeRefused):
            return REFUSED_S
        if error.refusal is RefusalCode.BUSY:  # which refuses nobody for good
            return max(PAUSE_LEAST_S, self._chance(0, BUSY_S))
        return REVOKED_S if error.certain and error.refusal is None else REFUSED_S

    def _report(self, trouble: str) -> None:
        """Once per kind of trouble: a hub that is off for a night is one line, not thousands."""
        if trouble != self.trouble:
            log.warning("%s: %s", self._target.where, trouble)
        self.trouble = trouble
