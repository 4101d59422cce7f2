"""Stops that are owed: peripherals that may run, and that are not connected. Sans-I/O.

A debt is the relay's own: it is looked for whatever a hub wants and whatever the wearer has
pressed, until the radio took its stop, or a person has looked and says that it is off (`forget`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from relay.debts.bounds import (
    DEBTS_LOOK_S,
    DEBTS_MOST,
    FULL_S,
    LATER_EVERY_S,
    LATER_LOOK_S,
    LEFT_LOOK_S,
    PAUSE_S,
)
from relay.debts.record import Record
from relay.link.messages import Advertisement, Debt


@dataclass(slots=True, eq=False)
class Owed:
    """`record`: how to stop it. `lost_at`: when it was lost. `certain`: it may run, and is chased
    for ever; else one look is enough. `advertisement`: its last one, if known."""

    record: Record
    lost_at: float
    certain: bool
    _urged_at: float
    _tried_at: float | None = None
    advertisement: Advertisement | None = None

    @property
    def address(self) -> str:
        return self.record.address

    def due(self, now: float) -> float:
        """When the next look begins."""
        if self._tried_at is None:
            return now
        pause = PAUSE_S if self._hot(self._tried_at) else LATER_EVERY_S - LATER_LOOK_S
        return self._tried_at + pause

    def look_s(self, now: float) -> float:
        """How long a look that begins now may take."""
        if not self.certain:
            return LEFT_LOOK_S
        return DEBTS_LOOK_S if self._hot(now) else LATER_LOOK_S

    def tried(self, now: float) -> None:
        """A look has ended in vain."""
        self._tried_at = now

    def urge(self, now: float) -> None:
        """Look at once, and all the time again: somebody pressed stop."""
        self._urged_at, self._tried_at = now, None

    def heard(self, now: float) -> None:
        """It was heard: look at once, unless that has just failed."""
        if self._tried_at is not None and now - self._tried_at >= PAUSE_S:
            self.urge(now)

    def _hot(self, now: float) -> bool:
        return now - self._urged_at < FULL_S


class DebtTable:
    """The table. `changed` is called when what people see of it has changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._owed: dict[str, Owed] = {}

    def __iter__(self) -> Iterator[Owed]:
        return iter(tuple(self._owed.values()))

    def get(self, address: str) -> Owed | None:
        return self._owed.get(address)

    def add(
        self, record: Record, now: float, *, lost_s: float = 0.0, certain: bool = True
    ) -> Owed | None:
        """`record.address` owes a stop since `lost_s` ago. None: there are far too many."""
        if record.address not in self._owed and len(self._owed) >= DEBTS_MOST:
            return None
        owed = self._owed[record.address] = Owed(record, now - lost_s, certain, now)
        if certain:
            self._changed()
        return owed

    def remove(self, address: str) -> Owed | None:
        """It owes nothing any more; returns what it owed."""
        owed = self._owed.pop(address, None)
        if owed is not None and owed.certain:
            self._changed()
        return owed

    def urge(self, now: float) -> None:
        """Look for all of them at once."""
        for owed in self:
            owed.urge(now)

    def items(self, now: float) -> tuple[Debt, ...]:
        """What people are to know."""
        return tuple(
            Debt(each.address, each.record.name, max(0, int(now - each.lost_at)))
            for each in self
            if each.certain
        )
