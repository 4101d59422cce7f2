"""Who comes in by a link: a relay, or a guest with a share. One handshake for both."""

from __future__ import annotations

import time
from collections.abc import Callable

from forwarder.access.relay_keys import HubTrust
from forwarder.access.shares import ShareBook, TakenShare
from relay.link.security.handshake import RefusalCode, code_id
from relay.link.security.noise import KeyPair


class Doorway:
    """For one handshake; implements relay.link.security.handshake.Trust. `guest` is set once it has
    turned out to be one. `relays`: whether relays come by this door. `wall`: Unix time."""

    def __init__(
        self,
        trust: HubTrust,
        shares: ShareBook,
        wall: Callable[[], float] = time.time,
        *,
        relays: bool = True,
    ) -> None:
        self.guest: TakenShare | None = None
        self._trust = trust
        self._shares = shares
        self._relays = relays
        self._wall = wall
        self._psk: bytes | None = None

    @property
    def key(self) -> KeyPair:
        return self._trust.key

    @property
    def hub_name(self) -> str:
        return self._trust.hub_name

    def offer(self, code: bytes, now: float) -> bytes | RefusalCode:
        offered = self._shares.offer(code, self._wall())
        if offered is None:
            return self._trust.offer(code, now) if self._relays else RefusalCode.WRONG_CODE
        if isinstance(offered, bytes):
            self._psk = offered
        return offered

    def file(self, code: bytes, key: bytes, name: str, now: float) -> str:
        if self._psk is None or code_id(self._psk) != code:
            return self._trust.file(code, key, name, now)
        self.guest = self._shares.take(self._psk, key, name, self._wall())
        return self.guest.share

    def known(self, relay_key: bytes) -> str | None:
        return self._trust.known(relay_key) if self._relays else None
