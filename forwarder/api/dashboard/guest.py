"""The remote page of whoever comes with a token for apps.

The dashboard is its owner's: a guest that signs in there is led to the page that guests of shares
have. It says what it says to a share (docs/sharing.md, On the wire), over a websocket of this hub's
own address instead of the encrypted channel; the token says what it may do, and for how long.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from forwarder.access.admission import Admitted
from forwarder.access.tokens import TokenGrant
from forwarder.api.access import Access
from forwarder.api.bounds import DASHBOARD_SEND_S
from forwarder.api.dashboard.session import EventsGate, LeaveDashboard, greeted
from forwarder.api.places import PREFIX
from forwarder.api.services import ApiServices
from forwarder.connectors.bounds import Purpose
from forwarder.connectors.websocket_server import add_websocket_route
from forwarder.shares.words import ShareEnd, packed
from relay.link.channel import Channel
from relay.link.close_codes import UNKNOWN_TOKEN
from relay.link.errors import ChannelClosed
from relay.link.security.transport import MAX_PLAINTEXT_BYTES

PATH: Final = f"{PREFIX}/guest"
# What the page says of it, in the language of its reader.
_REASON: Final = "token"


class TokenGuests:
    """Its first frame is the hello of the events, with the token; after that it is a guest."""

    def __init__(self, services: ApiServices, access: Access) -> None:
        self._services = services
        self._access = access

    def mount(self, app: web.Application) -> None:
        add_websocket_route(
            app,
            PATH,
            self._came,
            gatekeeper=EventsGate(self._access),
            greeting="This is a websocket of the remote page.",
            max_frame_bytes=MAX_PLAINTEXT_BYTES,
            purpose=Purpose.EVENTS,
        )

    async def _came(self, channel: Channel, admitted: Admitted) -> None:
        try:
            grant = await self._granted(channel, admitted)
        except LeaveDashboard as leave:
            await _dismiss(channel, leave)
            return
        except ChannelClosed:
            return  # it has gone again
        shared = self._services.shared
        await self._services.guests.serve(
            channel, grant, lambda: shared.serve_token(channel, grant)
        )

    async def _granted(self, channel: Channel, admitted: Admitted) -> TokenGrant:
        caller = await greeted(channel, self._access, admitted)
        if caller.grant is None:
            raise LeaveDashboard(UNKNOWN_TOKEN, "Its owner has the dashboard; this is for guests.")
        return caller.grant


async def _dismiss(channel: Channel, leave: LeaveDashboard) -> None:
    """Say that it is over, for good if the token is; then close."""
    try:
        if leave.code == UNKNOWN_TOKEN:
            async with asyncio.timeout(DASHBOARD_SEND_S):
                for plaintext in packed(ShareEnd(_REASON, leave.reason)):
                    await channel.send(plaintext)
    except (TimeoutError, ChannelClosed):
        pass  # it does not read, or has gone
    await channel.close(leave.code, leave.reason)
