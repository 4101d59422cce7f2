"""Every peripheral of this relay: connecting, connected, held for a hub to come back, or missing.

A connection that is being made belongs to whoever asked for it last, or to nobody: when a link
ends, it is offered to the next one. A peripheral that was lost while it may run is a debt: the
roster connects it again by itself, stops it, and lets it go, unless a hub has asked for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from relay.config import AgentConfig
from relay.context import RelayContext
from relay.debts.chaser import Chaser
from relay.debts.debts import Owed
from relay.debts.keeper import KeptPeripheral, RecordKeeper
from relay.debts.locks import Locks
from relay.debts.records import Records
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
from relay.peripheral.driver import OnStopped, Peripheral, Sink
from relay.peripheral.gate import Lockout
from relay.peripherals.attempt import Attempt, Claim
from relay.peripherals.bounds import OFFER_S
from relay.peripherals.stops import after_all, all_taken
from relay.radio.base import Connection, Radio, RadioError
from relay.radio.scanner import give_up

log = logging.getLogger(__name__)


class Peripherals:
    """Connects and keeps peripherals. They live in `group`, which is set while the agent runs.

    One hub at a time has them: `hub`, None while there is no link, with what its Welcome said.
    `heard` knows the newest advertisement of a peripheral; `offer` tells the hub of one that is
    kept for it, and says whether it looks for any. `debts_changed` is called when they are,
    `places_changed` when a place was taken or became free.
    """

    def __init__(
        self, radio: Radio, config: AgentConfig, block: Lockout, context: RelayContext
    ) -> None:
        self.group: asyncio.TaskGroup | None = None
        self.hub: Sink | None = None
        self.welcome: Welcome | None = None
        self.heard: Callable[[str], Advertisement | None] = lambda address: None
        self.offer: Callable[[Advertisement], bool] = lambda advertisement: False
        self.debts_changed: Callable[[], None] = lambda: None
        self.places_changed: Callable[[], None] = lambda: None
        self.keeper = RecordKeeper(Records(config.records), Locks(config.locks), _may_run)
        self._radio = radio
        self._config = config
        self._block = block
        self._context = context
        self._peripherals: dict[str, Peripheral] = {}
        self._numbers: dict[int, Peripheral] = {}
        self._attempts: dict[str, Attempt] = {}
        # Kept for a hub to come back, until its time is over; and those that no hub has had yet.
        self._graces: dict[str, asyncio.TimerHandle] = {}
        self._fresh: set[str] = set()
        self.chaser = Chaser(self.keeper, self._look, lambda: self.debts_changed())

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
        claim, address = Claim(hub, message), message.address
        held, attempt = self._peripherals.get(address), self._attempts.get(address)
        if attempt is not None:
            # It was begun for an earlier link, or for a debt: whoever asks now gets it.
            attempt.take(claim)
            if attempt.scope is not None and not attempt.scope.expired():
                loop = asyncio.get_running_loop()
                attempt.scope.reschedule(loop.time() + message.timeout_ms / 1000)
        elif held is None:
            assert self.group is not None, "links are only served while the agent runs"
            # Noted here and not in the task, so that a second Connect finds it.
            attempt = self._attempts[address] = Attempt()
            attempt.take(claim)
            work = self._attend(address, attempt, message.timeout_ms / 1000)
            self.group.create_task(work, name=f"peripheral {address}")
        else:
            self._resume(claim, held)

    def _resume(self, claim: Claim, held: Peripheral) -> None:
        def stopped(error: RadioError | None) -> None:
            # Anything may have happened while it was being stopped.
            if error is not None:
                claim.failed(error.code, error.text)
            elif held.over is not None or held.leaving:
                claim.failed(ErrorCode.GONE, held.over or "it is being let go")
            elif (refusal := self._refusal(claim.message)) is not None:
                claim.hub.put(refusal)
            elif self.hub is claim.hub:
                self._bind(claim, held)

        held.after_stop(stopped)

    def disconnect(self, hub: Sink, message: Disconnect) -> None:
        """Let a peripheral go, or stop connecting it; answers `hub`."""
        for attempt in self._attempts.values():
            if attempt.claim is not None and attempt.claim.message.peripheral == message.peripheral:
                attempt.failed(ErrorCode.GONE, "it was given up")
                give_up(attempt.scope)
                hub.put(Done(message.id))
                return
        peripheral = self._numbers.get(message.peripheral)
        if peripheral is None:
            hub.put(Failed(message.id, ErrorCode.GONE, "this device is not connected"))
        else:
            peripheral.disconnect(message)

    def _refusal(self, message: Connect) -> Failed | None:
        """Why this Connect cannot be, if so."""
        if self._block.cause is StopCause.SHUTDOWN:
            return Failed(message.id, ErrorCode.BUSY, "this relay is shutting down")
        if self._block.cause is StopCause.EMERGENCY:
            return Failed(message.id, ErrorCode.GATE, _EMERGENCY)
        peripheral = self._peripherals.get(message.address)
        attempt = self._attempts.get(message.address)
        claims = [each.claim for each in self._attempts.values() if each.claim is not None]
        if message.peripheral in self._numbers or message.peripheral in {
            each.message.peripheral for each in claims
        }:
            return Failed(message.id, ErrorCode.REFUSED, f"number {message.peripheral} is taken")
        if attempt is not None and attempt.claim is not None:
            return Failed(message.id, ErrorCode.BUSY, "already connecting to this device")
        if peripheral is not None and (peripheral.bound or peripheral.leaving):
            return Failed(message.id, ErrorCode.BUSY, "this device is connected already")
        if peripheral is not None or attempt is not None:
            return None
        if len(self._peripherals) + len(claims) >= self._config.max_peripherals:
            most = self._config.max_peripherals
            text = f"this relay holds {most} devices at most"
            return Failed(message.id, ErrorCode.BUSY, text, full=True)
        return None

    async def _attend(self, address: str, attempt: Attempt, limit_s: float) -> None:
        """Connect a peripheral and work for it until it is gone."""
        owner: list[Peripheral] = []

        def on_gone(reason: str) -> None:
            attempt.lost = reason
            for peripheral in owner:
                peripheral.on_gone(reason)

        try:
            connection = await self._reach(address, attempt, limit_s, on_gone)
            if connection is None:
                return
            if not await self._welcome_in(address, attempt, connection):
                return
            max_run_s = self._config.max_run_s
            peripheral = Peripheral(
                address, connection, self._block, self._context, max_run_s=max_run_s
            )
            peripheral.advertisement = self.heard(address) or attempt.heard
            owner.append(peripheral)
            self._peripherals[address] = peripheral
            self._fresh.add(address)
            self.places_changed()
        finally:
            del self._attempts[address]
            if not owner:
                self._unreached(address)
        # From here to `run` nothing is awaited: whatever happens, `run` lets the connection go.
        if attempt.lost is not None:
            peripheral.on_gone(attempt.lost)
        claim = attempt.claim
        if claim is not None and self.hub is claim.hub:
            self._bind(claim, peripheral)
        else:
            self._keep(peripheral, self._config.grace_s if attempt.asked else OFFER_S)
        log.info("%s: connected", address)
        self._context.audit.note("connected", address)
        try:
            await peripheral.run()
        except Exception:
            # A fault boundary: the worker has stopped and released its own peripheral, and the
            # others must not be let go because of it.
            log.exception("%s: the worker failed", address)
        finally:
            del self._peripherals[address]
            self._fresh.discard(address)
            self._end_grace(address)
            if self._numbers.get(peripheral.p) is peripheral:
                del self._numbers[peripheral.p]
            self._lost(peripheral)
            self.places_changed()
            self._context.audit.note("disconnected", address)
            log.info("%s: disconnected", address)

    async def _reach(
        self, address: str, attempt: Attempt, limit_s: float, on_gone: Callable[[str], None]
    ) -> Connection | None:
        """Return the connection; None if there is none, which whoever waits has been told."""
        try:
            async with asyncio.timeout(limit_s) as attempt.scope:
                if not await self.keeper.asked_for(address, self._name(address)):
                    if self.chaser.forget(address):
                        log.warning("%s: %s", address, _ANOTHER)
                    attempt.failed(ErrorCode.BUSY, _ANOTHER)
                    return None
                return await self._radio.connect(address, on_gone)
        except TimeoutError:
            waited_s = attempt.claim.message.timeout_ms / 1000 if attempt.claim else limit_s
            attempt.failed(ErrorCode.TIMEOUT, f"no connection within {waited_s:g} s")
        except RadioError as error:
            attempt.failed(error.code, error.text, full=error.full)
        except Exception:
            # A fault boundary, as in `_attend`.
            log.exception("%s: connecting failed", address)
            attempt.failed(ErrorCode.RADIO, "an error in the relay, see its log")
        finally:
            attempt.scope = None
        return None

    async def _welcome_in(self, address: str, attempt: Attempt, connection: Connection) -> bool:
        """Stop it if it owes that; whether it stays. Else it has been let go when this returns."""
        stays = False
        try:
            owed = self.chaser.get(address)
            if owed is not None:
                await self.chaser.pay(owed, connection)
                self._context.audit.note("stopped", address, cause="it had been left as it was")
            if self._block.cause is StopCause.EMERGENCY:
                attempt.failed(ErrorCode.GATE, _EMERGENCY)
            # What nobody waits for stays if a hub had asked for it, or is told of it and looks for
            # something; anything else advertises again when it is let go.
            kept = attempt.asked if owed is None else self._offered(owed, attempt)
            stays = attempt.claim is not None or (kept and not self._stopped)
        except RadioError as error:
            attempt.failed(error.code, f"it may be running and takes no stop: {error.text}")
        except Exception:
            # A fault boundary, as in `_attend`.
            log.exception("%s: its stop failed", address)
            attempt.failed(ErrorCode.RADIO, "an error in the relay, see its log")
        finally:
            if not stays:
                ending = self._block.cause is StopCause.SHUTDOWN
                await attempt.let_go(address, connection, ending=ending)
        return stays

    def _offered(self, owed: Owed, attempt: Attempt) -> bool:
        """Tell the hub of what was just stopped, as if it advertised; whether it may want it."""
        heard = attempt.heard = self.heard(owed.address) or owed.advertisement
        return heard is not None and self.hub is not None and self.offer(heard)

    @property
    def _stopped(self) -> bool:
        return self._block.cause in (StopCause.EMERGENCY, StopCause.SHUTDOWN)

    def _bind(self, claim: Claim, peripheral: Peripheral) -> None:
        welcome, message = self.welcome, claim.message
        assert welcome is not None, "a hub says Welcome before anything else"
        active_s, idle_s = welcome.active_ms / 1000, welcome.idle_ms / 1000
        peripheral.bind(message.peripheral, claim.hub, active_s=active_s, idle_s=idle_s)
        self._numbers[message.peripheral] = peripheral
        self._end_grace(peripheral.address)
        resumed = peripheral.address not in self._fresh
        self._fresh.discard(peripheral.address)
        connection = peripheral.connection
        claim.hub.put(Connected(message.id, connection.services, connection.mtu, resumed))

    # --- what is owed --------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep records, and look for what owes a stop, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.chaser.run(), name="debts")
            group.create_task(self.keeper.records.run(), name="records")
            group.create_task(self.keeper.watch(self), name="record watch")

    def forget(self, address: str) -> bool:
        """A person says that it is off. Returns whether it owed anything."""
        if not self.chaser.forget(address):
            return False
        self._context.audit.note("forgotten", address)
        attempt = self._attempts.get(address)
        if attempt is not None and attempt.claim is None:
            give_up(attempt.scope)
        return True

    async def _look(self, address: str, limit_s: float) -> None:
        """Connect what owes a stop, unless somebody is about that already."""
        if address not in self._attempts and address not in self._peripherals:
            attempt = self._attempts[address] = Attempt()
            await self._attend(address, attempt, limit_s)

    def _lost(self, peripheral: Peripheral) -> None:
        """It is not connected any more: does it owe a stop?"""
        record = self.keeper.record(peripheral)
        if peripheral.owes and record.stop:
            self.keeper.owes(record)
            self.chaser.lost(record, peripheral.advertisement)
        else:
            self.keeper.gone(peripheral.address)

    def _unreached(self, address: str) -> None:
        """It is not connected, and nobody works for it."""
        if self.chaser.get(address) is None:
            self.keeper.gone(address)
        else:
            self.keeper.free(address)

    def _name(self, address: str) -> str:
        heard = self.heard(address)
        return "" if heard is None else heard.name or ""

    # --- the end of a link ---------------------------------------------------------------------

    def abandon(self) -> None:
        """The hub is gone. Every stop is under way when this returns; the rest can wait."""
        self.hub = self.welcome = None
        self._numbers.clear()
        for peripheral in self:
            peripheral.unbind()
        for peripheral in self:
            self._keep(peripheral, self._config.grace_s)
        for attempt in self._attempts.values():
            attempt.claim = None

    def _keep(self, peripheral: Peripheral, seconds: float) -> None:
        """Keep it for a hub that may want it, for so long from now on."""
        self._end_grace(peripheral.address)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self._release, peripheral)
        self._graces[peripheral.address] = timer

    def _end_grace(self, address: str) -> None:
        timer = self._graces.pop(address, None)
        if timer is not None:
            timer.cancel()

    def _release(self, peripheral: Peripheral) -> None:
        del self._graces[peripheral.address]
        log.info("%s: no hub came back for it", peripheral.address)
        peripheral.leave()

    # --- stopping ------------------------------------------------------------------------------

    def trigger_stop(self, cause: StopCause | None) -> None:
        """Run every armed stop."""
        for peripheral in self:
            peripheral.trigger_stop(cause)

    def after_stops(self, then: OnStopped) -> None:
        """Call `then` once no stop is under way: with the first error, or None if all is well."""
        after_all(tuple(self), then)

    async def stopped(self, limit_s: float) -> bool:
        """Wait until no stop is under way; False if the radio has not taken one of them by then."""
        return await all_taken(tuple(self), limit_s)


def _may_run(peripheral: KeptPeripheral) -> bool:
    assert isinstance(peripheral, Peripheral)
    return peripheral.owes or peripheral.may_run


_EMERGENCY = "the wearer has pressed stop at this relay: only they can resume"
_ANOTHER = "another relay of this machine has this device"
