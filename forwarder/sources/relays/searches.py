"""Toys that are looked for although no client asks, and for how long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping

from forwarder.sources.relays.bounds import MOST_NAMED, MOST_TOLD, OWING_EVERY_S, OWING_LOOK_S
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import Relay
from relay.link.messages import Forget, Scan
from relay.link.names import neutralise

log = logging.getLogger(__name__)


class Searches:
    """Addresses, each with a time. `owing`: those that are looked for `again` and again, which gets
    the address and for how long. `changed` is called when there is another one, or one less."""

    def __init__(
        self,
        owing: Container[str],
        again: Callable[[str, float], None],
        changed: Callable[[], None],
    ) -> None:
        self._owing = owing
        self._again = again
        self._changed = changed
        self._until: dict[str, float] = {}
        self._told: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._until

    def __len__(self) -> int:
        return len(self._until)

    def add(self, address: str, for_s: float, *, told: bool = False) -> None:
        """`told`: on a relay's word alone."""
        loop = asyncio.get_running_loop()
        if told and address in self._until:
            return
        self._until[address] = loop.time() + for_s
        timer = loop.call_later(for_s, self._give_up, address)
        if told:
            self._told[address] = timer
            if len(self._told) > MOST_TOLD:
                self.end(next(iter(self._told)))
        self._changed()

    def end(self, address: str) -> None:
        """It is here."""
        if (timer := self._told.pop(address, None)) is not None:
            timer.cancel()
        if self._until.pop(address, None) is not None:
            self._changed()

    def _give_up(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        until = self._until.get(address)
        if until is None or until > loop.time():
            return
        self.end(address)
        if address in self._owing:
            loop.call_later(OWING_EVERY_S - OWING_LOOK_S, self._look_again, address)

    def _look_again(self, address: str) -> None:
        if address in self._owing and address not in self._until:
            self._again(address, OWING_LOOK_S)


class ScanWord:
    """Tells relays whether they are to scan, when that changes. `scanning`: whether they are."""

    def __init__(self, relays: Mapping[str, Relay], scanning: Callable[[], bool]) -> None:
        self._relays = relays
        self._scanning = scanning
        self._told = False

    def greet(self, link: RelayLink) -> None:
        """Tell a new link what is looked for."""
        link.tell(Scan(self._scanning()))

    def tell(self, *, anew: bool = False) -> None:
        """Tell every relay, if it is news. `anew`: they are to tell again what they hear, also
        where they are scanning already."""
        scans = self._scanning()
        if scans == self._told and not (anew and scans):
            return
        self._told = scans
        for relay in self._relays.values():
            if relay.link is not None:
                relay.link.tell(Scan(scans))


class Debtors:
    """Which relays look for what because it may be running, and which of it others have by now: a
    toy was stopped before it is listed. `relays`: all there are, by key."""

    def __init__(self, relays: Mapping[str, Relay]) -> None:
        self._relays = relays
        self._owed: dict[str, tuple[str, ...]] = {}
        # By address: keys of those that look for it, in order; and of who has it.
        self._by: dict[str, dict[str, None]] = {}
        self._at: dict[str, str] = {}

    def told(self, key: str, toys: Mapping[str, str]) -> None:
        """This relay looks for these, address and name, and for nothing else."""
        if toys:
            named = ", ".join(toy or address for address, toy in toys.items())
            text = "%s looks for what is not connected and may be running: %s"
            log.error(text, self._relays[key].name, neutralise(named, MOST_NAMED))
        for address in self._owed.pop(key, ()):
            by = self._by[address]
            by.pop(key, None)
            if not by:
                del self._by[address]
        if toys:
            self._owed[key] = tuple(toys)
        for address in toys:
            self._by.setdefault(address, {})[key] = None
            if self._at.get(address, key) != key:
                self._spare(key, address)

    def here(self, address: str, key: str) -> None:
        """This relay has it: no other one need look for it."""
        self._at[address] = key
        for other in self._by.get(address, ()):
            if other != key:
                self._spare(other, address)

    def holder(self, address: str) -> str | None:
        """The relay that has it."""
        return self._at.get(address)

    def gone(self, address: str) -> None:
        """Nobody has it any more."""
        self._at.pop(address, None)

    def stopped(self, address: str) -> None:
        """It was stopped, and is listed nowhere: nobody need look for it."""
        for key in self._by.get(address, ()):
            self._spare(key, address)

    def _spare(self, key: str, address: str) -> None:
        relay = self._relays.get(key)
        if relay is not None and relay.link is not None:
            relay.link.request(Forget(relay.link.next_id(), address))
