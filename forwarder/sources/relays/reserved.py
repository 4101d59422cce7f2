"""Which toys a wearer's pause or emergency stop keeps at one relay. Sans-I/O.

Who presses stop means the toys that their relay has or had, wherever those turn up afterwards: the
hub drives none of them through another relay until this one resumes, or is revoked. A relay that
is away cannot say what its wearer wants, so what it had stays bound to its word, even when another
relay has taken it meanwhile.

Toys are known by the address that their relay reports. Radios that invent addresses (browsers,
macOS) call the same toy differently, and nothing can be told about it across two of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from forwarder.hub.kept import KeptConnection
from forwarder.sources.relays.bounds import RESERVED_MOST


@dataclass(slots=True, eq=False)
class _Had:
    """`by`: keys of relays. The last one had it last; the wills of the others are not known."""

    toy: str
    by: list[str]


class Reserved:
    """All relays' holds together."""

    def __init__(self, kept: Iterable[KeptConnection] = ()) -> None:
        """`kept`: holds from before a restart; they hold until their relay says otherwise."""
        self._had: dict[str, _Had] = {}
        self._held: dict[str, KeptConnection] = {}
        self._blocked: dict[str, str] = {}
        for hold in kept:
            self._had[hold.address] = _Had(hold.toy, [hold.relay])
            self._held[hold.address] = hold
            self._blocked[hold.relay] = hold.why

    def holds(self) -> tuple[KeptConnection, ...]:
        return tuple(self._held.values())

    def had(self, address: str, relay: str, toy: str, here: Container[str]) -> None:
        """`relay` has this toy, or had it last; `here`: keys of the relays that are linked now, and
        would have said so if their wearers had anything against it."""
        known = self._had.pop(address, None)
        by = [key for key in known.by if key != relay and key not in here] if known else []
        if known is None and len(self._had) >= RESERVED_MOST:
            del self._had[next(iter(self._had))]
        self._had[address] = _Had(toy or (known.toy if known else ""), [*by, relay])
        if relay in self._blocked:
            self._hold(address, relay)

    def block(self, relay: str, why: str) -> list[str]:
        """The wearer of `relay` paused or stopped; returns the addresses that it holds now."""
        self._blocked[relay] = why
        held = [address for address, had in self._had.items() if relay in had.by]
        for address in held:
            self._hold(address, relay)
        return held

    def _hold(self, address: str, relay: str) -> None:
        current = self._held.get(address)
        if current is None or current.relay == relay:
            had = self._had[address]
            self._held[address] = KeptConnection(address, relay, self._blocked[relay], had.toy)

    def free(self, relay: str) -> list[str]:
        """The wearer of `relay` says nothing against it, or the relay was revoked; returns the
        addresses that it held."""
        self._blocked.pop(relay, None)
        freed = [address for address, hold in self._held.items() if hold.relay == relay]
        for address in freed:
            del self._held[address]
        for address, had in self._had.items():
            if relay in had.by[:-1]:
                had.by.remove(relay)
            # Two wearers may have stopped the same toy, one after the other.
            for other in had.by:
                if other in self._blocked:
                    self._hold(address, other)
        return freed

    def hold(self, address: str) -> KeptConnection | None:
        """Who keeps this toy, if anybody."""
        return self._held.get(address)

    def allows(self, address: str, relay: str) -> bool:
        """Whether `relay` may connect this toy, as far as wearers elsewhere are concerned."""
        hold = self._held.get(address)
        return hold is None or hold.relay == relay
