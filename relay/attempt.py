"""Connections that are being made, and who waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from relay.link.messages import Connect, ErrorCode, Failed
from relay.peripheral.driver import Sink


@dataclass(frozen=True, slots=True)
class Claim:
    """A Connect, and the hub that waits for its answer."""

    hub: Sink
    message: Connect

    def failed(self, code: ErrorCode, text: str) -> None:
        self.hub.put(Failed(self.message.id, code, text[:512]))


@dataclass(slots=True, eq=False)
class Attempt:
    """A connection that is being made. `claim`: for whom, None: nobody waits for it (any more).

    `scope` lets it be given up; `lost` is why the peripheral went away.
    """

    claim: Claim | None
    scope: asyncio.Timeout | None = None
    lost: str | None = None

    def failed(self, code: ErrorCode, text: str) -> None:
        """Tell whoever waits."""
        claim, self.claim = self.claim, None
        if claim is not None:
            claim.failed(code, text)
