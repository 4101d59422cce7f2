"""Who came to the link: a relay, a guest of a share, or nobody. The handshake inside decides."""

from __future__ import annotations

from collections.abc import Callable

from forwarder.access.admission import Admitted
from forwarder.access.comparing import ComparingDesk, compared
from forwarder.access.relay_keys import HubTrust
from forwarder.access.shares import ShareBook, TakenShare
from forwarder.connectors.base import LinkPath, PathKind, PathNow, path_from
from forwarder.connectors.meeting_ids import SettleVisit
from forwarder.shares.doorway import Doorway
from forwarder.shares.sessions import SharedSessions
from forwarder.sources.relays.source import RelaySource
from relay.link.channel import Channel
from relay.link.errors import LinkRefused
from relay.link.security.secure import RelayIdentity, secure_as_hub


class LinkVisitors:
    """Serves each channel to its end. All raise LinkError, among them LinkRefused for strangers and
    where the places for proven ones are taken."""

    def __init__(
        self,
        trust: HubTrust,
        shares: ShareBook,
        relays: RelaySource,
        shared: SharedSessions,
        comparing: ComparingDesk,
    ) -> None:
        self._trust = trust
        self._comparing = comparing
        self._shares = shares
        self._relays = relays
        self._shared = shared

    async def came(self, channel: Channel, admitted: Admitted) -> None:
        """Who dialed a port of this hub."""
        doorway = Doorway(self._trust, self._shares)
        secure, peer = await secure_as_hub(
            channel, doorway, self._trust, may_compare=self._comparing.may_try
        )
        if peer.code:
            # Nobody yet. There is one at a time, while a person looks at the dialog.
            if not admitted.settle(("comparing", peer.key)):
                raise LinkRefused("there are too many connections to compare a code")
            await compared(secure, peer, self._comparing, self._trust)
            return
        self._trust.proven(channel.peer, peer.key)
        path = path_from(channel.peer)
        await self._serve(secure, peer, doorway.guest, admitted.settle, lambda: path)

    async def met(self, channel: Channel, settle: SettleVisit) -> None:
        """Who came by a meeting point: the same handshake, counted apart."""
        await self._met(channel, Doorway(self._trust, self._shares), settle)

    async def met_guest(self, channel: Channel, settle: SettleVisit) -> None:
        """Who came by the id of a share: a guest, or nobody."""
        await self._met(channel, Doorway(self._trust, self._shares, relays=False), settle)

    async def dialed(
        self, path: Callable[[Channel], LinkPath], channel: Channel, settle: SettleVisit
    ) -> None:
        """Who came by a direct path, which is now what `path` says: a relay, or nobody."""
        door = self._trust.direct_door
        secure, peer = await secure_as_hub(channel, self._trust, door)
        door.proven(channel.peer)
        await self._serve(secure, peer, None, settle, lambda: path(channel))

    async def plain(self, channel: Channel, _admitted: Admitted) -> None:
        """A relay of this machine, which needs no handshake."""
        await self._relays.drive(channel, None)

    async def _met(self, channel: Channel, doorway: Doorway, settle: SettleVisit) -> None:
        door = self._trust.meeting_door
        secure, peer = await secure_as_hub(channel, doorway, door)
        door.proven(channel.peer, peer.key)
        path = LinkPath(PathKind.MEETING, channel.peer.partition(" by ")[2])
        await self._serve(secure, peer, doorway.guest, settle, lambda: path)

    async def _serve(
        self,
        secure: Channel,
        peer: RelayIdentity,
        guest: TakenShare | None,
        settle: SettleVisit,
        path: PathNow,
    ) -> None:
        if not settle(peer.key if guest is None else ("guest", peer.key)):
            raise LinkRefused(f"there are too many connections; {peer.name} was turned away")
        if guest is None:
            await self._relays.drive(secure, peer.key.hex(), peer.name, path)
        else:
            await self._shared.serve(secure, guest)
