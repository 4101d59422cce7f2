"""Toys that are not connected and may be running: they owe a stop, whoever had them. Sans-I/O.

Relays tell what they owe, and what they told holds while they are away. A relay that went away for
good with a toy of which nobody knows whether it runs owes that one as well, until it is back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from forwarder.sources.relays.bounds import MOST_EACH, OWING_MOST


@dataclass(frozen=True, slots=True)
class Owing:
    """`key` and `relay`: of the relay that had it last. `told`: by that relay itself."""

    address: str
    toy: str
    key: str
    relay: str
    told: bool


class Owings:
    """All relays' together. What one relay owes, another cannot say to be settled by telling of it
    as well; but whoever tells of one that a gone relay left behind has taken it over."""

    def __init__(self) -> None:
        # By address, and by the relay that had it.
        self._items: dict[tuple[str, str], Owing] = {}
        # How many of each, for whatever is heard is looked up here.
        self._by_address: Counter[str] = Counter()
        self._by_relay: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Owing]:
        """One for each address: what was told of it last."""
        return iter({item.address: item for item in self._items.values()}.values())

    def __contains__(self, address: object) -> bool:
        return address in self._by_address

    def told(self, key: str, relay: str, toys: Iterable[tuple[str, str]]) -> list[str]:
        """The relay `key` owes these: address and name, and no others; those beyond MOST_EACH are
        not heard. Returns what is new."""
        now = dict(islice(toys, MOST_EACH))
        for at, item in tuple(self._items.items()):
            if item.key == key and item.told and item.address not in now:
                self._drop(at)
        known = {item.address: item for item in self._items.values()}
        for address, toy in now.items():
            old = known.get(address)
            name = toy or ("" if old is None else old.toy)
            if old is not None and not old.told:
                self._drop((address, old.key))
            self._put(Owing(address, name, key, relay, told=True))
        return [address for address in now if address not in known]

    def lost(self, address: str, toy: str, key: str, relay: str) -> None:
        """The relay `key` is gone, and nobody knows whether it has stopped this one."""
        if address not in self:
            self._put(Owing(address, toy, key, relay, told=False))

    def _put(self, item: Owing) -> None:
        at = (item.address, item.key)
        if at not in self._items:
            if len(self._items) >= OWING_MOST:
                most = max(self._by_relay, key=self._by_relay.__getitem__)
                self._drop(next(other for other in self._items if other[1] == most))
            self._by_address[item.address] += 1
            self._by_relay[item.key] += 1
        self._items[at] = item

    def _drop(self, at: tuple[str, str]) -> None:
        del self._items[at]
        for counted, name in ((self._by_address, at[0]), (self._by_relay, at[1])):
            counted[name] -= 1
            if not counted[name]:
                del counted[name]

    def back(self, key: str) -> None:
        """This relay is back: what it tells from now on decides."""
        for at, item in self._items.items():
            if item.key == key:
                self._items[at] = replace(item, told=True)

    def settled(self, address: str) -> None:
        """It was stopped, or a person has seen that it is off."""
        if address in self:
            for at in [at for at in self._items if at[0] == address]:
                self._drop(at)
