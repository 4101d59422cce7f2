"""`WearersView`: what the hub tells the person at the relay: what runs for whom, which guests are
here; and what that person answers about a guest."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable

from relay.link.messages import Driven, FromRelay, GuestAnswer, GuestHere, GuestList, Status
from relay.link.names import neutralise

log = logging.getLogger(__name__)


class WearersView:
    """`tell` says something to the hub that there is."""

    def __init__(self, tell: Callable[[FromRelay], None]) -> None:
        self._tell = tell
        self.driven: dict[int, Driven] = {}
        self.guests: tuple[GuestHere, ...] = ()

    def heard(self, message: Status | GuestList) -> None:
        """All of it, anew."""
        if isinstance(message, Status):
            self.driven = {item.peripheral: item for item in message.items}
            return
        waited = {(guest.share, guest.guest) for guest in self.guests if guest.waits}
        self.guests = message.items
        for guest in self.guests:
            if guest.waits and (guest.share, guest.guest) not in waited:
                log.warning("%s", guest_line(guest))

    def clear(self) -> None:
        """There is no hub any more."""
        self.driven, self.guests = {}, ()

    def answer(self, called: str, *, allow: bool) -> int:
        """Allow the guests that are `called` so (a share's name, or that and a number; "": all), or
        end their part. Returns how many there were that this could mean.

        Shares may be called "Marie" and "Marie 2": by what stands in the list nobody is allowed but
        who stands there, and everybody is ended whom it could mean."""
        meant = [guest for guest in self.guests if _is_called(guest, called)]
        if allow:
            meant = [g for g in meant if _called(g).casefold() == called.casefold()] or meant
            meant = [guest for guest in meant if guest.waits]
        for guest in meant:
            self._tell(GuestAnswer(guest.share, guest.guest, allow))
        return len(meant)


def _is_called(guest: GuestHere, called: str) -> bool:
    names = ("", guest.share.casefold(), _called(guest).casefold())
    return called.casefold() in names


def _called(guest: GuestHere) -> str:
    return f"{guest.share} {guest.guest}"


def guest_line(guest: GuestHere) -> str:
    """One line: who it is, what they do, and what the wearer may say."""
    share, browser = neutralise(guest.share), neutralise(guest.browser)
    called = f"{share} {guest.guest}"
    who, word = f"guest {called}" + (f" ({browser})" if browser else ""), shlex.quote(called)
    if guest.waits:
        return f"{who} wants to drive: relay allow {word}, or relay end {word}"
    return f"{who} {'drives' if guest.drives else 'is here'}: relay end {word} ends it"
