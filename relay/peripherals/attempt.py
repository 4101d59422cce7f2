"""Connections that are being made, and who waits for them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from relay.link.messages import Advertisement, Connect, ErrorCode, Failed
from relay.peripheral.driver import Sink
from relay.peripheral.limits import LAST_LET_GO_S, LET_GO_S
from relay.peripherals.bounds import LET_GO_TRIES
from relay.radio.base import Connection, RadioError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A Connect, and the hub that waits for its answer."""

    hub: Sink
    message: Connect

    def failed(self, code: ErrorCode, text: str, *, full: bool = False) -> None:
        self.hub.put(Failed(self.message.id, code, text[:512], full))


@dataclass(slots=True, eq=False)
class Attempt:
    """A connection that is being made. `claim`: for whom, None: nobody waits for it (any more).

    `asked`: a hub has asked for it, so that it is kept for the next one; else it is for a debt.
    `heard`: what it advertised, if that is known from before.
    `scope` lets it be given up; `lost` is why the peripheral went away.
    """

    claim: Claim | None = None
    asked: bool = False
    scope: asyncio.Timeout | None = None
    lost: str | None = None
    heard: Advertisement | None = None

    def take(self, claim: Claim) -> None:
        """It is made for this one from now on."""
        self.claim, self.asked = claim, True

    def failed(self, code: ErrorCode, text: str, *, full: bool = False) -> None:
        """Tell whoever waits. `full`: no place is free for it."""
        claim, self.claim = self.claim, None
        if claim is not None:
            claim.failed(code, text, full=full)

    async def let_go(self, address: str, connection: Connection, *, ending: bool) -> None:
        """Disconnect, however often that takes: what is forgotten here stays connected for ever.

        `ending`: the program ends, so that there is no time for more than one try.
        """
        for _ in range(1 if ending else LET_GO_TRIES):
            if self.lost is not None:
                return
            try:
                async with asyncio.timeout(LAST_LET_GO_S if ending else LET_GO_S):
                    await connection.disconnect()
            except (TimeoutError, RadioError) as error:
                log.warning("%s: did not go in order: %s", address, error or "no answer")
            else:
                return
