"""What relays are told of guests, and which answers of a wearer count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from forwarder.access.grants import GrantTable
from forwarder.access.share_link import share_psk
from forwarder.access.shares import ShareBook, Standing, TakenShare
from forwarder.shares.sessions import SharedSessions
from forwarder.shares.wearers import WearerGuests
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.source import RelaySource
from relay.link.messages import GuestAnswer, GuestHere, GuestList, Hello


@dataclass
class _Toy:
    name: str
    index: int = 0
    display_name: str | None = None


@dataclass
class _Opened:
    device: _Toy


@dataclass
class _Link:
    ended: None = None
    told: list[object] = field(default_factory=list)

    def __hash__(self) -> int:
        return id(self)

    def tell(self, message: object) -> None:
        self.told.append(message)


class _Phone:
    def __init__(self, toy: str, capabilities: tuple[str, ...] = ("guests",)) -> None:
        self.name = f"phone with {toy}"
        self.hello = Hello(2, self.name, capabilities=capabilities)
        self.link = _Link()
        self.devices = {1: _Opened(_Toy(toy))}


class _Relays:
    def __init__(self, *phones: _Phone) -> None:
        self.relays = {phone.name: phone for phone in phones}
        self.on_guest_answer: object = None


class _Shared:
    """Sessions, by what they took; none of them drives."""

    def __init__(self, book: ShareBook) -> None:
        self.book = book
        self.here: list[TakenShare] = []

    def staying(self) -> list[tuple[TakenShare, None]]:
        return [(taken, None) for taken in self.here]


def _house(*phones: _Phone) -> tuple[_Shared, WearerGuests]:
    shared = _Shared(ShareBook(GrantTable(None)))
    relays = cast("RelaySource", _Relays(*phones))
    return shared, WearerGuests(cast("SharedSessions", shared), relays)


def _guest(shared: _Shared, **limits: object) -> TakenShare:
    secret = shared.book.new("Marie", 0.0, **limits)  # type: ignore[arg-type]
    taken = shared.book.take(share_psk(secret), b"k" * 32, "Firefox", 0.0)
    shared.here.append(taken)
    return taken


def test_a_relay_hears_of_guests_for_what_it_has_once_per_change() -> None:
    lush, other, old = _Phone("Lush"), _Phone("Nora"), _Phone("Lush 2", capabilities=())
    shared, wearers = _house(lush, other, old)
    _guest(shared, devices=["Lush"])
    wearers.tell()
    wearers.tell()
    asked = GuestHere("Marie", 1, "Firefox", waits=True)
    assert lush.link.told == [GuestList((asked,))]
    assert other.link.told == []
    assert old.link.told == []
    shared.here.clear()
    wearers.tell()
    assert lush.link.told[-1] == GuestList()


def test_the_wearer_allows_and_ends_and_nobody_elses_relay_does() -> None:
    lush, other = _Phone("Lush"), _Phone("Nora")
    shared, wearers = _house(lush, other)
    taken = _guest(shared, devices=["Lush"])
    wearers.answer(cast("Relay", other), GuestAnswer("Marie", 1, True))
    assert shared.book.standing(taken, 0.0)[0] is Standing.ASKED
    wearers.answer(cast("Relay", lush), GuestAnswer("Marie", 1, True))
    assert shared.book.standing(taken, 0.0)[0] is Standing.ALLOWED
    wearers.answer(cast("Relay", lush), GuestAnswer("Marie", 1, False))
    assert shared.book.standing(taken, 0.0)[0] is Standing.REFUSED
    wearers.answer(cast("Relay", lush), GuestAnswer("Marie", 1, True))
    assert shared.book.standing(taken, 0.0)[0] is Standing.REFUSED


def test_an_answer_about_nobody_changes_nothing() -> None:
    lush = _Phone("Lush")
    shared, wearers = _house(lush)
    wearers.answer(cast("Relay", lush), GuestAnswer("Marie", 1, True))
    assert list(shared.book) == []
