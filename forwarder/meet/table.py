"""Who is at a meeting point: hubs, visitors, and what joins them. Sans-I/O; `now` is an argument.

| hub        | event                  | becomes    | and                                          |
|------------|------------------------|------------|----------------------------------------------|
| –          | `knock`                | KNOCKING   | refused: too many, too often                 |
| KNOCKING   | `prove` (key is good)  | REGISTERED | an older registration of the id ends         |
| KNOCKING   | PROOF_S                | GONE       |                                              |
| REGISTERED | `answer`               | REGISTERED | it has one id more; refused: too many        |
| REGISTERED | `ended`                | REGISTERED | who waits for that id goes                   |
| REGISTERED | silent for SILENT_S    | GONE       | its pairs go on, on sockets of their own     |

| visitor    | event                  | becomes    | and                                          |
|------------|------------------------|------------|----------------------------------------------|
| –          | `visit`                | WAITING    | its hub is told; refused: not here, too many |
| WAITING    | `join` with its ticket | JOINED     | the ticket is spent                          |
| WAITING    | JOIN_S                 | GONE       |                                              |
| JOINED     | silent for IDLE_S      | GONE       |                                              |
| JOINED     | slow, and too many are | GONE       | the one that has been slow for longest       |

From each state `leave` leads to GONE. Nothing is kept of who is GONE, and nothing is stored.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto

from forwarder.connectors.doors import network_of
from forwarder.meet.bounds import DEFAULT, IDLE_S, JOIN_S, PROOF_S, SILENT_S, Bounds
from forwarder.meet.flow import Rate
from relay.link.close_codes import NOT_HERE, POINT_FULL
from relay.link.security.meeting import derived_id, hub_id

NOBODY = "the hub is not at this meeting point now"


class MeetingState(Enum):
    KNOCKING = auto()
    REGISTERED = auto()
    WAITING = auto()
    JOINED = auto()
    GONE = auto()


class NoRoom(Exception):
    """Not now, or not here; `code` is for the websocket, the text for a person."""

    def __init__(self, text: str, code: int = POINT_FULL) -> None:
        super().__init__(text)
        self.code = code


class RegisteredHub:
    """A hub's registration. `end` closes its connection, at once; `tell` hands it a visitor.
    `ids`: what it answers to, with how often it was asked for."""

    __slots__ = ("end", "heard", "id", "ids", "key", "network", "state", "tell", "wishes")

    def __init__(self, network: str, now: float, end: Callable[[str], None]) -> None:
        self.network = network
        self.end = end
        self.heard = now
        self.id = ""
        self.key = b""
        self.ids: dict[str, Rate | None] = {}  # None: not yet
        self.state = MeetingState.KNOCKING
        self.tell: Callable[[Visit], None] = _nobody
        self.wishes: Rate | None = None


class Visit:
    """A visitor, and the pair that it becomes. `end` closes what there is of it, at once."""

    __slots__ = (
        "address",
        "end",
        "heard",
        "hub",
        "id",
        "network",
        "own",
        "state",
        "ticket",
    )

    def __init__(
        self,
        hub: RegisteredHub | None,
        id: str,
        address: str,
        ticket: str,
        now: float,
        end: Callable[[str], None],
    ) -> None:
        self.hub = hub
        # Whether it asks for a hub itself, not for a share.
        self.own = hub is None or id == hub.id
        self.id = id
        self.address = address
        self.network = network_of(address)
        self.ticket = ticket
        self.end = end
        self.heard = now
        self.state = MeetingState.WAITING


def _nobody(visit: Visit) -> None:
    raise AssertionError("a hub that has not proven itself was told of a visitor")


class MeetingTable:
    """All of it. `only`: whether an id may register here."""

    def __init__(
        self,
        bounds: Bounds = DEFAULT,
        *,
        only: Callable[[str], bool] = lambda id: True,
        ticket: Callable[[], str] = lambda: secrets.token_urlsafe(24),
    ) -> None:
        self.bounds = bounds
        # Told of each id that hubs answer to here from now on, or not any more.
        self.answers: Callable[[str], None] = lambda id: None
        self.silent: Callable[[str], None] = lambda id: None
        self._only = only
        self._ticket = ticket
        self._hubs: dict[RegisteredHub, None] = {}
        self._registered: dict[str, RegisteredHub] = {}  # by each id
        self._proven = 0
        self._waiting: dict[str, Visit] = {}
        self._pairs: dict[Visit, None] = {}
        # Those that hold bytes back, in the order in which they began to.
        self._slow: dict[Visit, None] = {}
        self._hubs_at: Counter[str] = Counter()
        self._waiting_at: Counter[str] = Counter()
        self._waiting_for: Counter[str] = Counter()
        self._pairs_at: Counter[str] = Counter()
        self._pairs_of: Counter[str] = Counter()
        self._attempts = Rate(bounds.attempts, 0.0)
        self._attempts_at: dict[str, Rate] = {}

    @property
    def counts(self) -> dict[str, int]:
        """What there is, for people: numbers and nothing else."""
        return {
            "hubs": self._proven,
            "waiting": len(self._waiting),
            "pairs": len(self._pairs),
            "slow": len(self._slow),
        }

    # --- hubs -----------------------------------------------------------------------------------

    def knock(self, address: str, now: float, end: Callable[[str], None]) -> RegisteredHub:
        """A hub has come from `address` and is to prove itself. Raises NoRoom."""
        network = network_of(address)
        self._attempt(network, now)
        bounds = self.bounds
        if self._hubs_at[network] >= bounds.registrations_each:
            raise NoRoom("there are too many hubs at your address")
        if len(self._hubs) >= bounds.registrations:
            raise NoRoom("this meeting point has all the hubs it can take")
        hub = RegisteredHub(network, now, end)
        self._hubs[hub] = None
        self._hubs_at[network] += 1
        return hub

    def prove(
        self, hub: RegisteredHub, key: bytes, now: float, tell: Callable[[Visit], None]
    ) -> str:
        """It holds the private half of `key`; returns the id that it answers to. Raises NoRoom."""
        assert hub.state is MeetingState.KNOCKING
        id = hub_id(key)
        if not self._only(id):
            raise NoRoom(f"this meeting point is for others; ask its owner to let {id} in")
        older = self._registered.get(id)
        if older is not None:
            # It dialed anew before anybody noticed that the old connection is dead.
            end = older.end
            self.leave_hub(older)
            end("the hub came back over a new connection")
        hub.id, hub.key = id, key
        hub.state, hub.heard, hub.tell = MeetingState.REGISTERED, now, tell
        self._proven += 1
        self._add(hub, id)
        return id

    def answer(self, hub: RegisteredHub, seed: bytes, now: float) -> str:
        """It answers to the id of its key and `seed` too; returns that. Raises NoRoom."""
        if hub.state is not MeetingState.REGISTERED:
            raise NoRoom(NOBODY, NOT_HERE)
        id = derived_id(hub.key, seed)
        if id in hub.ids:
            return id
        bounds = self.bounds
        if len(hub.ids) > bounds.derived_each:
            raise NoRoom(f"a hub may have {bounds.derived_each} shares at a time here")
        if len(self._registered) - self._proven >= bounds.derived:
            raise NoRoom("this meeting point has all the shares it can take")
        self._add(hub, id)
        return id

    def ended(self, hub: RegisteredHub, seed: bytes) -> None:
        """It does not answer to that id any more, and who waits for it need not."""
        id = derived_id(hub.key, seed)
        if id not in hub.ids:
            return
        del hub.ids[id], self._registered[id]
        self.silent(id)
        for visit in [visit for visit in self._waiting.values() if visit.id == id]:
            end = visit.end
            self.leave_visit(visit)
            end(NOBODY)

    def wishes(self, hub: RegisteredHub, now: float) -> bool:
        """Count one change of its ids; False if there are too many."""
        most = self.bounds.wishes_each
        hub.wishes = hub.wishes or Rate(most, now)
        return hub.wishes.take(most, now)

    def moved(self, id: str) -> None:
        """The hub with this id has come to another node: what is left of it here is dead."""
        hub = self._registered.get(id)
        if hub is not None:
            end = hub.end
            self.leave_hub(hub)
            end("the hub came back at another node")

    def _add(self, hub: RegisteredHub, id: str) -> None:
        hub.ids[id] = None
        self._registered[id] = hub
        self.answers(id)

    def leave_hub(self, hub: RegisteredHub) -> None:
        """Its connection is gone. Idempotent."""
        if hub.state is MeetingState.GONE:
            return
        self._proven -= hub.state is MeetingState.REGISTERED
        hub.state = MeetingState.GONE
        del self._hubs[hub]
        _less(self._hubs_at, hub.network)
        for id in hub.ids:
            del self._registered[id]
            self.silent(id)
        hub.ids.clear()

    # --- visitors -------------------------------------------------------------------------------

    def visit(self, id: str, address: str, now: float, end: Callable[[str], None]) -> Visit:
        """Somebody at `address` asks for the hub `id`, which is told. Raises NoRoom."""
        hub = self._registered.get(id)
        if hub is None:
            self._attempt(network_of(address), now)
            raise NoRoom(NOBODY, NOT_HERE)
        visit = self._wait(Visit(hub, id, address, self._ticket(), now, end), now)
        try:
            self._tell(hub, visit, now)
        except NoRoom:
            self.leave_visit(visit)
            raise
        return visit

    def waits(self, ticket: str) -> bool:
        """Whether the visitor with this ticket waits at this node."""
        return ticket in self._waiting

    def here(self, id: str) -> bool:
        """Whether a hub answers to `id` at this node."""
        return id in self._registered

    def visit_elsewhere(
        self, id: str, address: str, now: float, end: Callable[[str], None]
    ) -> Visit:
        """The same for a hub that may be at another node: whoever calls this asks there. Raises
        NoRoom."""
        return self._wait(Visit(None, id, address, self._ticket(), now, end), now)

    def tell(self, id: str, address: str, ticket: str, now: float) -> None:
        """A visitor who waits at another node asks for the hub `id` of this one. Raises NoRoom."""
        hub = self._registered.get(id)
        if hub is None:
            raise NoRoom(NOBODY, NOT_HERE)
        self._tell(hub, Visit(hub, id, address, ticket, now, lambda why: None), now)

    def pair_elsewhere(self, now: float, end: Callable[[str], None]) -> Visit:
        """A pair of a hub at this node and a visitor at another, which counts it by its address.
        Raises NoRoom."""
        if len(self._pairs) >= self.bounds.pairs:
            raise NoRoom("there are too many connections")
        visit = Visit(None, "", "another node", "", now, end)
        return self._paired(visit, now)

    def _wait(self, visit: Visit, now: float) -> Visit:
        bounds, network = self.bounds, visit.network
        self._attempt(network, now)
        if self._waiting_at[network] >= bounds.visitors_each:
            raise NoRoom("too many visitors from your address are waiting")
        most = bounds.visitors_hub if visit.own else bounds.visitors_derived
        if self._waiting_for[visit.id] >= most or len(self._waiting) >= bounds.visitors:
            raise NoRoom("too many visitors are waiting; try again in a minute")
        self._waiting[visit.ticket] = visit
        self._waiting_at[network] += 1
        self._waiting_for[visit.id] += 1
        return visit

    def _tell(self, hub: RegisteredHub, visit: Visit, now: float) -> None:
        most = self.bounds.visits_hub if visit.own else self.bounds.visits_derived
        rate = hub.ids[visit.id] = hub.ids[visit.id] or Rate(most, now)
        if not rate.take(most, now):
            raise NoRoom("this hub was asked for too often; try again in a minute")
        hub.tell(visit)

    def join(self, ticket: str, now: float) -> Visit:
        """A hub comes for the visitor with this ticket. Raises NoRoom."""
        visit = self._waiting.get(ticket)
        if visit is None:
            raise NoRoom("the visitor has gone", NOT_HERE)
        bounds = self.bounds
        if self._pairs_at[visit.network] >= bounds.pairs_each:
            raise NoRoom("there are too many connections of the visitor's address")
        most = bounds.pairs_hub if visit.own else bounds.pairs_derived
        if self._pairs_of[visit.id] >= most or len(self._pairs) >= bounds.pairs:
            raise NoRoom("there are too many connections")
        self._no_longer_waits(visit)
        return self._paired(visit, now)

    def _paired(self, visit: Visit, now: float) -> Visit:
        visit.state, visit.heard = MeetingState.JOINED, now
        self._pairs[visit] = None
        self._pairs_at[visit.network] += 1
        self._pairs_of[visit.id] += 1
        return visit

    def slow(self, visit: Visit) -> None:
        """An end of the pair does not read, and bytes for it are held back."""
        if visit.state is not MeetingState.JOINED:
            return
        self._slow.setdefault(visit)
        while len(self._slow) > self.bounds.slow:
            longest = next(iter(self._slow))
            end = longest.end
            self.leave_visit(longest)
            end("the other end reads too slowly")

    def flows(self, visit: Visit) -> None:
        """It reads again."""
        self._slow.pop(visit, None)

    def leave_visit(self, visit: Visit) -> None:
        """The visitor, or the pair, is gone. Idempotent."""
        if visit.state is MeetingState.WAITING:
            self._no_longer_waits(visit)
        elif visit.state is MeetingState.JOINED:
            del self._pairs[visit]
            self._slow.pop(visit, None)
            _less(self._pairs_at, visit.network)
            _less(self._pairs_of, visit.id)
        visit.state = MeetingState.GONE

    def _no_longer_waits(self, visit: Visit) -> None:
        del self._waiting[visit.ticket]
        _less(self._waiting_at, visit.network)
        _less(self._waiting_for, visit.id)

    # --- time -----------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """End whoever's time is over; to be called every SWEEP_S."""
        for hub in tuple(self._hubs):
            knocking = hub.state is MeetingState.KNOCKING
            if now - hub.heard >= (PROOF_S if knocking else SILENT_S):
                end = hub.end
                self.leave_hub(hub)
                end("no proof came in time" if knocking else "the hub was silent")
        for visit in (*self._waiting.values(), *self._pairs):
            waiting = visit.state is MeetingState.WAITING
            if now - visit.heard >= (JOIN_S if waiting else IDLE_S):
                end = visit.end
                self.leave_visit(visit)
                end("the hub did not answer" if waiting else "nothing was said for too long")

    def _attempt(self, network: str, now: float) -> None:
        bounds = self.bounds
        rate = self._attempts_at.pop(network, None) or Rate(bounds.attempts_each, now)
        while len(self._attempts_at) >= bounds.addresses:
            del self._attempts_at[next(iter(self._attempts_at))]
        self._attempts_at[network] = rate  # newest last
        # One address must not use up what all share: its own bound comes first.
        if not rate.take(bounds.attempts_each, now):
            raise NoRoom("too many attempts from your address; try again in a minute")
        if not self._attempts.take(bounds.attempts, now):
            raise NoRoom("too many attempts; try again in a minute")


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
