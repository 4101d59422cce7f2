"""`MeetingIds`: what a hub answers to at its meeting points beside its own id. `MeetingCalls`: how
often it dials for those who come.

Each further id is made of the hub's key and a seed, and has a handler of its own, so that whoever
knows one knows no other, and an ended one is dead: nobody who comes by it is joined any more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from forwarder.clients.budget import Budget
from forwarder.connectors.bounds import (
    MEETING_BURST,
    MEETING_BURST_DERIVED,
    MEETING_BURST_EACH,
    MEETING_IDS_MOST,
    MEETING_NETWORKS,
    MEETING_VISITS_DERIVED_S,
    MEETING_VISITS_EACH_S,
    MEETING_VISITS_S,
)
from forwarder.connectors.doors import network_of
from forwarder.errors import ConfigError
from relay.link.channel import Channel
from relay.link.security.meeting import Answer, Ended, HubWish, derived_id

# Settles the place of a visitor who has proven who they are, under what they proved it with; False
# if there is no room for them.
SettleVisit = Callable[[Hashable | None], bool]
OnMeetingVisit = Callable[[Channel, SettleVisit], Awaitable[None]]


class MeetingCalls:
    """How often a hub with the id `own` dials a meeting point for visitors: by the id that they
    come by, and by the network that they come from. The network is the meeting point's word, and
    only ever narrows: without it there would be as many of each id."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._by_id: dict[str, Budget] = {}
        self._by_network: OrderedDict[str, Budget] = OrderedDict()

    def may(self, id: str, address: str, now: float) -> bool:
        """Count one dialing; False, and nothing is counted, if there were too many lately."""
        by_id, by_network = self._of_id(id, now), self._of_network(network_of(address[:64]), now)
        if by_id.left(now) < 1 or by_network.left(now) < 1:
            return False
        by_id.spend(1, now)
        by_network.spend(1, now)
        return True

    def scarce(self, id: str, now: float) -> bool:
        """Whether more than half of what is allowed for `id` at once is used up."""
        budget = self._of_id(id, now)
        return budget.left(now) < budget.burst / 2

    def _of_id(self, id: str, now: float) -> Budget:
        if len(self._by_id) > 2 * MEETING_IDS_MOST:
            self._by_id.clear()  # of those that have ended; nobody adds and ends as fast as that
        budget = self._by_id.get(id)
        if budget is None:
            own = id == self._own
            rate = MEETING_VISITS_S if own else MEETING_VISITS_DERIVED_S
            burst = MEETING_BURST if own else MEETING_BURST_DERIVED
            budget = self._by_id[id] = Budget(rate, burst, now)
        return budget

    def _of_network(self, network: str, now: float) -> Budget:
        budget = self._by_network.get(network)
        if budget is None:
            budget = Budget(MEETING_VISITS_EACH_S, MEETING_BURST_EACH, now)
        self._by_network[network] = budget
        self._by_network.move_to_end(network)
        while len(self._by_network) > MEETING_NETWORKS:
            self._by_network.popitem(last=False)
        return budget


class MeetingIds:
    """For the hub with the public key `key`, at all of its meeting points together."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seeds: dict[str, bytes] = {}
        self._handlers: dict[str, OnMeetingVisit] = {}
        self._watching: dict[Callable[[HubWish], None], None] = {}

    def add(self, seed: bytes, serve: OnMeetingVisit) -> str:
        """Answer to one id more, at once and wherever the hub registers: `serve` is run for each
        visitor who comes by it. `seed`: SEED_BYTES random bytes, to be kept with what the id is
        for. Returns the id, for `visit_url`. Raises ConfigError beyond MEETING_IDS_MOST.
        Idempotent."""
        id = derived_id(self._key, seed)
        if id not in self._seeds and len(self._seeds) >= MEETING_IDS_MOST:
            raise ConfigError(
                f"{MEETING_IDS_MOST} shares is all that can be had at a time: end one first."
            )
        self._seeds[id] = seed
        self._handlers[id] = serve
        self._tell(Answer(seed))
        return id

    def end(self, seed: bytes) -> None:
        """Answer to it no more, at once: also not to who is about to be joined. Whoever is here
        already stays: that is for `serve` to end. Idempotent."""
        id = derived_id(self._key, seed)
        if self._seeds.pop(id, None) is not None:
            del self._handlers[id]
            self._tell(Ended(seed))

    def handler(self, id: str) -> OnMeetingVisit | None:
        """Who serves the visitors of `id`; None if it has ended."""
        return self._handlers.get(id)

    def watch(self, changed: Callable[[HubWish], None]) -> None:
        """Tell `changed` all that there are, and each change, until `unwatch`."""
        for seed in self._seeds.values():
            changed(Answer(seed))
        self._watching[changed] = None

    def unwatch(self, changed: Callable[[HubWish], None]) -> None:
        del self._watching[changed]

    def _tell(self, wish: HubWish) -> None:
        for changed in tuple(self._watching):
            changed(wish)
