"""Clients that came with a token: each may stay for as long as its token holds, and not longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from forwarder.access.tokens import TokenGrant
from forwarder.clients.bounds import LOOK_S
from relay.link.channel import Channel
from relay.link.close_codes import POLICY_VIOLATION
from relay.link.tasks.groups import ConnectionTasks


@dataclass(frozen=True, slots=True, eq=False)
class _Guest:
    grant: TokenGrant
    until: asyncio.Timeout


class TokenSessions:
    """Runs sessions of guests, and ends them when their token is revoked or has expired.

    `holds(grant)`: whether it is still good; `wall` is Unix time, of which `TokenGrant.expires`
    speaks.
    """

    def __init__(self, holds: Callable[[TokenGrant], bool], wall: Callable[[], float]) -> None:
        self._holds = holds
        self._wall = wall
        self._guests: set[_Guest] = set()

    def count(self, grant: TokenGrant) -> int:
        """How many clients are here with this token."""
        return sum(guest.grant is grant for guest in self._guests)

    def end(self, grant: TokenGrant) -> int:
        """The token was revoked: every session with it ends now; returns how many."""
        ending = [guest for guest in self._guests if guest.grant == grant]
        for guest in ending:
            guest.until.reschedule(0)
        return len(ending)

    async def serve(
        self, channel: Channel, grant: TokenGrant, session: Callable[[], Awaitable[None]]
    ) -> None:
        """Run `session` until it ends, or the token does. What the session leaves behind is its
        own business: it is cancelled, and stops what it drove."""
        try:
            async with asyncio.timeout(None) as until:
                guest = _Guest(grant, until)
                self._guests.add(guest)
                async with ConnectionTasks() as tasks:
                    watch = tasks.create_task(self._watch(guest), name="token watch")
                    try:
                        await session()
                    finally:
                        self._guests.discard(guest)
                        watch.cancel()
        except TimeoutError:
            await channel.close(POLICY_VIOLATION, "the token was revoked or has expired")

    async def _watch(self, guest: _Guest) -> None:
        while self._holds(guest.grant):
            left = LOOK_S
            if guest.grant.expires is not None:
                left = min(left, guest.grant.expires - self._wall())
            await asyncio.sleep(max(left, 0.01))
        guest.until.reschedule(0)
