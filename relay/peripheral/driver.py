"""Performs what the machine of one peripheral decides: the only part that knows asyncio.

Requests come in by plain calls that decide at once and never wait. One radio operation at a time
is carried out: a write that needs no waiting in the very call that asked for it, everything else by
one worker (`run`). Actions are performed in their order, also those of a call that comes from
inside another one, and those behind one that fails. Whatever ends the worker (the peripheral
leaves, cancellation, a bug), the armed stop is written before the peripheral is let go.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from relay.context import RelayContext
from relay.link.messages import (
    Advertisement,
    Arm,
    Disconnect,
    FromRelay,
    Notification,
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
from relay.peripheral.gate import Gate, Lockout
from relay.peripheral.limits import LAST_LET_GO_S, SECOND_ROUND_MOST_S
from relay.peripheral.machine import Machine
from relay.radio.base import Connection, RadioError, WritesAtOnce
from relay.supervision.holds import HeldWrite, StopOrder

log = logging.getLogger(__name__)

_NEVER = float("inf")

OnStopped = Callable[[RadioError | None], None]


class Sink(Protocol):
    """Where messages for the hub go. Never waits."""

    def put(self, message: FromRelay) -> None: ...


class Peripheral:
    """Made within a running event loop, with a fresh `connection`, which it owns from then on.

    `bind` says which hub it belongs to at the moment; without one it only stops. `owes`: it ran
    when it was lost the last time; once it is gone, whether it may run now.
    """

    def __init__(
        self,
        address: str,
        connection: Connection,
        block: Lockout,
        context: RelayContext,
        *,
        max_run_s: float = 0,
        owes: bool = False,
    ) -> None:
        self.address = address
        self.advertisement: Advertisement | None = None
        self.connection = connection
        self.owes = owes
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._machine = Machine(
            block,
            self._loop.time(),
            max_run_s=max_run_s,
            owes=owes,
            demands_traffic=context.demands_traffic,
            tally=context.tally,
        )
        self._sink: Sink | None = None
        self._wake = asyncio.Event()
        # With uvloop a timer that is due already is a plain handle, which does not know its time.
        self._timer: asyncio.Handle | None = None
        self._timer_at = _NEVER
        self._actions, self._doing = deque[MachineAction](), False
        self._wanted: Operate | None = None
        self._dropped = False
        self._free = False  # whether there is a worker, and it does nothing
        self._write_now = connection.write_now if isinstance(connection, WritesAtOnce) else None
        # What ends the worker: a bug below a write that was made in somebody else's call.
        self._fault: Exception | None = None
        self._scope: asyncio.Timeout | None = None
        self._hurry_by = _NEVER
        # What a crash would need to know has changed: it is written down before the next value.
        self._unrecorded = False

    def __repr__(self) -> str:
        return f"<Peripheral {self.address} {self.gate.state.value}>"

    @property
    def name(self) -> str:
        """What it calls itself; empty if it does not say."""
        return (self.advertisement.name or "") if self.advertisement is not None else ""

    @property
    def gate(self) -> Gate:
        return self._machine.gate

    @property
    def p(self) -> int:
        return self._machine.p

    @property
    def bound(self) -> bool:
        return self._sink is not None

    @property
    def leaving(self) -> bool:
        return self._machine.leaving

    @property
    def over(self) -> str | None:
        """Why it is gone; None while it is there."""
        return self._machine.over

    @property
    def may_run(self) -> bool:
        """Whether something was handed over since the radio last took the whole armed stop."""
        return self._machine.may_run

    def hold(self) -> StopOrder:
        """How to stop it without us, as things are now."""
        armed = self._machine.armed
        writes = tuple(
            HeldWrite(packet.handle, data, packet.response, packet.after_ms)
            for packet, data in zip(armed.stop or (), self._machine.preview(), strict=True)
        )
        gap_ms = min(armed.gap_ms, round(SECOND_ROUND_MOST_S * 1000))
        return StopOrder(self.address, writes, gap_ms, armed.stop != ())

    # --- who it belongs to ---------------------------------------------------------------------

    def bind(self, p: int, sink: Sink, *, active_s: float, idle_s: float) -> None:
        """It belongs to this link from now on, under the number `p`."""
        self._sink = sink
        self._do(self._machine.bind(self._loop.time(), p, active_s, idle_s))

    def unbind(self) -> None:
        """The link is gone: stop, and forget what its hub still wanted."""
        self._sink = None
        self._do(self._machine.unbind(self._loop.time()))

    def on_gone(self, reason: str) -> None:
        """The radio says that the peripheral went away."""
        self._do(self._machine.gone(self._loop.time(), reason))

    # --- what the hub wants --------------------------------------------------------------------

    def arm(self, message: Arm) -> None:
        self._do(self._machine.arm(self._loop.time(), message))

    def lease(self, ms: float) -> None:
        """Outputs may go on for so long from now."""
        now = self._loop.time()
        self._do(self._machine.lease(now, now + ms / 1000))

    def output(self, message: Output) -> None:
        self._do(self._machine.output(self._loop.time(), message))

    def request(self, message: Write | Read | Subscribe | Unsubscribe) -> None:
        self._do(self._machine.request(self._loop.time(), message))

    def stop(self, message: Stop) -> None:
        self._do(self._machine.stop(self._loop.time(), message))

    def disconnect(self, message: Disconnect) -> None:
        """Stop it, then let it go."""
        self._do(self._machine.disconnect(self._loop.time(), message))

    # --- what the relay wants ------------------------------------------------------------------

    def leave(self) -> None:
        """Nobody wants it any more: stop it, then let it go."""
        self._do(self._machine.leave(self._loop.time()))

    def trigger_stop(self, cause: StopCause | None) -> None:
        """Run the armed stop because of `cause` (None: the hub asked for it)."""
        self._do(self._machine.trigger_stop(self._loop.time(), cause))

    def after_stop(self, then: OnStopped) -> None:
        """Call `then` when no armed stop is under way, maybe at once.

        With None if it was stopped, with the error if the radio would not take the stop.
        """
        self._do(self._machine.await_stop(self._loop.time(), then))

    # --- performing ----------------------------------------------------------------------------

    def _do(self, actions: list[MachineAction]) -> None:
        self._actions += actions
        if self._doing:
            return  # whoever is about it goes on with these
        self._doing, bug = True, None
        try:
            while True:
                while self._actions:
                    action = self._actions.popleft()
                    try:
                        if type(action) is Say:
                            if self._sink is not None:
                                self._sink.put(action.message)
                        elif type(action) is Operate:
                            self._wanted = action
                            self._hurry_by = _NEVER
                        else:
                            self._act(action)
                    except Exception as error:  # noqa: BLE001  # what comes next may be a stop
                        bug = bug or error
                result = None if self._wanted is None else self._done_at_once(self._wanted)
                if result is not None:
                    self._actions += self._machine.finished(self._loop.time(), result)
                elif not self._actions:  # nor has a write asked for any, from inside
                    break
        finally:
            self._doing = False
            self._set_timer()
        if bug is not None:
            raise bug

    def _act(self, action: MachineAction) -> None:
        match action:
            case ShortenDeadline(by, drop):
                self._dropped = drop and self._wanted is not None
                self._shorten_deadline(by)
            case KeepRecord(may_run, armed):
                self._unrecorded |= may_run or armed
                if armed:
                    self._context.armed()
            case Note():
                self._note(action)
            case StopOutcome(token, code, text):
                assert callable(token)
                token(None if code is None else RadioError(code, text))
            case Over(_, owes):
                self.owes = owes
                self._shorten_deadline(self._loop.time())
                self._wake.set()

    def _done_at_once(self, wanted: Operate) -> Result | None:
        """What came of the operation that is wanted, if it is over; else the worker does it."""
        self._wanted = None
        if self._dropped:
            self._dropped = False
            return Dropped()
        if (
            self._write_now is not None
            and self._free
            and wanted.what is What.WRITE
            and (wanted.stops or not self._unrecorded or self._context.recorded is None)
        ):
            try:
                if self._write_now(wanted.h, wanted.d, wanted.r):
                    return Taken()
            except RadioError as error:
                return RadioRefused(error.code, error.text)
            except Exception as error:  # noqa: BLE001  # the worker raises it, and writes the stop
                self._fault, self._write_now = error, None
        self._wanted = wanted
        self._wake.set()
        return None

    def _shorten_deadline(self, by: float) -> None:
        self._hurry_by = min(by, self._hurry_by)
        if (scope := self._scope) is not None and not scope.expired():
            limit = scope.when()
            assert limit is not None
            scope.reschedule(min(by, limit))

    def _set_timer(self) -> None:
        deadline = self._machine.deadline
        if (timer := self._timer) is not None:
            # One that is early asks for the time once more; that is cheaper than one per packet.
            if self._timer_at <= deadline:
                return
            timer.cancel()
        if deadline < _NEVER:
            self._timer, self._timer_at = self._loop.call_at(deadline, self._tick), deadline

    def _tick(self) -> None:
        self._timer = None
        self._do(self._machine.tick(self._loop.time()))

    def _note(self, note: Note) -> None:
        self._context.audit.note(note.event, self.address, cause=note.cause)
        if note.text:
            log.error("%s: the radio did not take a stop: %s", self.address, note.text)
        else:
            log.info("%s: stopped (%s)", self.address, note.cause or "asked to")

    # --- the worker ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until the peripheral is gone. Cancelling it stops the peripheral and lets it go."""
        try:
            await self._work()
        finally:
            try:
                if self._machine.over is None:
                    await self._end()
            finally:
                self._free = False
                self._do(self._machine.gone(self._loop.time(), "the relay ended"))
                if self._timer is not None:
                    self._timer.cancel()
                self._sink = None

    async def _work(self) -> None:
        self._free = True
        while self._machine.over is None:
            if self._fault is not None:
                fault, self._fault = self._fault, None
                raise fault
            if self._wanted is None:
                self._wake.clear()
                await self._wake.wait()
            else:
                await self._perform()

    async def _perform(self) -> None:
        wanted, self._wanted = self._wanted, None
        assert wanted is not None
        self._free = False
        result: Result
        try:
            ends_at = min(self._loop.time() + wanted.limit_s, self._hurry_by)
            async with asyncio.timeout_at(ends_at) as self._scope:
                result = Taken(await self._operate(wanted))
        except TimeoutError:
            result = Cut()
        except RadioError as error:
            result = RadioRefused(error.code, error.text)
        finally:
            self._scope = None
            self._free = True
        self._do(self._machine.finished(self._loop.time(), result))

    async def _operate(self, wanted: Operate) -> bytes:
        connection, handle = self.connection, wanted.h
        match wanted.what:
            case What.WRITE:
                if self._unrecorded and not wanted.stops:
                    self._unrecorded = False
                    if self._context.recorded is not None:
                        await self._context.recorded()
                await connection.write(handle, wanted.d, wanted.r)
            case What.READ:
                return await connection.read(handle)
            case What.SUBSCRIBE:

                def notified(data: bytes) -> None:
                    if self._sink is not None:
                        self._sink.put(Notification(self._machine.p, handle, data))

                await connection.subscribe(handle, notified)
            case What.UNSUBSCRIBE:
                await connection.unsubscribe(handle)
            case What.DISCONNECT:
                await connection.disconnect()
        return b""

    async def _end(self) -> None:
        """The worker is ending although the peripheral is there: stop it, then let it go."""
        self._wanted = None
        self._do(self._machine.end(self._loop.time()))
        try:
            await self._work()
        finally:
            if self._machine.over is None:
                # Ended a second time, or by a bug: this is all that is left to do for it.
                async with asyncio.timeout(LAST_LET_GO_S):
                    await self.connection.disconnect()
