"""Toys that are not connected and may be running: they owe a stop, whoever had them. Sans-I/O.

Relays tell what they owe, and what they told holds while they are away. A relay that went away for
good with a toy of which nobody knows whether it runs owes that one as well, until it is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Each is a toy that somebody owns; more of them are a fault of a relay. The oldest is forgotten.
MOST = 256


@dataclass(frozen=True, slots=True)
class Owing:
    """`key` and `relay`: of the relay that had it last. `told`: by that relay itself."""

    address: str
    toy: str
    key: str
    relay: str
    told: bool


class Owings:
    """All relays' together, by address."""

    def __init__(self) -> None:
        self._items: dict[str, Owing] = {}

    def __iter__(self) -> Iterator[Owing]:
        return iter(tuple(self._items.values()))

    def __contains__(self, address: object) -> bool:
        return address in self._items

    def told(self, key: str, relay: str, toys: Iterable[tuple[str, str]]) -> list[str]:
        """The relay `key` owes these: address and name, and no others. Returns what is new."""
        now = dict(toys)
        for address, item in tuple(self._items.items()):
            if item.key == key and item.told and address not in now:
                del self._items[address]
        new = [address for address in now if address not in self._items]
        for address, toy in now.items():
            self._put(Owing(address, toy or self._name(address), key, relay, told=True))
        return new

    def lost(self, address: str, toy: str, key: str, relay: str) -> None:
        """The relay `key` is gone, and nobody knows whether it has stopped this one."""
        if address not in self._items:
            self._put(Owing(address, toy, key, relay, told=False))

    def _put(self, item: Owing) -> None:
        if item.address not in self._items and len(self._items) >= MOST:
            del self._items[next(iter(self._items))]
        self._items[item.address] = item

    def _name(self, address: str) -> str:
        item = self._items.get(address)
        return "" if item is None else item.toy

    def back(self, key: str) -> None:
        """This relay is back: what it tells from now on decides."""
        for address, item in self._items.items():
            if item.key == key:
                self._items[address] = Owing(address, item.toy, key, item.relay, told=True)

    def settled(self, address: str) -> None:
        """It was stopped, or a person has seen that it is off."""
        self._items.pop(address, None)
