"""Scripts of events, played by a machine: the shared vectors, and random ones without end.

A script is JSON: `{"name", "max_run_s", "owes", "demands_traffic", "events": [[now, event, …]]}`.
Its transcript has one list of actions per event, and the deadline after it. Whoever writes the
machine in another language reproduces the transcripts exactly; times are compared to a microsecond.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from relay.link.messages import (
    Arm,
    Disconnect,
    ErrorCode,
    Output,
    Read,
    Stop,
    StopCause,
    Subscribe,
    Unsubscribe,
    Write,
)
from relay.peripheral.actions import (
    Cut,
    Dropped,
    KeepRecord,
    MachineAction,
    Note,
    Operate,
    Over,
    RadioRefused,
    Result,
    Say,
    ShortenDeadline,
    StopOutcome,
    Taken,
    What,
)
from relay.peripheral.gate import Lockout
from relay.peripheral.machine import Machine

Json = dict[str, Any]
Event = list[Any]

_REQUESTS = {
    kind.__name__: kind
    for kind in (Arm, Output, Write, Stop, Read, Subscribe, Unsubscribe, Disconnect)
}


# --- playing -----------------------------------------------------------------------------------


def play(script: Json) -> list[Json]:
    """Return what the machine does at each event of `script`."""
    player = Player(script)
    return [player.step(event) for event in script["events"]]


class Player:
    """One life of a machine, event by event."""

    def __init__(self, script: Json) -> None:
        self.block = Lockout()
        start = script["events"][0][0] if script["events"] else 0.0
        self.machine = Machine(
            self.block,
            start,
            max_run_s=script.get("max_run_s", 0),
            owes=script.get("owes", False),
            demands_traffic=script.get("demands_traffic", False),
        )

    def step(self, event: Event) -> Json:
        """Perform one event; return the actions and the deadline after it, as JSON."""
        actions = self.perform(event)
        machine = self.machine
        deadline = machine.deadline
        return {
            "actions": [plain(action) for action in actions],
            "deadline": None if deadline == float("inf") else _time(deadline),
            "state": machine.gate.state.value,
            "may_run": machine.may_run,
        }

    def perform(self, event: Event) -> list[MachineAction]:
        now, kind, *rest = event
        machine = self.machine
        match kind:
            case "bind":
                return machine.bind(now, *rest)
            case "unbind":
                return machine.unbind(now)
            case "say":
                return self._say(now, rest[0])
            case "lease":
                return machine.lease(now, rest[0])
            case "strike":
                return machine.trigger_stop(now, None if rest[0] is None else StopCause(rest[0]))
            case "block":
                self.block.cause = None if rest[0] is None else StopCause(rest[0])
                return [] if rest[0] is None else machine.trigger_stop(now, self.block.cause)
            case "switch":
                # It has moved; the strike that comes with it is still to come.
                self.block.cause = None if rest[0] is None else StopCause(rest[0])
                return []
            case "await":
                return machine.await_stop(now, rest[0])
            case "leave":
                return machine.leave(now)
            case "finished":
                return machine.finished(now, result(rest[0]))
            case "gone":
                return machine.gone(now, rest[0])
            case "end":
                return machine.end(now)
            case "tick":
                return machine.tick(now)
        raise ValueError(f"no event {kind!r}")

    def _say(self, now: float, said: Json) -> list[MachineAction]:
        machine = self.machine
        fields = {key: value for key, value in said.items() if key != "t"}
        kind = _REQUESTS[said["t"]]
        message = msgspec.convert(_bytes(fields | {"t": said["t"]}), kind)
        match message:
            case Arm():
                return machine.arm(now, message)
            case Output():
                return machine.output(now, message)
            case Stop():
                return machine.stop(now, message)
            case Disconnect():
                return machine.disconnect(now, message)
            case Write() | Read() | Subscribe() | Unsubscribe():
                return machine.request(now, message)
        raise ValueError(f"no message {said['t']!r}")


def result(said: Json) -> Result:
    if "taken" in said:
        return Taken(bytes.fromhex(said["taken"]))
    if "refused" in said:
        return RadioRefused(ErrorCode(said["refused"]), said["text"])
    return Cut() if "cut" in said else Dropped()


def plain(action: MachineAction) -> Json:
    """Return `action` as JSON; byte strings are hexadecimal, what holds its default is left out."""
    match action:
        case Operate():
            out: Json = {"do": action.what.value, "limit_s": _time(action.limit_s)}
            if action.what is not What.DISCONNECT:
                out["h"] = action.h
            if action.what is What.WRITE:
                out |= {"d": action.d.hex(), "r": action.r, "stops": action.stops}
            return out
        case ShortenDeadline(by, drop):
            return {"do": "hurry", "by": _time(by), "drop": drop}
        case Say(message):
            return {
                "do": "say",
                "message": _hex(msgspec.to_builtins(message, builtin_types=[bytes])),
            }
        case KeepRecord(may_run, armed):
            return {"do": "record", "may_run": may_run, "armed": armed}
        case Note(event, cause, text):
            return {"do": "note", "event": event, "cause": cause, "text": text}
        case StopOutcome(token, code, text):
            return {"do": "answer", "token": token, "code": code, "text": text}
        case Over(reason, owes):
            return {"do": "over", "reason": reason, "owes": owes}


def _time(seconds: float) -> float:
    return round(seconds, 6)


def _hex(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _hex(item) for key, item in value.items()}
    return [_hex(item) for item in value] if isinstance(value, list | tuple) else value


def _bytes(value: Any, key: str = "") -> Any:
    """The other way: what is called `d` is bytes."""
    if isinstance(value, dict):
        return {name: _bytes(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return bytes.fromhex(value) if key == "d" and isinstance(value, str) else value


# --- random scripts ----------------------------------------------------------------------------

# What a hub, a radio and a wearer do, and how often: frames more often than what ends them.
_WEIGHTS = {
    "output": 22, "rest": 6, "write": 4, "stop": 6, "old stop": 2, "read": 4, "open": 14, "arm": 3,
    "old arm": 2, "lease": 10, "strike": 3, "asked": 1, "block": 1, "resume": 4, "await": 2,
    "unbind": 1, "bind": 2, "leave": 0.3, "disconnect": 0.3, "gone": 0.2, "end": 0.2,
    "finish": 40, "time": 30,
}  # fmt: skip
_PAUSES = (0.0, 0.0005, 0.002, 0.01, 0.04, 0.1, 0.1, 0.25, 0.5, 0.9, 1.1, 3.0, 10.5)
_CAUSES = ["lease", "link", "pause", "emergency", "radio", "stall", "run_time", "shutdown"]


def random_script(seed: int, length: int = 60) -> Json:
    """Return a script whose operations end the ways they do on a radio, late and never included."""
    return _Writer(random.Random(seed), length).write(f"random {seed}")


class _Writer:
    """Writes a script by playing it, for only the machine knows when an operation is under way."""

    def __init__(self, rng: random.Random, length: int) -> None:
        self.rng = rng
        self.length = length
        self.now = 100.0
        self.id = 0
        self.blocked = False
        self.operation: Operate | None = None
        self.cut_at = float("inf")
        # None: this one never ends by itself.
        self.ends_at: float | None = None

    def write(self, name: str) -> Json:
        rng = self.rng
        script: Json = {
            "name": name,
            "max_run_s": rng.choice((0, 0, 0, 2, 5)),
            "owes": rng.random() < 0.1,
            "demands_traffic": rng.random() < 0.3,
            "events": [],
        }
        events: list[Event] = [[self.now, "bind", 7, rng.choice((0.9, 0.9, 0.4, 5.0)), 10]]
        script["events"] = events
        self.player = Player(script)
        self._perform(events[0])
        arm = self._arm()
        for event in ([self.now, "say", arm], [self.now, "lease", self.now + 10]):
            events.append(event)
            self._perform(event)
        while len(events) < self.length:
            for event in self._next():
                events.append(event)
                self._perform(event)
        return script

    def _perform(self, event: Event) -> None:
        for action in self.player.perform(event):
            match action:
                case Operate():
                    self.operation = action
                    self.cut_at = self.now + action.limit_s
                    takes = self.rng.choice((0.0, 0.0, 0.0, 0.01, 0.05, 0.3, 0.7, 2.0, None))
                    self.ends_at = None if takes is None else self.now + takes
                case ShortenDeadline(by, drop):
                    self.cut_at = min(self.cut_at, by)
                    if drop and self.rng.random() < 0.2:
                        self.ends_at, self.cut_at = self.now, float("-inf")
                case Over():
                    self.operation = None

    def _next(self) -> Iterator[Event]:
        kind = self.rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if kind == "time":
            yield from self._time(self.rng.choice(_PAUSES))
            return
        if kind == "finish":
            if self.operation is not None and self.ends_at is not None:
                yield from self._time(max(0.0, self.ends_at - self.now))
            return
        yield self._event(kind)

    def _time(self, seconds: float) -> Iterator[Event]:
        """Let time pass. Now and then the loop stands still meanwhile, and something else may come
        before the clock is looked at."""
        until = round(self.now + seconds, 6)
        if self.rng.random() < 0.06:
            self.now = until
            if self.rng.random() < 0.5:
                return
        for _ in range(12):
            ends = float("inf")
            if self.operation is not None:
                ends = min(float("inf") if self.ends_at is None else self.ends_at, self.cut_at)
                if self.cut_at == float("-inf"):
                    ends = self.now
            due = min(ends, self.player.machine.deadline)
            if due > until:
                break
            self.now = max(self.now, due)
            if ends <= due:
                yield self._finished()
            else:
                yield [self.now, "tick"]
        self.now = max(self.now, until)
        yield [self.now, "tick"]

    def _finished(self) -> Event:
        operation, self.operation = self.operation, None
        assert operation is not None
        dropped = self.cut_at == float("-inf")
        cut = self.ends_at is None or self.cut_at < self.ends_at
        how: Json
        if dropped:
            how = {"dropped": True}
        elif cut:
            how = {"cut": True}
        elif self.rng.random() < 0.12:
            gone = self.rng.random() < 0.05
            how = {"refused": "gone" if gone else "radio", "text": "no"}
        else:
            how = {"taken": "2a" if operation.what is What.READ else ""}
        return [self.now, "finished", how]

    def _event(self, kind: str) -> Event:
        rng, now = self.rng, self.now
        n = self.player.machine.gate.n
        match kind:
            case "output" | "rest":
                packets = [self._packet() for _ in range(rng.choice((1, 1, 1, 2, 3)))]
                rest = kind == "rest"
                if rest and rng.random() < 0.3:
                    packets = []
                output: Json = {"t": "Output", "id": self._id(), "p": 7, "packets": packets}
                output |= {"rest": rest or rng.random() < 0.05, "merge": rng.random() < 0.2}
                if rng.random() < 0.5:
                    output["moves_ms"] = rng.choice((0, 200, 900, 1500))
                if rng.random() < 0.3:
                    ahead_s = rng.choice((-0.1, -0.004, 0.01, 0.05, 0.1, 0.1, 0.4, 0.9, 1.5))
                    output |= {"at_us": round((now + ahead_s) * 1e6), "off": rng.random() < 0.2}
                return [now, "say", output]
            case "write":
                write = {"t": "Write", "id": self._id(), "p": 7, "h": 1, "d": "77", "r": True}
                return [now, "say", write]
            case "read":
                what = rng.choice(("Read", "Subscribe", "Unsubscribe"))
                return [now, "say", {"t": what, "id": self._id(), "p": 7, "h": 2}]
            case "stop" | "old stop":
                whole = rng.random() < 0.6
                armed = [_hex(msgspec.to_builtins(p, builtin_types=[bytes])) for p in self._stop]
                stop: Json = {"t": "Stop", "id": self._id(), "p": 7, "all": whole}
                # With one motor a stop of it is the armed stop.
                same = whole or rng.random() < 0.3
                stop["packets"] = armed if same and armed else [self._packet()]
                if rng.random() < 0.1:
                    stop["packets"] = []
                stop["rest"] = whole or rng.random() < 0.2
                seen = n if kind == "stop" else rng.choice((None, n + 1, max(0, n - 1)))
                return [now, "say", stop if seen is None else stop | {"seen": seen}]
            case "arm" | "old arm":
                arm = self._arm()
                if kind == "old arm":
                    arm["seen"] = n + 1
                return [now, "say", arm]
            case "open" | "lease":
                if kind == "open" and self.player.machine.gate.state.value == "shut":
                    return [now, "say", self._arm()]
                return [now, "lease", round(now + rng.choice((-0.1, 0.3, 0.9, 0.9, 5, 60)), 6)]
            case "strike" | "asked":
                return [now, "strike", None if kind == "asked" else rng.choice(_CAUSES)]
            case "block":
                self.blocked = True
                return [now, "block", rng.choice(("pause", "emergency"))]
            case "resume":
                return [now, "block", None]
            case "await":
                return [now, "await", self._id()]
            case "bind":
                if self.player.machine.bound or self.player.machine.gate.state.value == "stopping":
                    return [now, "tick"]
                return [now, "bind", 7, 0.9, 10]
            case "disconnect":
                return [now, "say", {"t": "Disconnect", "id": self._id(), "p": 7}]
            case "gone":
                self.operation = None
                return [now, "gone", rng.choice(("out of range", ""))]
            case "end":
                # What was under way ends with the program.
                self.operation = None
                return [now, "end"]
        return [now, kind]

    @property
    def _stop(self) -> tuple[Any, ...]:
        return self.player.machine.armed.stop or ()

    def _id(self) -> int:
        self.id += 1
        return self.id

    def _packet(self) -> Json:
        rng = self.rng
        packet: Json = {"h": rng.choice((1, 1, 1, 4)), "d": bytes([rng.randrange(256)] * 3).hex()}
        packet["k"] = rng.sample(range(4), rng.choice((0, 1, 1, 1, 2)))
        if rng.random() < 0.1:
            packet["after_ms"] = rng.choice((10, 100, 700))
        if rng.random() < 0.3:
            packet["counter"] = {"at": 0, "xor_at": 2} if rng.random() < 0.5 else {"at": 1}
        packet["r"] = rng.random() < 0.4
        return packet

    def _arm(self) -> Json:
        rng = self.rng
        arm: Json = {"t": "Arm", "id": self._id(), "p": 7, "seen": self.player.machine.gate.n}
        kind = rng.random()
        if kind < 0.75:
            arm["stop"] = [self._packet() for _ in range(rng.choice((1, 1, 2, 3)))]
        elif kind < 0.9:
            arm["stop"] = []
        arm["gap_ms"] = rng.choice((0, 0, 20, 100, 700))
        if rng.random() < 0.4:
            alive: Json = {"every_ms": rng.choice((50, 200, 1000))}
            alive["only_running"] = rng.random() < 0.5
            alive["only_demanded"] = rng.random() < 0.2
            if rng.random() < 0.4:
                alive["packet"] = self._packet()
            arm["keepalive"] = alive
        return arm
