"""Who comes as an app: what their token permits, and which session serves them."""

from __future__ import annotations

import time

from forwarder.access.admission import Admitted, HttpVisitor
from forwarder.access.tokens import TokenBook, TokenGrant
from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.clients.token_sessions import TokenSessions
from forwarder.hub.hub import Hub
from relay.link.channel import Channel


class ClientVisitors:
    """`guests`: the sessions of those who came by a token, which end with it."""

    def __init__(self, hub: Hub, options: ClientOptions, tokens: TokenBook) -> None:
        self.guests = TokenSessions(lambda grant: tokens.holds(grant, time.time()), time.time)
        self._hub = hub
        self._options = options
        self._tokens = tokens

    def grant(self, visitor: HttpVisitor) -> TokenGrant | None:
        """What a visitor's tokens permit; None without one, and if one of them is not good."""
        return self._tokens.check_all(visitor.tokens, time.time())

    async def serve(self, channel: Channel) -> None:
        """Serve one with all rights, over any channel, until it ends."""
        await clients.serve(channel, self._hub, self._options)

    async def came(self, channel: Channel, admitted: Admitted) -> None:
        """Serve one that a port let in, with the rights that it was let in with."""
        grant = admitted.grant
        assert grant is None or isinstance(grant, TokenGrant)
        if grant is None:
            await self.serve(channel)
            return
        await self.guests.serve(
            channel, grant, lambda: clients.serve(channel, self._hub, self._options, grant)
        )
