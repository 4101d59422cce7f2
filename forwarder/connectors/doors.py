"""Places for connections: who gets one, and who has to give one up. Sans-I/O.

Every connection of every listener of a hub has a `Place` here from the moment it was accepted, TLS
included, to its end. What fills a table decides who goes:

| state    | since                               | counted with              | when full |
|----------|-------------------------------------|---------------------------|-----------|
| KNOCKING | accepted; also between requests     | all that knock, by origin | crowds    |
| STRANGER | became a websocket, proof is due    | its purpose's strangers   | crowds    |
| SETTLED  | proven, or no proof is asked        | its purpose's, of those   | refuses   |

A table that crowds gives a newcomer the place of the oldest of the network that has most; one that
refuses turns the newcomer away. Settled by a key or a token, a connection is counted with those of
that key or token wherever they come from, and takes the place of its own oldest; all others are
counted by network, this machine's apart. So neither strangers nor programs of this machine can
take the places of who has proven itself, and the other way round.

From any state `leave` ends a place, whoever ended the connection. KNOCKING and STRANGER end by
themselves at `until`. The sizes, and the reasons for them, are in bounds.py.
"""

from __future__ import annotations

import functools
import ipaddress
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from enum import Enum, auto

from forwarder.access.admission import is_loopback
from forwarder.access.proven_networks import ProvenNetworks
from forwarder.connectors.bounds import (
    KNOCKING,
    OWN_PLACES,
    PAGES_S,
    PROOF_S,
    SETTLED,
    SETTLED_HERE,
    STRANGERS,
    Bound,
    PeerOrigin,
    Purpose,
)


class PlaceState(Enum):
    KNOCKING = auto()
    STRANGER = auto()
    SETTLED = auto()
    GONE = auto()


class Place:
    """The place of one connection. `end` closes it, at once and without waiting.

    On the clock that `Doors` is told: `until`, when it has to be gone, None once it may stay;
    `last_answer`: an answer after this is the last one.
    """

    __slots__ = (
        "_doors",
        "_end",
        "last_answer",
        "network",
        "origin",
        "purpose",
        "state",
        "table",
        "until",
        "whose",
    )

    def __init__(
        self, doors: Doors, network: str, origin: PeerOrigin, last: float, end: Callable[[], None]
    ) -> None:
        self._doors = doors
        self._end = end
        self.network = network
        self.whose: Hashable = network
        self.origin = origin
        self.last_answer = last
        self.until: float | None = None
        self.state = PlaceState.KNOCKING
        self.purpose: Purpose | None = None
        self.table: PlaceTable | None = None

    def __repr__(self) -> str:
        return f"<Place {self.network} {self.state.name} {self.purpose or ''}>"

    def enter(
        self, purpose: Purpose, now: float, *, settled: bool, who: Hashable | None = None
    ) -> bool:
        """It becomes what it came for; False if there is no room, and nothing changes then.

        `who`: see `settle`.
        """
        return self._doors.enter(self, purpose, now, settled=settled, who=who)

    def vouch(self) -> None:
        """Its request showed a good token: while it knocks it is counted with those of networks
        that are known, wherever it comes from."""
        self._doors.vouch(self)

    def settle(self, who: Hashable | None = None) -> bool:
        """It has proven itself, by a key or a token if there is a `who`: what stands for that.
        False if there is no room for one more."""
        return self._doors.settle(self, who)

    def overdue(self, now: float) -> None:
        """End it if its time is over."""
        if self.until is not None and now >= self.until:
            self.end()

    def end(self) -> None:
        """Close the connection and give up the place."""
        end = self._end
        self.leave()
        end()

    def leave(self) -> None:
        """The connection is gone. Idempotent."""
        if self.table is not None:
            self.table.remove(self)
        self.state, self.until = PlaceState.GONE, None
        self._end = _gone


def _gone() -> None:
    pass


class OwnRoom:
    """Places that known networks have beside what all share: for each as many as keys have proven
    themselves from there. `most`: of all tables together."""

    def __init__(self, keys: Callable[[str], int], most: int = OWN_PLACES) -> None:
        self._keys = keys
        self._most = most
        self.taken = 0

    def left(self, whose: Hashable, has: int) -> bool:
        """Whether there is one for `whose`, which has so many in a table."""
        return self.taken < self._most and isinstance(whose, str) and has < self._keys(whose)


class PlaceTable:
    """The places that are counted together, oldest first. With an `own` room, who has places there
    takes none of the others'."""

    def __init__(self, bound: Bound, own: OwnRoom | None = None) -> None:
        self._bound = bound
        self._own = own
        # Whether it is one of those that all share.
        self._places: dict[Place, bool] = {}
        self._shared: Counter[Hashable] = Counter()
        self._of_own: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def oldest(self) -> Place | None:
        return next(iter(self._places), None)

    def room(self, whose: Hashable) -> bool:
        if self._owns(whose):
            return True
        shared = len(self) - self._of_own.total()
        return shared < self._bound.most and self._shared[whose] < self._bound.each

    def _owns(self, whose: Hashable) -> bool:
        return self._own is not None and self._own.left(whose, self._of_own[whose])

    def crowd_out(self, whose: Hashable) -> None:
        """Make room for one more of `whose`."""
        while not self.room(whose):
            most = whose
            if self._shared[whose] < self._bound.each:
                most = max(self._shared, key=self._shared.__getitem__)
            self._oldest_of(most).end()

    def renew(self, whose: Hashable) -> None:
        """If `whose` has all that it may have, its oldest goes."""
        while self._shared[whose] >= self._bound.each:
            self._oldest_of(whose).end()

    def _oldest_of(self, whose: Hashable) -> Place:
        return next(at for at, shared in self._places.items() if shared and at.whose == whose)

    def add(self, place: Place, whose: Hashable) -> None:
        if place.table is not None:
            place.table.remove(place)
        shared = not self._owns(whose)
        self._places[place] = shared
        (self._shared if shared else self._of_own)[whose] += 1
        if self._own is not None and not shared:
            self._own.taken += 1
        place.table, place.whose = self, whose

    def remove(self, place: Place) -> None:
        shared = self._places.pop(place)
        counted = self._shared if shared else self._of_own
        counted[place.whose] -= 1
        if not counted[place.whose]:
            del counted[place.whose]
        if self._own is not None and not shared:
            self._own.taken -= 1
        place.table = None


class Doors:
    """All places of one hub, whichever listener they came by. Tests give bounds of their own."""

    def __init__(
        self,
        *,
        knocking: Mapping[PeerOrigin, Bound] = KNOCKING,
        strangers: Mapping[Purpose, Bound] = STRANGERS,
        settled: Mapping[Purpose, Bound] = SETTLED,
        settled_here: Mapping[Purpose, Bound] = SETTLED_HERE,
        pages_s: float = PAGES_S,
        proof_s: float = PROOF_S,
        proven: ProvenNetworks | None = None,
        own: int = OWN_PLACES,
    ) -> None:
        """`proven`: known networks. `own`: how many places those have for themselves."""
        self._proven = ProvenNetworks() if proven is None else proven
        room = OwnRoom(self._proven.keys, own)
        self._knocking = {origin: PlaceTable(bound, room) for origin, bound in knocking.items()}
        # By origin as well: no crowd of strangers pushes out who has been here before.
        self._strangers = {
            (purpose, origin): PlaceTable(bound, room)
            for purpose, bound in strangers.items()
            for origin in PeerOrigin
        }
        self._settled = {
            (purpose, here): PlaceTable(bound)
            for here, bounds in ((True, settled_here), (False, settled))
            for purpose, bound in bounds.items()
        }
        self._pages_s = pages_s
        self._proof_s = proof_s

    @property
    def count(self) -> int:
        """Connections, in all."""
        tables = (*self._knocking.values(), *self._strangers.values(), *self._settled.values())
        return sum(map(len, tables))

    def arrive(self, address: str, now: float, end: Callable[[], None]) -> Place:
        """A connection from the IP address `address` was accepted. Whoever has to go for it, goes.

        The caller lets it `leave` when it has ended, however it ended.
        """
        network = network_of(address)
        origin = PeerOrigin.HERE if is_loopback(address) else self._origin(network)
        place = Place(self, network, origin, now + self._pages_s, end)
        place.until = now + 2 * self._pages_s
        table = self._knocking[origin]
        table.crowd_out(network)
        table.add(place, network)
        return place

    def call(
        self,
        whose: str,
        now: float,
        end: Callable[[], None],
        purpose: Purpose = Purpose.MEETING,
        by: str = "a meeting point",
    ) -> Place:
        """Somebody is to come by a meeting point, counted by `whose`: the address that it says they
        have, or the id that they asked for. That is only a word, so it makes nobody one of this
        machine or of a network that came by itself. `by`: what else they come by."""
        network = f"by {by}, {network_of(whose[:64])}"
        place = Place(self, network, self._origin(network), now, end)
        self._stranger(place, purpose, now)
        return place

    def _origin(self, network: str) -> PeerOrigin:
        return PeerOrigin.KNOWN if self._proven.known(network) else PeerOrigin.NEW

    def _stranger(self, place: Place, purpose: Purpose, now: float) -> None:
        table = self._strangers[purpose, place.origin]
        table.crowd_out(place.network)
        table.add(place, place.network)
        place.purpose = purpose
        place.state, place.until = PlaceState.STRANGER, now + self._proof_s

    def vouch(self, place: Place) -> None:
        table = self._knocking[PeerOrigin.KNOWN]
        if place.state is PlaceState.KNOCKING and place.table is not table:
            table.crowd_out(place.network)
            table.add(place, place.network)

    def make_room(self) -> None:
        """Descriptors have run out: the oldest stranger that only knocks has to go."""
        for origin in (PeerOrigin.NEW, PeerOrigin.KNOWN, PeerOrigin.HERE):
            oldest = self._knocking[origin].oldest
            if oldest is not None:
                oldest.end()
                return

    def enter(
        self, place: Place, purpose: Purpose, now: float, *, settled: bool, who: Hashable | None
    ) -> bool:
        if place.state is not PlaceState.KNOCKING:
            return place.state is PlaceState.SETTLED and place.purpose is purpose
        place.purpose = purpose
        if settled:
            if self.settle(place, who):
                return True
            place.purpose = None
            return False
        self._stranger(place, purpose, now)
        return True

    def settle(self, place: Place, who: Hashable | None) -> bool:
        if place.state is PlaceState.SETTLED:
            return True
        if place.state is PlaceState.GONE or place.purpose is None:
            return False
        here = place.origin is PeerOrigin.HERE
        whose = place.network if who is None else who
        table = self._settled[place.purpose, here and who is None]
        if who is not None:
            table.renew(whose)
            if here and not table.room(whose):
                table = self._settled[place.purpose, here]
        if not table.room(whose):
            return False
        table.add(place, whose)
        place.state, place.until = PlaceState.SETTLED, None
        if not here or isinstance(who, bytes):
            self._proven.note(place.network, who)
        return True


@functools.lru_cache(256)
def network_of(address: str) -> str:
    """What limits are counted by: the IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Address(int(ip) >> 64 << 64))
    return str(ip)
