"""What a person decided about who may have a toy: prefer a relay, only it, never it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from forwarder.definitions.user_files.user import canonical_address


class How(StrEnum):
    """`ONLY` this relay. `PREFER` it where it can. `NEVER` this one."""

    ONLY = "only"
    PREFER = "prefer"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Pinned:
    """How an address is pinned to one relay; `may_not`: in words, None if it may have it."""

    how: How | None = None
    may_not: str | None = None

    @property
    def preferred(self) -> bool:
        return self.how in (How.PREFER, How.ONLY)


class Pins:
    """Address → key of a relay → how. `configured`: the same by relays' names, from a file that a
    person wrote; what was decided since then by key wins where both speak of one relay."""

    def __init__(self, configured: Iterable[tuple[str, str, How]] = ()) -> None:
        self._by_key: dict[str, dict[str, How]] = {}
        self._by_name: dict[str, dict[str, How]] = {}
        for address, name, how in configured:
            self._by_name.setdefault(canonical_address(address), {})[name.casefold()] = how

    @property
    def decided(self) -> Mapping[str, Mapping[str, How]]:
        """What was decided by key: address → key → how."""
        return self._by_key

    def adopt(self, decided: Mapping[str, Mapping[str, How]]) -> None:
        """These are decided now, and no others."""
        self._by_key = {canonical_address(at): dict(pins) for at, pins in decided.items() if pins}

    def by_key(self, address: str) -> dict[str, How]:
        return dict(self._by_key.get(canonical_address(address), {}))

    def by_name(self, address: str) -> dict[str, How]:
        """As configured; names in lower case."""
        return dict(self._by_name.get(canonical_address(address), {}))

    def of(self, address: str, key: str, name: str) -> Pinned:
        """What holds for this address at the relay `key` that is called `name`."""
        if not self._by_key and not self._by_name:
            return Pinned()
        address = canonical_address(address)
        by_key, by_name = self._by_key.get(address, {}), self._by_name.get(address, {})
        if not by_key and not by_name:
            return Pinned()
        how = by_key.get(key) or by_name.get(name.casefold())
        if how is How.NEVER:
            return Pinned(how, "you decided that it never has this device")
        others = How.ONLY in by_key.values() or How.ONLY in by_name.values()
        if others and how is not How.ONLY:
            return Pinned(how, "you decided that another relay alone has this device")
        return Pinned(how)


def with_pin(pins: Mapping[str, How], key: str, how: How) -> dict[str, How]:
    """`pins` of an address with one more: only and prefer are said of one relay at a time, and
    never takes back what was said for that relay."""
    if how is How.NEVER:
        return {**pins, key: how}
    return {**{other: each for other, each in pins.items() if each is How.NEVER}, key: how}
