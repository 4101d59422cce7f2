"""Shares: what one person may do with some devices for some time, as a link for a browser.

docs/sharing.md has the states. Everything here holds when the call returns; who watches is told
then, so that live sessions follow. `now` is Unix time, for an expiry must survive a restart.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from forwarder.access.bounds import MAX_NAME, MAX_OVER, MAX_USES
from forwarder.access.grants import (
    GrantEntry,
    GrantTable,
    ShareGuest,
    ShareTerms,
    TokenGrant,
    check_level,
    new_grant,
)
from forwarder.access.share_link import share_psk
from forwarder.errors import ConfigError
from relay.link.names import neutralise, quoted
from relay.link.security.handshake import SECRET_BYTES, HandshakeRefused, RefusalCode, code_id


class Standing(StrEnum):
    """How a guest stands with its share, now."""

    ASKED = "asked"
    ALLOWED = "allowed"
    REFUSED = "refused"
    RENEWED = "renewed"  # by another link
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class TakenShare:
    """A browser that has shown a share's secret and a key of its own. `psk` names the link."""

    share: str
    psk: bytes
    key: bytes
    number: int


class ShareBook:
    """The entries of `table` that are shares."""

    def __init__(
        self, table: GrantTable, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._table = table
        self._random = random
        self._over: deque[bytes] = deque(maxlen=MAX_OVER)
        self._watching: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each change."""
        self._watching.append(changed)

    def _changed(self) -> None:
        for changed in self._watching:
            changed()

    def __iter__(self) -> Iterator[tuple[TokenGrant, ShareTerms]]:
        return ((e.grant, e.share) for e in self._table if e.share is not None)

    # --- by the owner ---------------------------------------------------------------------------

    def new(
        self,
        name: str,
        now: float,
        *,
        devices: Sequence[str] = (),
        outputs: Sequence[str] = (),
        level: float = 1.0,
        valid_s: float | None = None,
        uses: int = 1,
        ask: bool = True,
    ) -> bytes:
        """Return the secret of a new link; this is the only time it can be read.

        Raises ConfigError for a name in use and for what cannot be, OSError from the disk.
        """
        name = self._table.free_name(name, "share", "renew it, end it, or take another name")
        if not 1 <= uses <= MAX_USES:
            raise ConfigError(f"A share is for 1 to {MAX_USES} browsers.")
        grant = new_grant(name, now, devices=devices, outputs=outputs, level=level, valid_s=valid_s)
        secret = self._random(SECRET_BYTES)
        self._table.add(GrantEntry(b"", grant, ShareTerms(share_psk(secret), uses, ask, valid_s)))
        self._changed()
        return secret

    def renew(self, name: str, now: float, valid_s: float | None = None) -> bytes:
        """Return the secret of another link to the same grant: the old one is dead, and so are the
        browsers that took it. A share whose time is over gets the time it was made for again.

        `valid_s`: from now on, in the place of that. Raises ConfigError, OSError.
        """
        old, terms = self._known(name)
        if valid_s is None and old.grant.over(now):
            valid_s = terms.valid_s
        expires = old.grant.expires if valid_s is None else now + valid_s
        secret = self._random(SECRET_BYTES)
        made = replace(terms, psk=share_psk(secret), guests=(), valid_s=valid_s or terms.valid_s)
        self._over.append(code_id(terms.psk))
        self._put(old, replace(old, grant=replace(old.grant, expires=expires), share=made))
        return secret

    def end(self, name: str) -> TokenGrant:
        """Raises ConfigError if there is no such share; OSError if the disk does not take it, in
        which case it is over until the hub starts again."""
        old, terms = self._known(name)
        self._over.append(code_id(terms.psk))
        try:
            self._table.remove(old)
        finally:
            self._changed()
        return old.grant

    def limit(self, name: str, level: float) -> TokenGrant:
        """Another ceiling, 0..1. Raises ConfigError, OSError."""
        check_level(level)
        old, _ = self._known(name)
        grant = replace(old.grant, level=level)
        self._put(old, replace(old, grant=grant))
        return grant

    def allow(self, name: str, number: int | None = None) -> tuple[ShareGuest, ...]:
        """Let guests that wait drive: one, or all. Returns them. Raises ConfigError, OSError."""
        return self._answer(name, number, allowed=True)

    def refuse(self, name: str, number: int | None = None) -> tuple[ShareGuest, ...]:
        """Send a guest away for good; without `number` those that wait. What it took of the link
        stays taken. Raises ConfigError, OSError."""
        return self._answer(name, number, allowed=False)

    def _answer(self, name: str, number: int | None, *, allowed: bool) -> tuple[ShareGuest, ...]:
        old, terms = self._known(name)

        def meant(guest: ShareGuest) -> bool:
            if number is not None:
                return guest.number == number and not guest.refused
            return not guest.allowed and not guest.refused

        answered = tuple(filter(meant, terms.guests))
        if not answered:
            who = "Nobody" if number is None else f"No guest {number}"
            raise ConfigError(f"{who} of the share {quoted(old.grant.name)} waits for an answer.")
        guests = tuple(
            replace(guest, allowed=allowed, refused=not allowed) if guest in answered else guest
            for guest in terms.guests
        )
        self._put(old, replace(old, share=replace(terms, guests=guests)))
        return answered

    def _known(self, name: str) -> tuple[GrantEntry, ShareTerms]:
        found = self._table.find(name)
        if found is None or found.share is None:
            known = ", ".join(grant.name for grant, _ in self) or "none"
            raise ConfigError(f"There is no share {quoted(name, MAX_NAME)}; shares: {known}.")
        return found, found.share

    def _put(self, old: GrantEntry, new: GrantEntry) -> None:
        # What takes something away must hold even if the disk is full.
        try:
            self._table.put(old, new, at_once=True)
        finally:
            self._changed()

    # --- by handshakes and sessions -------------------------------------------------------------

    def offer(self, code: bytes, now: float) -> bytes | RefusalCode | None:
        """The psk of the share that `code` names; a refusal if that is over; None if it is none."""
        found = None
        # Every one is compared, in constant time: the answer's timing names no code.
        for grant, terms in self:
            if hmac.compare_digest(code_id(terms.psk), code):
                found = RefusalCode.CODE_SPENT if grant.over(now) else terms.psk
        over = [hmac.compare_digest(known, code) for known in self._over]
        return RefusalCode.CODE_SPENT if found is None and any(over) else found

    def take(self, psk: bytes, key: bytes, browser: str, now: float) -> TakenShare:
        """A browser that knows the secret and holds `key` has tapped Start: it is one that was
        here, or takes one of the uses. Raises HandshakeRefused, in words for the guest."""
        found = self._by_psk(psk)
        if found is None:
            raise HandshakeRefused(None, "this share has ended; ask for a new link")
        entry, terms = found
        grant = entry.grant
        if grant.over(now):
            raise HandshakeRefused(None, "the time of this share is over; ask for a new link")
        known = next((g for g in terms.guests if hmac.compare_digest(g.key, key)), None)
        if known is not None:
            if known.refused:
                raise HandshakeRefused(None, "you were not allowed, or your part was ended")
            return TakenShare(grant.name, psk, key, known.number)
        if len(terms.guests) >= terms.uses:
            raise HandshakeRefused(
                None,
                "this link was opened in another browser, and works there only; ask for one of your"
                " own",
            )
        number = max((g.number for g in terms.guests), default=0) + 1
        guest = ShareGuest(key, number, neutralise(browser, MAX_NAME), allowed=not terms.ask)
        new = replace(entry, share=replace(terms, guests=(*terms.guests, guest)))
        try:
            self._table.put(entry, new)
        except OSError as error:
            raise HandshakeRefused(
                None, "the hub cannot store that now; see the hub's log"
            ) from error
        self._changed()
        return TakenShare(grant.name, psk, key, number)

    def standing(self, taken: TakenShare, now: float) -> tuple[Standing, TokenGrant | None]:
        """Whether who has taken a link may be here, and what it may do."""
        found = self._by_psk(taken.psk)
        if found is None:
            again = self._table.find(taken.share)
            renewed = again is not None and again.share is not None
            return (Standing.RENEWED if renewed else Standing.ENDED), None
        entry, terms = found
        guest = next((g for g in terms.guests if g.key == taken.key), None)
        if guest is None or guest.refused:
            return Standing.REFUSED, None
        if entry.grant.over(now):
            return Standing.EXPIRED, None
        return (Standing.ALLOWED if guest.allowed else Standing.ASKED), entry.grant

    def _by_psk(self, psk: bytes) -> tuple[GrantEntry, ShareTerms] | None:
        for entry in self._table:
            if entry.share is not None and hmac.compare_digest(entry.share.psk, psk):
                return entry, entry.share
        return None
