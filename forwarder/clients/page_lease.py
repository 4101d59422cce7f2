"""For how long what a page drives may go on without a word of it. Sans-I/O.

A browser answers pings for a page that is frozen, so only a message of the page's own script renews
the lease; and one that was on its way for long renews nothing, for what stands behind it is as old.
How long that was, two things tell: how much later a word comes than the best ones, and how long ago
the hub gave the answer that the page had when it said the word, so that a way that is as slow from
its beginning is noticed, too.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import UNSET, UnsetType

from forwarder.clients.bounds import ANSWER_S, ANSWERS_MOST, HOPELESS_S, LEASE_S
from relay.link.lease_clock import LeaseClock


class PageLease:
    """One guest's, on one connection; or one play's. Times are monotonic seconds."""

    __slots__ = ("_answered", "_clock", "_first", "_late_since", "_until", "slow")

    def __init__(self) -> None:
        self._clock = LeaseClock()
        self._answered: OrderedDict[float, float] = OrderedDict()
        self._first: float | None = None  # when the first word was answered
        # Whether the last word was said too long ago, or nobody can tell.
        self.slow = False
        self._until = float("-inf")
        self._late_since: float | None = None

    def renew(self, sent_ms: float, now: float, heard_ms: float | UnsetType | None = UNSET) -> None:
        """Take a word that the page sent at `sent_ms` of its own clock, and which is answered at
        once. `heard_ms`: of the newest word that it had an answer to; UNSET for a page of an older
        release, which does not say so."""
        late = self._clock.lateness(int(sent_ms * 1000), now)
        self.slow = now - self._had(heard_ms, now) >= ANSWER_S
        self._first = now if self._first is None else self._first
        self._answered[sent_ms] = now
        if len(self._answered) > ANSWERS_MOST:
            self._answered.popitem(last=False)
        if self.slow:
            return
        if late >= LEASE_S:
            if self._late_since is None:
                self._late_since = now
            return
        self._late_since = None
        self._until = max(self._until, now - late + LEASE_S)

    def _had(self, heard_ms: float | UnsetType | None, now: float) -> float:
        """When the answer left that the page had heard."""
        if heard_ms is UNSET:
            return now
        if heard_ms is None:
            return now if self._first is None else self._first
        return self._answered.get(heard_ms, float("-inf"))

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
