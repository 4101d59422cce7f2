"""The agent: one radio, its peripherals, and at most one hub at a time.

Peripherals live in the task group of `run` and outlive the links of `serve_link`: when a link
ends, every armed stop is run, and the peripherals stay connected for a grace time. Nothing here is
global and no signal is handled, so that a hub can have an agent in its own process.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from msgspec.structs import replace

from relay.audit import Audit
from relay.config import AgentConfig
from relay.gate import Block, Gate
from relay.line import Line
from relay.link.channel import Channel
from relay.link.messages import (
    VERSION,
    Advertisement,
    Advertisements,
    Arm,
    Beat,
    Bye,
    Connect,
    Connected,
    Disconnect,
    Done,
    Driven,
    ErrorCode,
    Failed,
    FromHub,
    Held,
    Hello,
    Interests,
    Output,
    RadioInfo,
    RadioState,
    Read,
    Scan,
    Stats,
    Status,
    Stop,
    StopAll,
    StopCause,
    Subscribe,
    Unsubscribe,
    Wearer,
    Welcome,
    Write,
)
from relay.peripheral import Peripheral, Surroundings
from relay.radio.base import Connection, Radio, RadioError
from relay.sightings import Sightings
from relay.wearer import WearersWill

log = logging.getLogger(__name__)

# How often (s) the radio's state is looked at: the seam has no event for it, people watch it.
LOOK_S = 1.0
# How often (s) counters are told to the hub.
STATS_S = 10.0
# Pause (s) before scanning is tried again, doubled up to the second value: an adapter that is
# switched off or busy comes back within seconds, or not soon.
SCAN_RETRY_S = 1.0
SCAN_RETRY_MOST_S = 15.0
# At the end every armed stop has this long (s) before the workers are cancelled, which stop once
# more on their own; see peripheral.LAST_STOP_S.
CLOSE_STOP_S = 0.3
CLOSE_LINK_S = 0.15
CLOSE_RADIO_S = 0.2


@dataclass(frozen=True, slots=True)
class PeripheralStatus:
    """`bound`: a hub has it; else it is held, stopped. `driven`: what the hub says about it."""

    address: str
    gate: str
    running: bool
    bound: bool
    driven: Driven | None


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What a person at the relay sees. `hub`: None without a link."""

    name: str
    hub: str | None
    radio: RadioInfo
    scanning: bool
    paused: bool
    stopped: bool
    peripherals: tuple[PeripheralStatus, ...]
    counters: dict[str, int]


@dataclass(slots=True, eq=False)
class _Attempt:
    """A Connect under way. `scope` lets it be given up; `lost` is why the peripheral went away."""

    p: int
    scope: asyncio.Timeout | None = None
    lost: str | None = None


class AgentBusy(RuntimeError):
    """This agent already serves a link."""


class Agent:
    """`run` it, and give it links with `serve_link`, one after the other. It owns `radio`."""

    def __init__(self, radio: Radio, config: AgentConfig) -> None:
        self.config = config
        self.will = WearersWill(config.state)
        self._radio = radio
        self._around = Surroundings(Audit(config.audit), demands_traffic=config.demands_traffic)
        self._block = Block(self.will.cause)
        self._line: Line | None = None
        self._welcome = Welcome(VERSION, "")
        self._peripherals: dict[str, Peripheral] = {}
        self._numbers: dict[int, Peripheral] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._driven: dict[int, Driven] = {}
        self._sightings = Sightings()
        self._flush: asyncio.TimerHandle | None = None
        self._scan_wanted = asyncio.Event()
        self._scan_scope: asyncio.Timeout | None = None
        self._scan_trouble = ""
        self._told_radio: RadioInfo | None = None
        self._group: asyncio.TaskGroup | None = None
        self._started = asyncio.Event()
        self._closing = asyncio.Event()
        self._unlinked = asyncio.Event()

    # --- for whoever runs it -------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `close` or cancellation; then stop and release every peripheral (≤ 2 s)."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._scan(), name="scan")
                group.create_task(self._look_after(), name="radio state")
                self._started.set()
                try:
                    await self._closing.wait()
                finally:
                    self._block.cause = StopCause.SHUTDOWN
                    self._strike_all(StopCause.SHUTDOWN)
                    if not await self.stopped(CLOSE_STOP_S):
                        log.error("a device has not taken its stop yet, trying on")
                    await self._say_bye()
                raise _Closed
        except* _Closed:
            pass
        finally:
            self._group = None
            self._started.clear()
            await self._close_radio()

    def close(self) -> None:
        """Ask `run` to stop everything and return."""
        self._closing.set()

    async def serve_link(self, channel: Channel) -> None:
        """Serve the hub at the other end of `channel` until the link ends; closes the channel.

        Returns after an orderly end, raises LinkError otherwise (see Line.run), and AgentBusy
        while another link is being served. Either way everything has been told to stop by then.
        """
        await self._started.wait()
        if self._line is not None:
            raise AgentBusy("one hub at a time")
        line = self._line = Line(channel, self, self._around.tally)
        self._unlinked.clear()
        try:
            await line.run(self._hello())
        finally:
            self._line_lost()

    # --- for the wearer ------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop everything and let nothing run until `resume`. Also after a restart."""
        self._block.cause = self._block.cause or StopCause.PAUSE
        self._strike_all(StopCause.PAUSE)
        self.will.pause()
        self._will_changed("paused")

    def emergency_stop(self) -> None:
        """As `pause`, in earnest: the hub shows it, and only the person here can resume."""
        if self._block.cause is not StopCause.SHUTDOWN:
            self._block.cause = StopCause.EMERGENCY
        self._strike_all(StopCause.EMERGENCY)
        self.will.stop()
        self._will_changed("emergency stop")

    def resume(self) -> None:
        """Let things run again; nothing starts by itself."""
        self.will.resume()
        if self._block.cause is not StopCause.SHUTDOWN:
            self._block.cause = None
        self._will_changed("resumed")

    def status(self) -> AgentStatus:
        return AgentStatus(
            name=self.config.name,
            hub=None if self._line is None else self._welcome.hub or self._line.peer,
            radio=self._radio_info(),
            scanning=self._scan_scope is not None,
            paused=self.will.paused,
            stopped=self.will.stopped,
            peripherals=tuple(
                PeripheralStatus(
                    address,
                    each.gate.state.value,
                    each.gate.running,
                    each.bound,
                    self._driven.get(each.p) if each.bound else None,
                )
                for address, each in self._peripherals.items()
            ),
            counters=dict(self._around.tally),
        )

    # --- the link ------------------------------------------------------------------------------

    def opened(self, line: Line, welcome: Welcome) -> None:
        self._welcome = welcome
        log.info("linked to %s", welcome.hub)
        self._around.audit.note("linked", hub=welcome.hub)
        line.put(self._wearer())

    def heard(self, line: Line, message: FromHub) -> None:
        match message:
            case Output():
                if peripheral := self._find(line, message):
                    peripheral.output(message)
            case Stop():
                if peripheral := self._find(line, message):
                    peripheral.stop(message)
            case Beat():
                for p, ms in message.leases.items():
                    if p in self._numbers:
                        self._numbers[p].lease(ms)
            case Write() | Read() | Subscribe() | Unsubscribe():
                if peripheral := self._find(line, message):
                    peripheral.request(message)
            case Arm():
                if peripheral := self._find(line, message):
                    peripheral.arm(message)
            case Connect():
                self._connect(line, message)
            case Disconnect():
                self._disconnect(line, message)
            case StopAll():
                self._stop_all(line, message)
            case Scan():
                self._want_scan(message.on)
            case Status():
                self._driven = {item.p: item for item in message.items}
            case Interests() | Welcome() | Bye():
                pass  # Interests are for relays with a chooser; the others belong to the line.

    def _hello(self) -> Hello:
        self._told_radio = self._radio_info()
        return Hello(
            VERSION,
            self.config.name,
            software=f"relay {_version()}",
            platform=sys.platform,
            capabilities=("scan", "status"),
            radio=self._told_radio,
            held=tuple(Held(address) for address in self._peripherals),
            max_peripherals=self.config.max_peripherals,
        )

    def _line_lost(self) -> None:
        """Synchronous: when a link ends, every stop is under way before anything else happens."""
        self._line = None
        self._unlinked.set()
        self._numbers.clear()
        self._driven.clear()
        for peripheral in self._peripherals.values():
            peripheral.unbind()
        for attempt in self._attempts.values():
            _give_up(attempt.scope)
        self._want_scan(False)
        if self._peripherals:
            loop = asyncio.get_running_loop()
            held = tuple(self._peripherals.values())
            loop.call_later(self.config.grace_s, self._release, held)

    def _release(self, held: tuple[Peripheral, ...]) -> None:
        for peripheral in held:
            if not peripheral.bound:
                log.info("%s: no hub came back for it", peripheral.address)
                peripheral.leave()

    def _find(self, line: Line, message: _Addressed) -> Peripheral | None:
        peripheral = self._numbers.get(message.p)
        if peripheral is None:
            line.put(Failed(message.id, ErrorCode.GONE, "this device is not connected"))
        return peripheral

    # --- connecting ----------------------------------------------------------------------------

    def _connect(self, line: Line, message: Connect) -> None:
        refusal = self._refusal(message)
        if refusal is not None:
            line.put(refusal)
            return
        peripheral = self._peripherals.get(message.address)
        if peripheral is None:
            assert self._group is not None, "links are only served while the agent runs"
            # Registered here and not in the task, so that a second Connect finds it.
            attempt = _Attempt(message.p)
            self._attempts[message.address] = attempt
            name = f"peripheral {message.address}"
            self._group.create_task(self._attend(line, message, attempt), name=name)
            return
        held = peripheral

        def stopped(error: RadioError | None) -> None:
            if error is not None:
                line.put(Failed(message.id, error.code, error.text))
            elif self._line is line and not held.bound:
                self._bind(line, message, held, resumed=True)

        held.after_stop(stopped)

    def _refusal(self, message: Connect) -> Failed | None:
        """Why this Connect cannot be, if so."""
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
        if len(self._peripherals) + len(self._attempts) >= self.config.max_peripherals:
            most = self.config.max_peripherals
            return Failed(message.id, ErrorCode.BUSY, f"this relay holds {most} devices at most")
        return None

    async def _attend(self, line: Line, message: Connect, attempt: _Attempt) -> None:
        """Connect a peripheral and work for it until it is gone."""
        address = message.address
        owner: list[Peripheral] = []

        def on_gone(reason: str) -> None:
            attempt.lost = reason
            for peripheral in owner:
                peripheral.on_gone(reason)

        try:
            connection = await self._reach(line, message, attempt, on_gone)
            if connection is None:
                return
            gate = Gate(self._block, max_run_s=self.config.max_run_s)
            peripheral = Peripheral(address, connection, gate, self._around)
            owner.append(peripheral)
            self._peripherals[address] = peripheral
            if attempt.lost is not None:
                peripheral.on_gone(attempt.lost)
            if self._line is line:
                self._bind(line, message, peripheral, resumed=False)
            else:
                peripheral.leave()
        finally:
            self._attempts.pop(address, None)
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
            if self._numbers.get(peripheral.p) is peripheral:
                del self._numbers[peripheral.p]
            self._around.audit.note("disconnected", address)
            log.info("%s: disconnected", address)

    async def _reach(
        self, line: Line, message: Connect, attempt: _Attempt, on_gone: Callable[[str], None]
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
        line.put(failed)
        return None

    def _bind(self, line: Line, message: Connect, peripheral: Peripheral, *, resumed: bool) -> None:
        welcome = self._welcome
        active_s, idle_s = welcome.active_ms / 1000, welcome.idle_ms / 1000
        peripheral.bind(message.p, line, active_s=active_s, idle_s=idle_s)
        self._numbers[message.p] = peripheral
        connection = peripheral.connection
        line.put(Connected(message.id, connection.services, connection.mtu, resumed))

    def _disconnect(self, line: Line, message: Disconnect) -> None:
        for attempt in self._attempts.values():
            if attempt.p == message.p:
                _give_up(attempt.scope)
                line.put(Done(message.id))
                return
        if peripheral := self._find(line, message):
            peripheral.disconnect(message)

    # --- stopping ------------------------------------------------------------------------------

    def _strike_all(self, cause: StopCause) -> None:
        for peripheral in self._peripherals.values():
            peripheral.strike(cause)

    def _stop_all(self, line: Line, message: StopAll) -> None:
        """Answered when every peripheral was stopped; with the first failure if there is one."""
        left = len(self._peripherals)
        failed: list[RadioError] = []

        def stopped(error: RadioError | None) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                failed.append(error)
            if left == 0 and failed:
                line.put(Failed(message.id, failed[0].code, failed[0].text[:512]))
            elif left == 0:
                line.put(Done(message.id))

        if not left:
            line.put(Done(message.id))
        for peripheral in tuple(self._peripherals.values()):
            peripheral.strike(None, stopped)

    async def stopped(self, limit_s: float) -> bool:
        """Wait until no stop is under way; False if the radio has not taken one of them by then."""
        left = len(self._peripherals)
        failed = False
        over = asyncio.Event()

        def stopped(error: RadioError | None) -> None:
            nonlocal left, failed
            left -= 1
            failed = failed or error is not None
            if not left:
                over.set()

        for peripheral in tuple(self._peripherals.values()):
            peripheral.after_stop(stopped)
        if not left:
            return not failed
        try:
            async with asyncio.timeout(limit_s):
                await over.wait()
        except TimeoutError:
            return False
        return not failed

    async def _say_bye(self) -> None:
        if self._line is None:
            return
        self._line.put(Bye("the relay was shut down"))
        try:
            async with asyncio.timeout(CLOSE_LINK_S):
                await self._unlinked.wait()
        except TimeoutError:
            log.info("the hub does not take our farewell")

    async def _close_radio(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_RADIO_S):
                await self._radio.close()
        except (TimeoutError, RadioError) as error:
            log.warning("the radio could not be given back in order: %s", error)

    # --- the wearer ----------------------------------------------------------------------------

    def _will_changed(self, event: str) -> None:
        log.warning("%s by the person at this relay", event)
        self._around.audit.note(event)
        if self._line is not None:
            self._line.put(self._wearer())

    def _wearer(self) -> Wearer:
        return Wearer(
            self.will.paused, self.will.stopped, self.config.ceilings, self.config.max_run_s
        )

    # --- the radio -----------------------------------------------------------------------------

    def _want_scan(self, on: bool) -> None:
        if on:
            self._sightings.clear()
            self._scan_wanted.set()
            return
        self._scan_wanted.clear()
        _give_up(self._scan_scope)

    async def _scan(self) -> None:
        pause = SCAN_RETRY_S
        while True:
            await self._scan_wanted.wait()
            trouble = "the scan ended by itself"
            try:
                async with asyncio.timeout(None) as self._scan_scope:
                    await self._radio.scan(self._sighted)
            except TimeoutError:
                trouble = ""
            except RadioError as error:
                trouble = error.text
            finally:
                self._scan_scope = None
            if trouble != self._scan_trouble:
                self._scan_trouble = trouble
                self._tell_radio()
            if not trouble:
                pause = SCAN_RETRY_S
                continue
            log.warning("scanning failed, trying again in %g s: %s", pause, trouble)
            await asyncio.sleep(pause)
            pause = min(pause * 2, SCAN_RETRY_MOST_S)

    def _sighted(self, advertisement: Advertisement) -> None:
        loop = asyncio.get_running_loop()
        self._scan_trouble = ""
        self._sightings.add(advertisement, loop.time())
        due = self._sightings.due
        if due is not None and self._flush is None:
            self._flush = loop.call_at(due, self._tell_sightings)

    def _tell_sightings(self) -> None:
        self._flush = None
        loop = asyncio.get_running_loop()
        batch = self._sightings.take(loop.time())
        if batch and self._line is not None:
            self._line.put(Advertisements(batch))
        if self._sightings.due is not None:
            self._flush = loop.call_at(self._sightings.due, self._tell_sightings)

    def _radio_info(self) -> RadioInfo:
        info = self._radio.info
        return replace(info, text=self._scan_trouble[:512]) if self._scan_trouble else info

    def _tell_radio(self) -> None:
        info = self._radio_info()
        if self._line is not None and info != self._told_radio:
            self._told_radio = info
            self._line.put(RadioState(info))

    async def _look_after(self) -> None:
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while True:
            await asyncio.sleep(LOOK_S)
            self._tell_radio()
            if self._line is not None and loop.time() - told_at >= STATS_S:
                told_at = loop.time()
                self._line.put(Stats(dict(self._around.tally)))


_Addressed = Output | Stop | Write | Read | Subscribe | Unsubscribe | Arm | Disconnect


class _Closed(Exception):
    """`close` was called."""


def _give_up(scope: asyncio.Timeout | None) -> None:
    """End what runs in `scope` as if its time were up; nothing before it starts or once it ends."""
    if scope is not None and not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())


def _version() -> str:
    try:
        return metadata.version("buttplug-forwarder")
    except metadata.PackageNotFoundError:
        return "unknown"
