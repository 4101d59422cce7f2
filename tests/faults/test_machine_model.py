"""The machine of a peripheral beside a toy that obeys every packet, on long random walks.

The hub is hostile, late or honest; the radio fails, hangs, and carries out later what was cut
short; causes come at any time; the clock jumps. Four things are asked at each packet:

* Since the last strike, has a hub that knows of it armed and leased the toy? If not, the packet is
  part of the armed stop.
* Does it count as on behind each packet that is no part of the stop that is armed at that moment?
* While the machine says that the toy is off: is it, by its own record, and whatever still comes?
* While an honest hub's word counts that everything is off: is it, once all of it was carried out?

GATE_STEPS=1000000 (`make model STEPS=1000000`) is the nightly setting.
"""

from __future__ import annotations

import heapq
import os
from random import Random

import pytest
from msgspec.structs import replace

from relay.link.messages import (
    Arm,
    Connected,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    KeepAlive,
    Output,
    Packet,
    Read,
    Stop,
    StopCause,
    Stopped,
    Value,
    Write,
)
from relay.peripheral.actions import (
    Cut,
    Dropped,
    MachineAction,
    Operate,
    Over,
    RadioRefused,
    Say,
    ShortenDeadline,
    StopOutcome,
    Taken,
    What,
)
from relay.peripheral.gate import GateState, Lockout
from relay.peripheral.limits import ACTIVE_S, SILENCE_S, STRAGGLER_S
from relay.peripheral.machine import Machine

STEPS = int(os.environ.get("GATE_STEPS", "40000"))
SEEDS = 8
# A walk ends with its peripheral, and another one begins.
LIFE = 400

# The toy has two outputs. What switches one off has level 0; the armed stop has a mark of its own.
_OFF = b"\xff"
_CAUSES = [*StopCause]


class Toy:
    """What the toy does by its own record; the future brings what the radio still carries out.

    `tires`: it stops by itself so many seconds after a value, or when its own time (third byte, in
    tenths of a second) is over.
    """

    def __init__(self, tires: float = float("inf")) -> None:
        self.levels = {0: 0, 1: 0}
        self.late: list[tuple[float, int, bytes]] = []
        self.count = 0
        self.tires = tires
        self._now = 0.0
        self._ends = {0: 0.0, 1: 0.0}

    def take(self, data: bytes, at: float | None = None) -> None:
        self.levels[data[0]] = 0 if data[1:2] == _OFF else data[1]
        takes = data[2] / 10 if len(data) > 2 and data[2] else self.tires
        self._ends[data[0]] = (self._now if at is None else at) + takes

    def later(self, at: float, data: bytes) -> None:
        self.count += 1
        heapq.heappush(self.late, (at, self.count, data))

    def until(self, now: float) -> None:
        while self.late and self.late[0][0] <= now:
            at, _, data = heapq.heappop(self.late)
            self.take(data, at)
        self._now = now

    @property
    def on(self) -> bool:
        # A hair: the machine adds the same times in another order.
        return any(level and self._ends[n] > self._now + 1e-6 for n, level in self.levels.items())


class Walk:
    """One life of a machine, its hub, its radio, its wearer, and its toy."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 1000.0
        self.block = Lockout()
        # A quarter of all toys are stopped by silence.
        self.silent = random.random() < 0.25
        self.toy = Toy(SILENCE_S if self.silent else float("inf"))
        self.toy.until(self.now)
        if not self.silent and random.random() < 0.5:
            self.toy.take(bytes((0, 9)))
        self.machine = Machine(
            self.block,
            self.now,
            max_run_s=random.choice((0, 3)),
            owes=random.random() < 0.2 or self.toy.on,
        )
        self.stop = tuple(
            Packet(
                1,
                bytes([n]) + _OFF,
                response=random.random() < 0.5,
                keys=(n,),
                after_ms=random.choice((0, 0, 100, 300)),
            )
            for n in (0, 1)
        )
        # It stops as well, but is another one: what is armed may change.
        self.other_stop = tuple(
            replace(packet, data=packet.data + b"\x00\x01") for packet in self.stop
        )
        self.operation: Operate | None = None
        self.begun = False
        self.cut_at = self.ends_at = 0.0
        # What the oracle knows: the newest stop of the relay's own, and what came since.
        self.armed = self.leased = False
        self.stops = 0
        self.hub_knows = 0
        self.last_lease = 0.0
        self.asked: set[int] = set()
        self.answered: set[int] = set()
        self.tokens: set[int] = set()
        self.over = False
        self.values = self.refused = self.stopped = self.sure = self.resting = 0
        self.id = 0
        # Whoever lies about silence is believed, as the pages say.
        self.hostile = not self.silent and random.random() < 0.5
        self.do(self.machine.bind(self.now, 7, 0.9, 10))

    # --- actions -------------------------------------------------------------------------------

    def do(self, actions: list[MachineAction]) -> None:
        for action in actions:
            match action:
                case Operate():
                    self._operate(action)
                case ShortenDeadline(by, drop):
                    self.cut_at = min(self.cut_at, by)
                    if drop and not self.begun and self.operation is not None:
                        self._forget(Dropped())
                        return
                case Say(message):
                    self._hear(message)
                case StopOutcome(token):
                    assert token in self.tokens
                    assert isinstance(token, int)
                    self.tokens.discard(token)
                case Over(_, owes):
                    assert not self.over
                    # The end of its connection is the silence that stops it.
                    assert owes or self.silent or not self.machine.may_run
                    self.over = True
                    self.operation = None
        self._check()

    def _operate(self, operation: Operate) -> None:
        assert self.operation is None, "two operations at once"
        random = self.random
        self.operation = operation
        self.begun = random.random() < 0.8
        self.cut_at = self.now + operation.limit_s
        takes = random.choices(
            (0.0, 0.02, 0.06, 0.4, 0.8, 3.0, float("inf")), (40, 10, 10, 3, 2, 1, 1)
        )[0]
        self.ends_at = self.now + takes
        if operation.what is What.WRITE:
            ours = operation.d[1:2] == _OFF
            if not ours:
                assert self.machine.gate.state is GateState.OPEN
                assert self.block.cause is None
                assert self.armed, "nobody who knows of the last stop has armed it"
                assert self.leased
                self.values += 1
            armed = self.machine.armed.stop or ()
            if all(operation.d != packet.data for packet in armed):
                assert self.machine.may_run

    def _forget(self, result: Dropped) -> None:
        self.operation = None
        self.do(self.machine.finished(self.now, result))

    def finish(self) -> None:
        """The operation ends as its time says; what it wrote arrives, or not, or later."""
        operation, self.operation = self.operation, None
        assert operation is not None
        self.begun = True
        random = self.random
        write = operation.what is What.WRITE
        if self.cut_at < self.ends_at:
            if write and random.random() < 0.7:
                # Carried out while it was waited for, or within the time of a straggler.
                self.toy.later(self.now + random.random() * STRAGGLER_S * 0.999, operation.d)
            self.do(self.machine.finished(self.now, Cut()))
        elif random.random() < 0.08:
            if write and random.random() < 0.5:
                self.toy.take(operation.d)
            gone = random.random() < 0.02
            code = ErrorCode.GONE if gone else ErrorCode.RADIO
            self.do(self.machine.finished(self.now, RadioRefused(code, "no")))
        else:
            if write:
                self.toy.take(operation.d)
            self.do(self.machine.finished(self.now, Taken()))

    def _hear(self, message: object) -> None:
        match message:
            case Done(id) | Failed(id) | Value(id) | Connected(id):
                assert id in self.asked, "answered twice, or to nobody"
                self.asked.discard(id)
                self.refused += isinstance(message, Failed)
            case Stopped(_, _, ok, _, n):
                assert n >= self.stops
                self.stops = n
                self.stopped += ok
                if self.random.random() < 0.8:
                    self.hub_knows = n
            case Disconnected():
                assert not self.machine.leaving

    def _check(self) -> None:
        machine = self.machine
        if machine.gate.state in (GateState.STOPPING, GateState.SHUT):
            self.armed = self.leased = False
        if machine.gate.active and machine.gate.state is GateState.OPEN and machine.over is None:
            assert machine.deadline <= self.now + ACTIVE_S
        if not machine.may_run and not self.over and machine.gate.settled:
            self.sure += 1
            assert not self.toy.on, "it is said to be off"
            assert all(data[1:2] == _OFF or not data[1] for _, _, data in self.toy.late)
        # What silence stops moves on by itself for a while.
        if not (self.hostile or self.silent) and self._believed_at_rest:
            self.resting += 1
            assert not self.toy.on, "an honest hub said that everything is off"

    @property
    def _believed_at_rest(self) -> bool:
        """The machine has done all that it was told, and gives the long lease of what rests."""
        it = self.machine
        waits = it._slots.size or it._stops.waiting or it._again or it._timed.due < float("inf")
        if waits or it._op is not None or it.over is not None or self.toy.late:
            return False
        return it.gate.state is GateState.OPEN and not it.gate.active

    # --- what happens --------------------------------------------------------------------------

    def step(self) -> None:
        random, machine, now = self.random, self.machine, self.now
        if not machine.bound:
            self._time(0.1)
            self._bind()
            return
        kind = random.choices(
            ("value", "rest", "write", "stop", "read", "open", "lease", "cause", "asked", "block",
             "resume", "relink", "await", "leave", "gone", "finish", "time"),
            (20, 6, 3, 6, 2, 14, 8, 2, 0.5, 1, 5, 1, 1, 0.05, 0.05, 30, 25),
        )[0]  # fmt: skip
        match kind:
            case "value" | "rest":
                self._output(rest=kind == "rest")
            case "write":
                id = self._ask()
                data = bytes([random.randrange(2), random.randrange(1, 200)])
                self.do(machine.request(now, Write(id, 7, 1, data)))
            case "read":
                self.do(machine.request(now, Read(self._ask(), 7, 2)))
            case "stop":
                self._stop()
            case "open":
                self._arm()
                self._lease()
            case "lease":
                self._lease()
            case "cause":
                self.do(machine.trigger_stop(now, random.choice(_CAUSES)))
            case "asked":
                self.do(machine.trigger_stop(now, None))
            case "block":
                self.block.cause = random.choice((StopCause.PAUSE, StopCause.EMERGENCY))
                self.do(machine.trigger_stop(now, self.block.cause))
            case "resume":
                self.block.cause = None
            case "relink":
                self._relink()
            case "await":
                self.id += 1
                self.tokens.add(self.id)
                self.do(machine.await_stop(now, self.id))
            case "leave":
                self.do(machine.leave(now))
            case "gone":
                self.operation = None
                self.do(machine.gone(now, "out of range"))
            case "finish" if self.operation is not None and self.ends_at < float("inf"):
                self._time(max(0.0, min(self.ends_at, self.cut_at) - now))
            case "time":
                self._time(random.choice((0, 0.001, 0.05, 0.1, 0.3, 0.6, 0.9, 2, 11)))

    def _ask(self) -> int:
        self.id += 1
        self.asked.add(self.id)
        return self.id

    def _packet(self, level: int, tenths: int = 0) -> Packet:
        slot = self.random.randrange(2)
        data = bytes([slot, level, tenths] if tenths else [slot, level])
        # An honest hub names the slots of each packet.
        named = not self.hostile or self.random.random() < 0.8
        return Packet(1, data, keys=(slot,) if named else ())

    def _output(self, *, rest: bool) -> None:
        random = self.random
        moves_ms = random.choice((None, 300))
        if rest and not self.hostile:
            packets = tuple(Packet(1, bytes([n, 0]), keys=(n,)) for n in (0, 1))
            if self.silent:
                packets = ()
        else:
            tenths = 3 if self.silent and moves_ms else 0
            packets = tuple(
                self._packet(random.randrange(256), tenths) for _ in range(random.randrange(3))
            )
        at_us = None
        if random.random() < 0.3:
            ahead_s = random.choice((-0.1, -0.004, 0.01, 0.05, 0.1, 0.4, 0.9, 2))
            at_us = round((self.now + ahead_s) * 1e6)
        merge, off = random.random() < 0.2, rest or random.random() < 0.2
        message = Output(self._ask(), 7, packets, merge, rest, moves_ms, at_us, off)
        self.do(self.machine.output(self.now, message))

    def _stop(self) -> None:
        """Half of the stops of a hostile hub start something."""
        random = self.random
        packets: tuple[Packet, ...] = random.choice((self.stop, self.stop, self.other_stop))
        if random.random() < 0.5:
            packets = (self._packet(random.randrange(256) if self.hostile else 0),)
        seen = random.choice((self.hub_knows, self.machine.gate.n, None))
        whole = random.random() < 0.6
        rest = self.hostile and random.random() < 0.5
        message = Stop(self._ask(), 7, packets, whole, rest, seen)
        self.do(self.machine.stop(self.now, message))

    def _arm(self) -> None:
        random = self.random
        newest = self.machine.gate.n
        seen = random.choice((self.hub_knows, newest, newest, None))
        alive = None
        if random.random() < 0.4:
            fixed = self._packet(7, int(self.silent)) if random.random() < 0.3 else None
            alive = KeepAlive(random.choice((60, 400)), fixed, random.random() < 0.5)
        id = self._ask()
        stop = self.other_stop if random.random() < 0.2 else self.stop
        if self.silent:
            stop = ()
        self.do(self.machine.arm(self.now, Arm(id, 7, stop, 20, alive, seen)))
        if self.over or id in self.asked:
            return
        if self.machine.gate.state in (GateState.ARMED, GateState.OPEN) and seen == newest:
            self.armed = self.armed or self.block.cause is None

    def _lease(self) -> None:
        seconds = self.random.choice((-0.2, 0.3, 0.9, 0.9, 5, 60))
        self.leased = self.leased or (self.armed and self.block.cause is None and seconds > 0)
        self.do(self.machine.lease(self.now, self.now + seconds))

    def _relink(self) -> None:
        self.do(self.machine.unbind(self.now))
        self.asked.clear()
        self._time(0.3)
        self._bind()

    def _bind(self) -> None:
        if self.machine.gate.state is not GateState.STOPPING and not self.over:
            self.stops = self.hub_knows = 0
            self.do(self.machine.bind(self.now, 7, 0.9, 10))

    def _time(self, seconds: float) -> None:
        """Let it pass; now and then the loop stands still meanwhile."""
        until = self.now + seconds
        if self.random.random() < 0.03:
            self._to(until)
        for _ in range(2000):
            ends = float("inf")
            if self.operation is not None:
                ends = min(self.ends_at, self.cut_at)
            due = min(ends, self.machine.deadline)
            if due > until:
                break
            self._to(max(self.now, due))
            if ends <= due:
                self.finish()
            else:
                self.do(self.machine.tick(self.now))
                assert self.operation is not None or self.machine.deadline > self.now, "it spins"
        else:
            pytest.fail("it never rests")
        self._to(until)
        self.do(self.machine.tick(self.now))

    def _to(self, now: float) -> None:
        self.now = max(self.now, now)
        self.toy.until(self.now)
        self._check()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_a_strike_nothing_but_the_stop_and_off_means_off(seed: int) -> None:
    random = Random(f"{os.environ.get('GATE_SEED', '')}{seed}")
    values = refused = stopped = sure = resting = 0
    left = STEPS // SEEDS
    while left > 0:
        walk = Walk(random)
        for _ in range(LIFE):
            walk.step()
            left -= 1
            if walk.over:
                break
        # Whatever it was: left to itself it ends stopped, or let go; nobody waits any more.
        walk.do(walk.machine.unbind(walk.now))
        walk.asked.clear()
        for _ in range(40):
            walk._time(1.0)
        assert walk.over or walk.machine.gate.state is GateState.SHUT
        assert walk.over or not walk.machine.may_run
        assert not walk.tokens
        values += walk.values
        refused += walk.refused
        stopped += walk.stopped
        sure += walk.sure
        resting += walk.resting
    # A walk that never gets anywhere proves nothing.
    least = STEPS // SEEDS // 100
    counts = (values, refused, stopped, sure, resting)
    assert min(counts) > least, counts
