"""Every peripheral of this relay: connecting, connected, or held for a hub to come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from relay.config import AgentConfig
from relay.gate import Block, Gate
from relay.link.messages import (
    Advertisement,
    Connect,
    Connected,
    Disconnect,
    Done,
    ErrorCode,
    Failed,
    StopCause,
    Welcome,
)
from relay.peripheral import Peripheral, Sink
from relay.radio.base import Connection, Radio, RadioError
from relay.scanner import give_up
from relay.stopper import OnStopped
from relay.surroundings import Surroundings

log = logging.getLogger(__name__)


# Devices that were lost while they ran and have not come back; a relay meets a dozen in its life.
OWED_MOST = 256


@dataclass(slots=True, eq=False)
class _Attempt:
    """A Connect under way. `scope` lets it be given up; `lost` is why the peripheral went away."""

    p: int
    scope: asyncio.Timeout | None = None
    lost: str | None = None


class Roster:
    """Connects and keeps peripherals. They live in `group`, which is set while the agent runs.

    One hub at a time has them: `hub`, None while there is no link, with what its Welcome said.
    `heard` knows the newest advertisement of a peripheral.
    """

    def __init__(
        self, radio: Radio, config: AgentConfig, block: Block, around: Surroundings
    ) -> None:
        self.group: asyncio.TaskGroup | None = None
        self.hub: Sink | None = None
        self.welcome: Welcome | None = None
        self.heard: Callable[[str], Advertisement | None] = lambda address: None
        self._radio = radio
        self._config = config
        self._block = block
        self._around = around
        self._peripherals: dict[str, Peripheral] = {}
        self._numbers: dict[int, Peripheral] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._owed: set[str] = set()

    def __iter__(self) -> Iterator[Peripheral]:
        return iter(tuple(self._peripherals.values()))

    def held(self) -> Iterator[Advertisement]:
        """What the peripherals that wait for a hub would advertise if they were not connected."""
        for peripheral in self:
            if not peripheral.bound and not peripheral.leaving and peripheral.advertisement:
                yield peripheral.advertisement

    def find(self, p: int) -> Peripheral | None:
        """The peripheral that the hub calls `p`."""
        return self._numbers.get(p)

    # --- connecting ----------------------------------------------------------------------------

    def connect(self, hub: Sink, message: Connect) -> None:
        """Connect a peripheral, or give the hub one that was held; answers `hub`."""
        refusal = self._refusal(message)
        if refusal is not None:
            hub.put(refusal)
            return
        held = self._peripherals.get(message.address)
        if held is None:
            assert self.group is not None, "links are only served while the agent runs"
            # Noted here and not in the task, so that a second Connect finds it.
            attempt = self._attempts[message.address] = _Attempt(message.p)
            name = f"peripheral {message.address}"
            self.group.create_task(self._attend(hub, message, attempt), name=name)
            return

        def stopped(error: RadioError | None) -> None:
            if error is not None:
                hub.put(Failed(message.id, error.code, error.text[:512]))
            elif self.hub is hub and not held.bound:
                self._bind(hub, message, held, resumed=True)

        held.after_stop(stopped)

    def disconnect(self, hub: Sink, message: Disconnect) -> None:
        """Let a peripheral go, or stop connecting it; answers `hub`."""
        for attempt in self._attempts.values():
            if attempt.p == message.p:
                give_up(attempt.scope)
                hub.put(Done(message.id))
                return
        peripheral = self._numbers.get(message.p)
        if peripheral is None:
            hub.put(Failed(message.id, ErrorCode.GONE, "this device is not connected"))
        else:
            peripheral.disconnect(message)

    def _refusal(self, message: Connect) -> Failed | None:
        """Why this Connect cannot be, if so."""
        if self._block.cause is StopCause.SHUTDOWN:
            return Failed(message.id, ErrorCode.BUSY, "this relay is shutting down")
        peripheral = self._peripherals.get(message.address)
        others = {attempt.p for attempt in self._attempts.values()}
        if message.p in self._numbers or message.p in others:
            return Failed(message.id, ErrorCode.REFUSED, f"number {message.p} is taken")
        if message.address in self._attempts:
            return Failed(message.id, ErrorCode.BUSY, "already connecting to this device")
        if peripheral is not None and (peripheral.bound or peripheral.leaving):
            return Failed(message.id, ErrorCode.BUSY, "this device is connected already")
        if peripheral is not None:
            return None
        if len(self._peripherals) + len(self._attempts) >= self._config.max_peripherals:
            most = self._config.max_peripherals
            return Failed(message.id, ErrorCode.BUSY, f"this relay holds {most} devices at most")
        return None

    async def _attend(self, hub: Sink, message: Connect, attempt: _Attempt) -> None:
        """Connect a peripheral and work for it until it is gone."""
        address = message.address
        owner: list[Peripheral] = []

        def on_gone(reason: str) -> None:
            attempt.lost = reason
            for peripheral in owner:
                peripheral.on_gone(reason)

        try:
            connection = await self._reach(hub, message, attempt, on_gone)
            if connection is None:
                return
            gate = Gate(self._block, max_run_s=self._config.max_run_s)
            peripheral = Peripheral(address, connection, gate, self._around)
            peripheral.advertisement = self.heard(address)
            peripheral.owes = address in self._owed
            owner.append(peripheral)
            self._peripherals[address] = peripheral
        finally:
            del self._attempts[address]
        # From here to `run` nothing is awaited: whatever happens, `run` lets the connection go.
        if attempt.lost is not None:
            peripheral.on_gone(attempt.lost)
        if self.hub is hub:
            self._bind(hub, message, peripheral, resumed=False)
        else:
            peripheral.leave()
        log.info("%s: connected", address)
        self._around.audit.note("connected", address)
        try:
            await peripheral.run()
        except Exception:
            # A fault boundary: the worker has stopped and released its own peripheral, and the
            # others must not be let go because of it.
            log.exception("%s: the worker failed", address)
        finally:
            del self._peripherals[address]
            self._owed.discard(address)
            if peripheral.owes and len(self._owed) < OWED_MOST:
                self._owed.add(address)
            if self._numbers.get(peripheral.p) is peripheral:
                del self._numbers[peripheral.p]
            self._around.audit.note("disconnected", address)
            log.info("%s: disconnected", address)

    async def _reach(
        self, hub: Sink, message: Connect, attempt: _Attempt, on_gone: Callable[[str], None]
    ) -> Connection | None:
        """Return the connection; None if there is none, which the hub has been told."""
        try:
            async with asyncio.timeout(message.timeout_ms / 1000) as attempt.scope:
                return await self._radio.connect(message.address, on_gone)
        except TimeoutError:
            text = f"no connection within {message.timeout_ms / 1000:g} s"
            failed = Failed(message.id, ErrorCode.TIMEOUT, text)
        except RadioError as error:
            failed = Failed(message.id, error.code, error.text[:512])
        except Exception:
            # A fault boundary, as in `_attend`.
            log.exception("%s: connecting failed", message.address)
            failed = Failed(message.id, ErrorCode.RADIO, "an error in the relay, see its log")
        finally:
            attempt.scope = None
        hub.put(failed)
        return None

    def _bind(self, hub: Sink, message: Connect, peripheral: Peripheral, *, resumed: bool) -> None:
        welcome = self.welcome
        assert welcome is not None, "a hub says Welcome before anything else"
        active_s, idle_s = welcome.active_ms / 1000, welcome.idle_ms / 1000
        peripheral.bind(message.p, hub, active_s=active_s, idle_s=idle_s)
        self._numbers[message.p] = peripheral
        connection = peripheral.connection
        hub.put(Connected(message.id, connection.services, connection.mtu, resumed))

    # --- the end of a link ---------------------------------------------------------------------

    def abandon(self) -> None:
        """The hub is gone. Every stop is under way when this returns; the rest can wait."""
        self.hub = self.welcome = None
        self._numbers.clear()
        held = tuple(self)
        for peripheral in held:
            peripheral.unbind()
        for attempt in self._attempts.values():
            give_up(attempt.scope)
        if held:
            loop = asyncio.get_running_loop()
            loop.call_later(self._config.grace_s, self._release, held)

    def _release(self, held: tuple[Peripheral, ...]) -> None:
        for peripheral in held:
            if not peripheral.bound:
                log.info("%s: no hub came back for it", peripheral.address)
                peripheral.leave()

    # --- stopping ------------------------------------------------------------------------------

    def strike(self, cause: StopCause | None) -> None:
        """Run every armed stop."""
        for peripheral in self:
            peripheral.strike(cause)

    def after_stops(self, then: OnStopped) -> None:
        """Call `then` once no stop is under way: with the first error, or None if all is well."""
        peripherals = tuple(self)
        left = len(peripherals)
        first: RadioError | None = None

        def stopped(error: RadioError | None) -> None:
            nonlocal left, first
            left -= 1
            first = first or error
            if not left:
                then(first)

        for peripheral in peripherals:
            peripheral.after_stop(stopped)
        if not peripherals:
            then(None)

    async def stopped(self, limit_s: float) -> bool:
        """Wait until no stop is under way; False if the radio has not taken one of them by then."""
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def over(error: RadioError | None) -> None:
            if not outcome.done():
                outcome.set_result(error is None)

        self.after_stops(over)
        try:
            async with asyncio.timeout(limit_s):
                return await outcome
        except TimeoutError:
            return False
