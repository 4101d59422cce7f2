"""Tells relays which guests are here for what they have, and takes the wearer's answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from forwarder.access.grants import ShareGuest, TokenGrant
from forwarder.access.shares import ShareBook
from forwarder.errors import ConfigError
from forwarder.shares.bounds import EVERY_S, WEARERS_MOST
from forwarder.shares.sessions import GuestDriver, SharedSessions
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.source import RelaySource
from relay.link.messages import GuestAnswer, GuestHere, GuestList

log = logging.getLogger(__name__)


class WearerGuests:
    """`run` sends each relay with the capability `guests` who is here for it, at a change."""

    def __init__(self, shared: SharedSessions, relays: RelaySource) -> None:
        self._shared = shared
        self._book: ShareBook = shared.book
        self._relays = relays
        # By link, not by relay: a new link has been told nothing.
        self._told: dict[RelayLink, tuple[GuestHere, ...]] = {}
        relays.on_guest_answer = self.answer

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(EVERY_S)

    def tell(self) -> None:
        """Send what has changed since the last time."""
        told: dict[RelayLink, tuple[GuestHere, ...]] = {}
        for relay in self._relays.relays.values():
            link = relay.link
            if link is None or link.ended is not None or "guests" not in relay.hello.capabilities:
                continue
            items = told[link] = tuple(self._items(relay))[:WEARERS_MOST]
            if self._told.get(link, ()) != items:
                link.tell(GuestList(items))
        self._told = told

    def _items(self, relay: Relay) -> Iterable[GuestHere]:
        for grant, guest, driver in self._here():
            if any(grant.sees(opened.device) for opened in relay.devices.values()):
                yield GuestHere(
                    grant.name,
                    guest.number,
                    guest.browser,
                    waits=not guest.allowed,
                    drives=driver is not None and self._drives(relay, driver),
                )

    def _here(self) -> Iterable[tuple[TokenGrant, ShareGuest, GuestDriver | None]]:
        here = {(taken.psk, taken.key): driver for taken, driver in self._shared.staying()}
        for grant, terms in self._book:
            for guest in terms.guests:
                if (terms.psk, guest.key) in here:
                    yield grant, guest, here[terms.psk, guest.key]

    def _drives(self, relay: Relay, driver: GuestDriver) -> bool:
        hub = self._shared.hub
        return any(
            driver in hub.owners(opened.device).values() for opened in relay.devices.values()
        )

    def answer(self, relay: Relay, answer: GuestAnswer) -> None:
        """The wearer at `relay` allows a guest, or ends its part. A relay has a say about those
        alone who are here for what it has."""
        named = {(item.share, item.guest) for item in self._items(relay)}
        if (answer.share, answer.guest) not in named:
            return  # gone in this moment, or none of its business
        log.info(
            "the wearer at %s %s guest %d of the share %s",
            relay.name, "allowed" if answer.allow else "ended", answer.guest, answer.share,
        )  # fmt: skip
        act = self._book.allow if answer.allow else self._book.refuse
        try:
            act(answer.share, answer.guest)
        except ConfigError:
            pass  # somebody else has answered
        except OSError as error:
            # It holds until the hub ends, see ShareBook.
            log.error("the wearer's answer could not be saved: %s", error)
