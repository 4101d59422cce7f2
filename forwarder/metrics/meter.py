"""What the hub counts for machines that watch it: how fast, how often, and why not. Sans-I/O.

Counting costs nothing worth a word until somebody has asked once (`watched`): times are taken from
then on only. What happens a few times an hour is always counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import DeviceError, HardwareError
from relay.link.messages import ErrorCode

# Half a millisecond is the hub's own part, 50 ms a connection event of a slow phone, and after two
# seconds everything has been stopped.
BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
# hub: from a client's command to the link's outbox. link: there and back, as beats measured it
# last. radio: what is left of `command`, which ends with the relay's answer.
HOPS = ("hub", "link", "radio", "command")


class LatencyBuckets:
    """`counts`: one for each of BUCKETS_S, and one for what took longer."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


class Meter:
    """`link_s`: the round trip of the link to the device with this index, None if it has none.
    `causes`: what a stop is told to clients with -> its cause, a word."""

    def __init__(
        self,
        clock: Callable[[], float],
        link_s: Callable[[int], float | None] = lambda index: None,
        causes: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock
        self.watched = False
        self.hops = {hop: LatencyBuckets() for hop in HOPS}
        # taken, coalesced (a newer one took its place, or it was the same), dropped (no room),
        # refused (before it left the hub), failed
        self.outputs: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.connects = 0
        self._link_s = link_s
        self._causes = {} if causes is None else dict(causes)

    def handed(self, index: int, outcome: Outcome | None, began: float) -> None:
        """An output was handed on, or was the same as before (None)."""
        self.hops["hub"].add(self.clock() - began)
        if outcome is None:
            self.outputs["coalesced"] += 1
        else:
            outcome.then(partial(self._ended, index, began))

    def refused(self, error: DeviceError) -> None:
        """An output was refused at once."""
        congested = isinstance(error, HardwareError) and error.reason is ErrorCode.CONGESTED
        self.outputs["dropped" if congested else "refused"] += 1

    def _ended(self, index: int, began: float, done: Outcome) -> None:
        error = None if done.cancelled() else done.exception()
        if done.cancelled():
            self.outputs["failed"] += 1
        elif isinstance(error, HardwareError) and error.reason is ErrorCode.CONGESTED:
            self.outputs["dropped"] += 1
        elif error is not None:
            self.outputs["failed"] += 1
        elif done.result() is Fate.SUPERSEDED:
            self.outputs["coalesced"] += 1
        else:
            self.outputs["taken"] += 1
            self._took(index, self.clock() - began)

    def _took(self, index: int, seconds: float) -> None:
        self.hops["command"].add(seconds)
        link_s = self._link_s(index)
        if link_s is not None:
            self.hops["link"].add(link_s)
            self.hops["radio"].add(max(0.0, seconds - link_s))

    def stopped(self, reason: str) -> None:
        """Something other than a client stopped a device, and clients are told so."""
        cause = self._causes.get(reason)
        self.stops[cause or ("link" if reason.startswith("the link to ") else "other")] += 1
