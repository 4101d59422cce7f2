"""For how long what a guest drives may go on without a word of its page. Sans-I/O.

A browser answers pings for a page that is frozen, so only a message of the page's own script renews
the lease; and one that was on its way for long renews nothing, for what stands behind it is as old.
"""

from __future__ import annotations

from forwarder.shares.bounds import HOPELESS_S, LEASE_S
from relay.link.lease_clock import LeaseClock


class GuestLease:
    """One guest's, on one connection. Times are monotonic seconds."""

    __slots__ = ("_clock", "_late_since", "_until")

    def __init__(self) -> None:
        self._clock = LeaseClock()
        self._until = float("-inf")
        self._late_since: float | None = None

    def renew(self, sent_ms: float, now: float) -> None:
        """Take a word that the page sent at `sent_ms` of its own clock."""
        late = self._clock.lateness(int(sent_ms * 1000), now)
        if late >= LEASE_S:
            if self._late_since is None:
                self._late_since = now
            return
        self._late_since = None
        self._until = max(self._until, now - late + LEASE_S)

    def rest(self) -> None:
        """The page drives nothing any more."""
        self._until = float("-inf")

    def holds(self, now: float) -> bool:
        return now < self._until

    @property
    def ends(self) -> float:
        """When it does, or did."""
        return self._until

    def hopeless(self, now: float) -> bool:
        """Whether this connection has to be given up."""
        return self._late_since is not None and now - self._late_since >= HOPELESS_S
