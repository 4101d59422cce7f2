"""How a relay's clock stands to the hub's, from the answers to the hub's beats. Sans-I/O.

An Echo says when the relay heard a Beat, by its own clock. What took least on the way there, and
what took least on the way back, differ from each other by twice the offset of the two clocks, where
both ways are alike; all else that messages meet on the way is left out. (Taking the halves of whole
round trips would keep the half of both ways' delays as an error.) Clocks drift, so either least may
grow, slowly.
"""

from __future__ import annotations

from collections import deque

from relay.link.bounds import CLOCK_DRIFT, CLOCK_SAMPLES, LEAD_MARGIN_S, LEAD_MOST_S, LEAD_TRIPS


class ClockOffset:
    """One per link: a new link measures anew. `samples`: how many beats were answered."""

    __slots__ = ("_at", "_back", "_there", "_trips", "samples")

    def __init__(self) -> None:
        self.samples = 0
        self._there = self._back = float("inf")
        self._at = 0.0
        self._trips: deque[float] = deque(maxlen=LEAD_TRIPS)

    def answered(self, sent: float, heard: float, now: float) -> None:
        """A beat sent at `sent`, which the relay heard at `heard` of its clock, is answered."""
        grown = CLOCK_DRIFT * (now - self._at)
        self._there = min(heard - sent, self._there + grown)
        self._back = min(now - heard, self._back + grown)
        self._at = now
        if self._there + self._back < 0:
            # A beat that is answered before it was sent: one machine slept, and its clock with it.
            self.samples = 0
            self._there, self._back = heard - sent, now - heard
            self._trips.clear()
        self._trips.append(now - sent)
        self.samples += 1

    @property
    def known(self) -> bool:
        """Whether enough was measured to name a time to the relay."""
        return self.samples >= CLOCK_SAMPLES

    def theirs(self, at: float) -> float:
        """Return what the relay's clock shows at `at` of ours."""
        return at + (self._there - self._back) / 2

    @property
    def lead_s(self) -> float | None:
        """How long before its time a value must leave to be there by then: as long as the slowest
        of the last round trips took. None: that is not known, or too long."""
        if not self.known:
            return None
        lead_s = max(self._trips) + LEAD_MARGIN_S
        return lead_s if lead_s <= LEAD_MOST_S else None
