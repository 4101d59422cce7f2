"""The gate beside a model of it that is as simple as possible, on long random walks.

`tests/relay/test_gate.py` asks whether a rule is ever broken; this asks whether the gate ever says
anything but what the model says, also when it refuses too much. Frames of the hub arrive late and
out of date, the radio fails, causes come at any time, the clock jumps.
"""

from __future__ import annotations

import os
from collections import deque
from random import Random

import pytest

from relay.errors import GateShut
from relay.gate import Block, Gate, State
from relay.link.messages import StopCause

ACTIVE_S, IDLE_S = 0.9, 10.0
# GATE_STEPS=1000000 is the nightly setting.
STEPS = int(os.environ.get("GATE_STEPS", "30000"))


class Model:
    """What docs/architecture.md says about a gate, in four variables."""

    def __init__(self) -> None:
        self.armed = False
        self.open_until: float | None = None
        self.stopping = False
        self.stops = 0
        self.blocked = False

    def tick(self, now: float) -> None:
        if self.open_until is not None and now >= self.open_until:
            self.strike(counted=True)

    def strike(self, *, counted: bool) -> None:
        if self.armed:
            self.armed, self.open_until, self.stopping = False, None, True
            self.stops += counted

    def arm(self, now: float, seen: int | None) -> bool:
        self.tick(now)
        if self.blocked or self.stopping or seen not in (None, self.stops):
            return False
        self.armed = True
        return True

    def lease(self, now: float, seconds: float) -> None:
        self.tick(now)
        if self.armed and not self.blocked:
            self.open_until = now + min(seconds, IDLE_S)

    def passes(self, now: float) -> bool:
        self.tick(now)
        return self.open_until is not None and not self.blocked

    def admit(self, now: float, *, rest: bool) -> bool:
        if not self.passes(now):
            return False
        assert self.open_until is not None
        if not rest:
            self.open_until = min(self.open_until, now + ACTIVE_S)
        return True


class Walk:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.block = Block()
        self.gate = Gate(self.block)
        self.model = Model()
        self.flight: deque[tuple[str, int | None]] = deque(maxlen=8)
        self.reports: deque[int] = deque(maxlen=8)
        self.hub_knows = 0
        self.passed = self.refused = 0

    def step(self) -> None:
        random = self.random
        match random.choices(
            (
                "send",
                "arrive",
                "report",
                "ask",
                "cause",
                "block",
                "resume",
                "written",
                "failed",
                "wait",
            ),
            (20, 20, 10, 20, 2, 1, 4, 10, 3, 12),
        )[0]:
            case "send":
                seen = None if random.random() < 0.02 else self.hub_knows
                self.flight.append((random.choice(("arm", "lease", "output", "rest")), seen))
            case "arrive" if self.flight:
                self._arrive(*self.flight.popleft())
            case "report" if self.reports:
                self.hub_knows = self.reports.popleft()
            case "ask":
                passes = self.gate.passes(self.now)
                assert passes == self.model.passes(self.now)
                self.passed += passes
                self.refused += not passes
            case "cause":
                cause = random.choice([*StopCause, None])
                if cause in (StopCause.PAUSE, StopCause.EMERGENCY):
                    self.block.cause = cause
                    self.model.blocked = True
                self.gate.strike(self.now, cause)
                self.model.strike(counted=cause is not None)
            case "block":
                # Whoever sets it strikes as well; the gate must not depend on that.
                self.block.cause = StopCause.PAUSE
                self.model.blocked = True
            case "resume":
                self.block.cause = None
                self.model.blocked = False
            case "written":
                self.gate.stop_written()
                if self.model.stopping:
                    self.model.stopping = False
                    self.reports.append(self.model.stops)
            case "failed":
                self.gate.stop_failed(self.now)
            case "wait":
                self.now += random.choice((0, 0.001, 0.1, 0.3, 0.89, 0.9, 1.2, 5, 9.9, 10, 3600))
                if random.random() < 0.7:
                    self.gate.tick(self.now)
                    self.model.tick(self.now)
        assert (self.gate.state is State.STOPPING) == self.model.stopping or self._lapsed()

    def _arrive(self, kind: str, seen: int | None) -> None:
        match kind:
            case "arm":
                assert self._accepts(lambda: self.gate.arm(self.now, seen)) == self.model.arm(
                    self.now, seen
                )
            case "lease":
                seconds = self.random.choice((0.0, 0.3, 0.9, 5.0, 10.0, 60.0))
                self.gate.lease(self.now, seconds)
                self.model.lease(self.now, seconds)
            case _:
                rest = kind == "rest"
                accepted = self._accepts(lambda: self.gate.admit(self.now, rest=rest))
                assert accepted == self.model.admit(self.now, rest=rest)

    def _accepts(self, call: object) -> bool:
        assert callable(call)
        try:
            call()
        except GateShut:
            return False
        return True

    def _lapsed(self) -> bool:
        """A lease has ended, and neither has been asked or told the time since."""
        until = self.model.open_until
        return until is not None and self.now >= until


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4))
def test_the_gate_says_what_its_model_says(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS // 4):
        walk.step()
    assert walk.gate.stops == walk.model.stops > 0
    # A walk that never got anywhere proves nothing.
    assert walk.passed > STEPS / 1000
    assert walk.refused > STEPS / 1000
