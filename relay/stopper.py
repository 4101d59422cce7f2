"""How one peripheral is stopped: stops of the hub, and the armed stop when the gate wants it.

A stop is written before anything else and retried until the radio takes it. When the radio does
not take a stop of the hub for a second, the armed stop takes over; when it does not take that one
either, the peripheral is let go, and both are tried for as long as it is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from relay.gate import RETRY_FIRST_S, Gate, State
from relay.link.messages import (
    Arm,
    Done,
    ErrorCode,
    Failed,
    Fallback,
    FromRelay,
    Packet,
    Stop,
    StopCause,
    Stopped,
)
from relay.radio.base import RadioError
from relay.slots import MOST
from relay.supervision.holds import HeldWrite, Hold
from relay.surroundings import Surroundings
from relay.wire import Wire

log = logging.getLogger(__name__)

# Seconds in which a stop has to be taken, or it has failed.
STOP_S = 1.0
# A peripheral that is let go in order answers at once, but BlueZ waits 2 s before it says so.
LET_GO_S = 2.5
# The least pause (s) before an armed stop without response is written for the second time, and
# the longest (s) that a stop may ask for between two of its packets.
SECOND_ROUND_S = 0.02
STOP_DELAY_MOST_S = 0.5
# An operation that was cut short may still reach the device; the stop is repeated after this (s).
STRAGGLER_S = 0.5

OnStopped = Callable[[RadioError | None], None]


@dataclass(slots=True, eq=False)
class _Stop:
    """A Stop of the hub that is being written; `next` is the first packet still to be."""

    ids: list[int]
    packets: tuple[Packet, ...]
    everything: bool
    rest: bool
    since: float
    ready_at: float
    next: int = 0
    attempts: int = 0


class Stopper:
    """`say` takes messages for the hub, which calls the peripheral `p`.

    `final`: the program ends, so that nothing may take long any more. `owes`: it ran when it was
    lost the last time, and most devices go on; the first Arm that can stop it does.
    """

    def __init__(
        self, wire: Wire, gate: Gate, around: Surroundings, say: Callable[[FromRelay], None]
    ) -> None:
        self.p = 0
        self.armed = Arm(0, 0)
        self.leaving = False
        self.final = False
        self.owes = False
        self._wire = wire
        self._gate = gate
        self._around = around
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._stops: deque[_Stop] = deque()
        self._again: tuple[float, tuple[Packet, ...]] | None = None
        self._stopping = False
        self._complained = False
        self._waiting: list[OnStopped] = []

    # --- what is asked of it -------------------------------------------------------------------

    def add(self, message: Stop, now: float) -> None:
        """Write this one too. The same stop that still waits to be written serves for both."""
        for waiting in self._stops:
            same = waiting.packets == message.packets and (
                (waiting.everything, waiting.rest) == (message.all, message.rest)
            )
            if same and waiting.next == 0 and len(waiting.ids) < MOST:
                waiting.ids.append(message.id)
                return
        if len(self._stops) >= MOST:
            # The radio takes none of them: the armed stop stands for all, and lets go in the end.
            self._gate.strike(now, StopCause.RADIO)
            text = f"{MOST} stops already wait for this device"
            self._say(Failed(message.id, ErrorCode.CONGESTED, text))
            return
        ready_at = now + min(message.packets[0].after_ms / 1000, STOP_DELAY_MOST_S)
        self._stops.append(
            _Stop([message.id], message.packets, message.all, message.rest, now, ready_at)
        )

    def join(self) -> list[int]:
        """The armed stop stands for every stop that waits: return whom it will answer."""
        ids = [id for stop in self._stops for id in stop.ids]
        self._stops.clear()
        return ids

    def begins(self) -> bool:
        """Whether the gate has begun STOPPING since this was asked last."""
        if self._gate.state is not State.STOPPING or self._stopping:
            return False
        self._stopping = True
        self._complained = False
        log.info("%s: stopping (%s)", self._wire.address, self._gate.cause or "asked to")
        return True

    def after(self, then: OnStopped) -> None:
        """Call `then` when no armed stop is under way, maybe at once.

        With None if the radio took it, with the error if its first attempt failed.
        """
        self._waiting.append(then)
        if self._gate.state is not State.STOPPING:
            self._tell(None)

    def arm(self, armed: Arm, now: float) -> None:
        """This is how to stop it from now on."""
        self.armed = armed
        if self.owes and armed.stop:
            self._stops.append(_Stop([], armed.stop, True, True, now, now))

    def hold(self) -> Hold:
        """The armed stop for whoever has to write it in our place."""
        armed = self.armed
        data = self._wire.written.preview(armed.stop)
        writes = tuple(
            HeldWrite(packet.h, each, packet.r, round(delay_s * 1000))
            for packet, each, delay_s in zip(armed.stop, data, _delays(armed.stop), strict=True)
        )
        gap_ms = min(armed.gap_ms, round(STOP_DELAY_MOST_S * 1000))
        return Hold(self._wire.address, writes, gap_ms, armed.fallback is Fallback.DISCONNECT)

    def overtaken(self) -> None:
        """Something newer is being written: the stop before it must not be repeated."""
        self._again = None

    def forget_hub(self) -> None:
        """The hub is gone: its stops are written all the same, and answered to nobody."""
        for stop in self._stops:
            stop.ids.clear()

    # --- the worker's part ---------------------------------------------------------------------

    def due(self) -> float | None:
        """When `step` has something to do; None: when something happens."""
        if self._gate.state is State.STOPPING:
            return self._gate.stop_due
        if self._stops:
            return self._stops[0].ready_at
        return None if self._again is None else self._again[0]

    @property
    def waits(self) -> bool:
        """Whether nothing but stops may be written now."""
        return self._gate.state is State.STOPPING or bool(self._stops)

    async def step(self) -> None:
        """Do the next thing that is due."""
        if self._gate.state is State.STOPPING:
            await self.run_armed(STOP_S)
        elif self._stops:
            await self._write_next(self._stops[0])
        elif self._again is not None:
            await self._repeat(self._again[1])

    # --- stops of the hub ----------------------------------------------------------------------

    async def _write_next(self, stop: _Stop) -> None:
        """Write the next packet of a Stop. Retried for STOP_S, then the armed stop takes over."""
        straggler = self._wire.cut_short
        if not stop.rest:
            # It is called a stop, but nobody says that anything is off after it.
            self._gate.wrote(self._loop.time(), rest=False)
        try:
            await self._wire.write_stop(stop.packets[stop.next], STOP_S)
        except RadioError as error:
            self._refused(stop, error)
            return
        if stop not in self._stops:
            return  # The armed stop has taken its place.
        now = self._loop.time()
        if straggler:
            self._again = (now + STRAGGLER_S, stop.packets)
        stop.next += 1
        stop.attempts = 0
        if stop.next < len(stop.packets):
            stop.ready_at = now + min(stop.packets[stop.next].after_ms / 1000, STOP_DELAY_MOST_S)
            return
        self._stops.popleft()
        for packet in stop.packets:
            self._wire.written.note(packet, now)
        if stop.rest:
            self._gate.wrote(now, rest=True)
        if stop.everything:
            self._wire.written.stopped(stop.packets, now)
            self.owes = False
        for id in stop.ids:
            self._say(Done(id))

    def _refused(self, stop: _Stop, error: RadioError) -> None:
        now = self._loop.time()
        self._failed(error)
        if error.code is ErrorCode.GONE or stop not in self._stops:
            return
        if now - stop.since < STOP_S:
            stop.ready_at = now + RETRY_FIRST_S * 2**stop.attempts
            stop.attempts += 1
            return
        self._stops.popleft()
        for id in stop.ids:
            self._say(Failed(id, error.code, error.text[:512]))
        self._gate.strike(now, StopCause.RADIO)

    async def _repeat(self, packets: tuple[Packet, ...]) -> None:
        self._again = None
        try:
            for packet in packets:
                await self._wire.write_stop(packet, STOP_S)
        except RadioError as error:
            self._failed(error)
            self._gate.strike(self._loop.time(), StopCause.RADIO)

    def _failed(self, error: RadioError) -> None:
        self._around.tally["failed stops"] += 1
        log.error("%s: the radio did not take a stop: %s", self._wire.address, error.text)
        if error.code is ErrorCode.GONE:
            self._wire.gone(error.text)

    # --- the armed stop ------------------------------------------------------------------------

    async def run_armed(self, limit_s: float) -> None:
        """Try once to write the armed stop, and tell everybody how that went."""
        armed, straggler = self.armed, self._wire.cut_short
        try:
            if armed.stop:
                async with asyncio.timeout(limit_s + sum(_delays(armed.stop))):
                    await self._write_armed(armed, limit_s)
            elif armed.fallback is Fallback.DISCONNECT:
                await self._wire.let_go("letting it go is its stop", limit_s, trust=False)
        except RadioError as error:
            await self._armed_failed(error)
            return
        except TimeoutError:
            text = f"the stop took longer than {limit_s:g} s"
            await self._armed_failed(RadioError(ErrorCode.TIMEOUT, text))
            return
        now, cause = self._loop.time(), self._gate.cause
        self._gate.stop_written()
        self._stopping = self.owes = False
        self._wire.written.stopped(armed.stop, now)
        self._again = (now + STRAGGLER_S, armed.stop) if straggler and armed.stop else None
        self._around.audit.note("stopped", self._wire.address, cause=cause)
        if cause is not None or self._complained:
            self._say(Stopped(self.p, cause or StopCause.RADIO, n=self._gate.stops))
        self._tell(None)

    async def _write_armed(self, armed: Arm, limit_s: float) -> None:
        """Every packet once; then those again that nobody acknowledges, for one may be lost."""
        for packet, delay_s in zip(armed.stop, _delays(armed.stop), strict=True):
            if delay_s:
                await asyncio.sleep(delay_s)
            await self._wire.write_stop(packet, limit_s)
        unanswered = [packet for packet in armed.stop if not packet.r]
        if unanswered:
            await asyncio.sleep(min(max(armed.gap_ms / 1000, SECOND_ROUND_S), STOP_DELAY_MOST_S))
        for packet in unanswered:
            await self._wire.write_stop(packet, limit_s)

    async def _armed_failed(self, error: RadioError) -> None:
        hopeless = self._gate.stop_failed(self._loop.time())
        self._failed(error)
        if not self._complained:
            self._complained = True
            cause = self._gate.cause or StopCause.RADIO
            self._around.audit.note("stop failed", self._wire.address, cause=cause)
            self._say(Stopped(self.p, cause, ok=False, text=error.text[:512], n=self._gate.stops))
            self._tell(error)
        wanted = self.armed.fallback is Fallback.DISCONNECT or self.leaving
        if hopeless and wanted and not self.final and self._wire.over is None:
            try:
                await self._wire.let_go("it could not be stopped otherwise", LET_GO_S, trust=False)
            except RadioError as worse:
                log.error("%s: not even let go: %s", self._wire.address, worse.text)

    # --- the end -------------------------------------------------------------------------------

    async def last(self, limit_s: float) -> None:
        """The program ends: run the armed stop now if there is one to run, within `limit_s`."""
        self.final = True
        ends = self._loop.time() + limit_s
        while self._gate.state is State.STOPPING and self._wire.over is None:
            now = self._loop.time()
            if now >= ends:
                break
            if self._gate.stop_due is not None and self._gate.stop_due > now:
                await asyncio.sleep(self._gate.stop_due - now)
            await self.run_armed(ends - now)

    def finish(self, reason: str) -> list[int]:
        """The peripheral is gone: tell who waits; return the ids that are still to be answered."""
        if self._stopping:
            self._stopping = False
            cause = self._gate.cause or StopCause.RADIO
            self._say(Stopped(self.p, cause, ok=False, text=reason[:512], n=self._gate.stops))
        self.owes = self.owes or self._gate.running or self._gate.state is State.STOPPING
        # Whoever asks from now on need not wait for a stop that can not be written any more.
        self._gate.stop_written()
        self._tell(RadioError(ErrorCode.GONE, reason))
        return [id for stop in self._stops for id in stop.ids]

    def _tell(self, error: RadioError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(error)


def _delays(packets: Sequence[Packet]) -> Iterator[float]:
    return (min(packet.after_ms / 1000, STOP_DELAY_MOST_S) for packet in packets)
