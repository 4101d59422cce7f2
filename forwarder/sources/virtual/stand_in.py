"""A toy that stands in for another kind.

*As a stroker*: what vibrates or oscillates gets positions, and moves as strongly as they are fast.
*As a vibrator*: what goes to positions gets a level, and strokes within a range, the faster the
higher. Both go on in time, so both have one timer, and these rules:

| state    | event                                 | then |
|----------|---------------------------------------|------|
| at rest  | a value                               | the member does it; running |
| running  | a value                               | the member does that instead |
| running  | the movement is over                  | stroker: the member goes to 0; at rest |
| running  | the stroke is over                    | vibrator: the next stroke, the other way |
| running  | a stop, or a value of 0               | the member is stopped; at rest |
| running  | somebody else has stopped or driven it, or it refused | nothing more is sent; at rest |

Before each step of its own it looks whether the member is still its own to drive: a stop by anybody
ends what goes on here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from enum import Enum
from typing import Final

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions.model import Definition, FeatureSpec, OutputSpec
from forwarder.devices.driver import OnReading, Outcome
from forwarder.errors import DeviceError, HardwareError, Unsupported
from forwarder.hub.client import HubClient
from forwarder.hub.device import Device
from forwarder.hub.truth import FeatureValue
from forwarder.sources.virtual.bounds import (
    FASTEST_S,
    FULL_S,
    LEAST_S,
    LINGER_S,
    LONGEST_MS,
    MOST_S,
    SLOWEST_S,
)
from forwarder.sources.virtual.members import (
    PROTOCOL,
    STEPS,
    DrivingHub,
    MemberOutput,
    give_all,
    places,
    stop_all,
)
from relay.link.messages import ErrorCode

_STRENGTHS: Final = (OutputType.VIBRATE, OutputType.OSCILLATE)
_MOVES: Final = (OutputType.HW_POSITION_WITH_DURATION, OutputType.POSITION)


class Role(Enum):
    STROKER = "stroker"
    VIBRATOR = "vibrator"


class StandInDriver:
    """Implements Driver. `member` is the toy, the source sets it. `low`, `high`: the strokes of a
    vibrator, 0 to 1."""

    stop_waits_for_reads = False

    def __init__(
        self, hub: DrivingHub, client: HubClient, role: Role, low: float, high: float
    ) -> None:
        self._hub = hub
        self._client = client
        self._role = role
        self._range = (low, high)
        self.member: Device | None = None
        self.on_ended: Callable[[str], None] = lambda reason: None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._came = 0.0
        self._level = 0.0
        self._upwards = True

    @property
    def running(self) -> bool:
        if self._role is Role.VIBRATOR:
            return self._timer is not None
        return self.member is not None and self.member.running

    def fits(self, device: Device) -> bool:
        """Whether it has what this needs."""
        return bool(self._places(device))

    def definition(self, name: str) -> Definition:
        if self._role is Role.VIBRATOR:
            outputs = {OutputType.VIBRATE: OutputSpec(0, STEPS)}
        else:
            outputs = {
                OutputType.POSITION: OutputSpec(0, STEPS),
                OutputType.HW_POSITION_WITH_DURATION: OutputSpec(0, STEPS, (0, LONGEST_MS)),
            }
        return Definition(PROTOCOL, name, name, (FeatureSpec(0, "", outputs),), gap_ms=0)

    def lead(self) -> None:
        """What it does goes on in time by itself, and begins when it is told."""

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        if self.member is None:
            raise HardwareError(ErrorCode.GONE, "the toy that stands in is not here")
        share = value / STEPS
        if self._role is Role.VIBRATOR and not share:
            return self.stop(None)
        # What an app was told has failed does not go on by itself.
        try:
            if self._role is Role.STROKER:
                outcome = self._moved(share, duration_ms if kind is _MOVES[0] else None)
            else:
                self._level = share
                outcome = self._stroke() if self._timer is None else self._faster()
        except DeviceError as error:
            if self._timer is not None:
                self._failed(str(error))
            raise
        self._watch(outcome)
        return outcome

    def stop(self, features: Collection[int] | None) -> Outcome:
        self.rest()
        if self.member is None:
            return stop_all(self._hub, self._client, [])
        return stop_all(self._hub, self._client, [(self.member, None)])

    def gone(self) -> None:
        """The member has left."""
        self.rest()
        self.member = None

    def recall(self, feature: int, value: FeatureValue, *, again: bool) -> Outcome | None:
        return None  # the member has recalled its own

    async def read(self, feature: int, kind: InputType) -> int:
        raise Unsupported("Ask the toy itself.")

    def subscribe(self, feature: int, kind: InputType, on_reading: OnReading) -> Outcome:
        raise Unsupported("Ask the toy itself.")

    def unsubscribe(self, feature: int, kind: InputType) -> Outcome | None:
        return None

    async def close(self) -> None:
        await self.stop(None)

    # --- as a stroker ---------------------------------------------------------------------------

    def _moved(self, place: float, duration_ms: int | None) -> Outcome:
        now = self._loop.time()
        if duration_ms is None:
            took_s = min(max(now - self._came, LEAST_S), MOST_S)
        else:
            took_s = max(duration_ms / 1000, LEAST_S)
        way, self._at, self._came = abs(place - self._at), place, now
        outcome = self._tell(min(way / took_s * FULL_S, 1.0))
        self._in(took_s + LINGER_S, self._over)
        return outcome

    def _over(self) -> None:
        self._timer = None
        if mine := self._mine():
            try:
                self._watch(give_all(self._hub, self._client, dict.fromkeys(mine, 0.0)))
            except DeviceError as error:
                self._failed(str(error))

    # --- as a vibrator --------------------------------------------------------------------------

    @property
    def _stroke_s(self) -> float:
        return SLOWEST_S + (FASTEST_S - SLOWEST_S) * self._level

    def _stroke(self) -> Outcome:
        low, high = self._range
        outcome = self._tell(high if self._upwards else low, self._stroke_s)
        self._upwards = not self._upwards
        self._in(self._stroke_s, self._next)
        return outcome

    def _faster(self) -> Outcome:
        """Another level while it strokes: from the next turn on, or now if this one would last."""
        assert self._timer is not None
        if self._timer.when() - self._loop.time() > self._stroke_s:
            self._upwards = not self._upwards  # the same end, sooner
            return self._stroke()
        return stop_all(self._hub, self._client, [])

    def _next(self) -> None:
        self._timer = None
        if self._is_mine():
            try:
                self._watch(self._stroke())
            except DeviceError as error:
                self._failed(str(error))
        else:
            self._failed("somebody else stopped or drives the toy that stands in")

    # --- both -----------------------------------------------------------------------------------

    def _places(self, device: Device) -> list[MemberOutput]:
        kinds = _MOVES if self._role is Role.VIBRATOR else _STRENGTHS
        for kind in kinds:
            if found := list(places(device, kind)):
                return found
        return []

    def _tell(self, share: float, seconds: float = 0.0) -> Outcome:
        assert self.member is not None
        shares = dict.fromkeys(self._places(self.member), share)
        return give_all(self._hub, self._client, shares, round(seconds * 1000))

    def _mine(self) -> list[MemberOutput]:
        """The outputs that nobody else has taken or stopped."""
        if self.member is None:
            return []
        owners = self._hub.owners(self.member)
        return [each for each in self._places(self.member) if owners.get(each[1]) is self._client]

    def _is_mine(self) -> bool:
        return self.member is not None and self._mine() == self._places(self.member)

    def _watch(self, outcome: Outcome) -> None:
        """What nobody waits for must not fail unheard."""

        def ended(done: Outcome) -> None:
            error = None if done.cancelled() else done.exception()
            if error is not None:
                self._failed(str(error))

        outcome.then(ended)

    def _failed(self, reason: str) -> None:
        """Nobody knows what it does now, and no app says 0 any more: it is stopped, which is tried
        until the radio takes it."""
        self.rest()
        if self.member is not None and (mine := self._mine()):
            whole = len(mine) == len(self._places(self.member))
            features = None if whole else [feature for _, feature, _ in mine]
            stop_all(self._hub, self._client, [(self.member, features)])
        self.on_ended(reason)

    def rest(self) -> None:
        """Nothing goes on by itself from now on; the member is not told."""
        self._level = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, act)
