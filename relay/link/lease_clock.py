"""How late a hub's beats come, so that a lease counts from when it was given. Sans-I/O.

A beat says when it was sent, by a clock of its sender that has nothing to do with ours. The beat
that took least tells how the two clocks stand to each other; what takes longer than that is late.
Clocks of two machines drift, so what was least is allowed to grow, slowly.
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.link.bounds import DELAY_GROWTH


class LeaseClock:
    """One per link: a new link measures anew."""

    __slots__ = ("_at", "_floor")

    def __init__(self) -> None:
        self._floor: float | None = None
        self._at = 0.0

    def lateness(self, sent_us: int, now: float) -> float:
        """Return by how many seconds the beat that arrives `now` is later than the best ones.

        `sent_us`: its `time_us`. Never negative; 0 for the first, which has nothing beside it.
        """
        offset = now - sent_us / 1e6
        if self._floor is None:
            floor = offset
        else:
            floor = min(offset, self._floor + DELAY_GROWTH * (now - self._at))
        self._floor, self._at = floor, now
        return offset - floor


def left(leases: Mapping[int, int], late_s: float) -> dict[int, int]:
    """Return what is left of `leases` (ms) that were given `late_s` ago; none without a rest."""
    late_ms = late_s * 1000
    return {p: int(ms - late_ms) for p, ms in leases.items() if ms - late_ms >= 1}
