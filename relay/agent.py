"""The agent: one radio, its peripherals, and at most one hub at a time.

Peripherals live in the task group of `run` and outlive the links of `serve_link`: when a link
ends, every armed stop is run, and the peripherals stay connected for a grace time. Nothing here is
global and no signal is handled, so that a hub can have an agent in its own process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from relay.config import AgentConfig
from relay.context import RelayContext
from relay.hub_link.driver import LinkDriver
from relay.hub_link.greeting import greeting
from relay.link.channel import Channel
from relay.link.messages import (
    Arm,
    Beat,
    Bye,
    Connect,
    Debts,
    Disconnect,
    Done,
    ErrorCode,
    Failed,
    Forget,
    FromHub,
    FromRelay,
    GuestList,
    Held,
    Hello,
    Interests,
    Output,
    Places,
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
from relay.peripheral.driver import Peripheral
from relay.peripheral.gate import Lockout
from relay.peripheral.limits import ACTIVE_S
from relay.peripherals.table import Peripherals
from relay.radio.base import Radio, RadioError, TellsWhatToysDo, toys_run_on, watch
from relay.radio.scanner import Scanner
from relay.supervision.supervisor import Supervisor, outlives_its_relay, unsupervised
from relay.wearer.audit import Audit
from relay.wearer.shown import WearersView
from relay.wearer.state import WearerState
from relay.wearer.status import AgentStatus, PeripheralStatus

log = logging.getLogger(__name__)

# How often (s) counters are told to the hub.
STATS_S = 10.0
# At the end every armed stop has this long (s) before the workers are cancelled, which stop once
# more on their own (peripheral.LAST_STOP_S), and so on: all within the two seconds of a signal.
CLOSE_STOP_S = 0.3
CLOSE_LINK_S = 0.15
CLOSE_RADIO_S = 0.2


class AgentBusy(RuntimeError):
    """This agent already serves a link."""


class Agent:
    """`run` it, and give it links with `serve_link`, one after the other. It owns `radio`."""

    def __init__(self, radio: Radio, config: AgentConfig) -> None:
        self.config = config
        self.will = WearerState(config.state)
        self._radio = radio
        self._context = RelayContext(Audit(config.audit), demands_traffic=config.demands_traffic)
        self._block = Lockout(self.will.cause)
        self._table = Peripherals(radio, config, self._block, self._context)
        sighted = self._table.chaser.sighted
        self._scanner = Scanner(radio, self._tell, self._table.held, sighted)
        self._table.heard, self._table.offer = self._scanner.last, self._scanner.offer
        self._table.debts_changed = self._tell_debts
        self._table.places_changed = self._scanner.look
        self._supervisor = (
            Supervisor(
                self._table,
                lambda: self._table.trigger_stop(StopCause.STALL),
                self._table.keeper.records.path,
            )
            if outlives_its_relay(radio)
            else None
        )
        if warning := unsupervised(radio):
            log.warning("%s", warning)
        self._context.armed = self._armed
        self._context.recorded = self._table.keeper.recorded
        # Where the hub is to be found: whoever dials it keeps that.
        self.on_places: Callable[[Places], None] = lambda places: None
        self._line: LinkDriver | None = None
        self.shown = WearersView(self._tell)
        self._started = asyncio.Event()
        self._closing = asyncio.Event()
        self._unlinked = asyncio.Event()

    # --- for whoever runs it -------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `close` or cancellation; then stop and release every peripheral (≤ 2 s)."""
        if self._supervisor is None:
            await self._work()
            return
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(self._supervisor.run(), name="supervisor")
            await self._work()
            supervising.cancel()

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._table.group = group
                if self._block.cause is StopCause.SHUTDOWN and not self.closing:
                    self._block.cause = self.will.cause  # it failed, and runs again
                group.create_task(self._table.run(), name="roster")
                group.create_task(watch(self._radio), name="radio")
                group.create_task(self._scanner.run(), name="scan")
                group.create_task(self._scanner.watch(), name="radio state")
                group.create_task(self._count(), name="counters")
                self._started.set()
                try:
                    await self._closing.wait()
                finally:
                    await self._stop_for_good()
                raise _Closed
        except* _Closed:
            pass
        finally:
            self._started.clear()
            self._table.group = None
            try:
                await self._close_radio()
            finally:
                self._table.keeper.close()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Ask `run` to stop everything and return."""
        self._closing.set()

    async def serve_link(self, channel: Channel) -> None:
        """Serve the hub at the other end of `channel` until the link ends; closes the channel.

        Returns after an orderly end, raises LinkError otherwise (see Line.run), and AgentBusy
        while another link is being served. Either way everything has been told to stop by then.
        """
        await self._started.wait()
        if self._supervisor is not None:
            await self._supervisor.tried()
        if self._line is not None:
            raise AgentBusy("one hub at a time")
        line = self._line = LinkDriver(channel, self, self._context.tally)
        self._unlinked.clear()
        try:
            await line.run(self._hello())
        finally:
            # First of all, and without waiting for anything: the stops are under way.
            self._table.abandon()
            self._scanner.want(False)
            self.shown.clear()
            self._line = None
            self._unlinked.set()

    async def stopped(self, limit_s: float) -> bool:
        """Wait until no stop is under way; False if the radio has not taken one of them by then."""
        return await self._table.stopped(limit_s)

    async def settle(self) -> None:
        """Wait until nothing owes a stop, what an earlier relay left behind included."""
        await self._table.chaser.idle()

    def status(self) -> AgentStatus:
        line, welcome = self._line, self._table.welcome
        return AgentStatus(
            name=self.config.name,
            hub=None if line is None else line.peer if welcome is None else welcome.hub,
            radio=self._scanner.info,
            scanning=self._scanner.scanning,
            paused=self.will.paused,
            stopped=self.will.stopped,
            unkept=self.will.trouble,
            peripherals=tuple(self._peripheral_status(each) for each in self._table),
            counters=dict(self._context.tally),
            debts=self._table.chaser.items(),
            guests=self.shown.guests,
        )

    def _peripheral_status(self, each: Peripheral) -> PeripheralStatus:
        driven = self.shown.driven.get(each.p) if each.bound else None
        gate, radio = each.gate, self._radio
        state, running = gate.state.value, gate.active
        words = radio.words(each.address) if isinstance(radio, TellsWhatToysDo) else ""
        return PeripheralStatus(each.address, state, running, each.bound, driven, each.name, words)

    # --- for the wearer ------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop everything and let nothing run until `resume`. Also after a restart."""
        self._forbid(StopCause.PAUSE)
        self.will.pause()
        self._will_changed("paused")

    def emergency_stop(self) -> None:
        """As `pause`, in earnest: the hub shows it, and only the person here can resume."""
        self._forbid(StopCause.EMERGENCY)
        self.will.stop()
        self._will_changed("emergency stop")

    def resume(self) -> None:
        """Let things run again; nothing starts by itself."""
        self.will.resume()
        if self._block.cause is not StopCause.SHUTDOWN:
            self._block.cause = None
        self._will_changed("resumed")

    def forget(self, address: str) -> bool:
        """A person has looked: this device is off. Returns whether it owed a stop."""
        return self._table.forget(address)

    def _forbid(self, cause: StopCause) -> None:
        """Before anything else, such as a disk that is full: nothing passes, and stops run."""
        weaker = (None, StopCause.PAUSE)
        if self._block.cause in weaker:
            self._block.cause = cause
        self._table.trigger_stop(cause)
        self._table.chaser.urge()

    def _will_changed(self, event: str) -> None:
        log.warning("%s by the person at this relay", event)
        self._context.audit.note(event)
        self._tell(self._wearer())

    def _wearer(self) -> Wearer:
        will, config = self.will, self.config
        return Wearer(will.paused, will.stopped, config.ceilings, config.max_run_s)

    # --- the link ------------------------------------------------------------------------------

    def opened(self, line: LinkDriver, welcome: Welcome) -> None:
        self._table.hub, self._table.welcome = line, welcome
        log.info("linked to %s", welcome.hub)
        self._context.audit.note("linked", hub=welcome.hub)
        line.put(self._wearer())
        if self._table.chaser.items():
            self._tell_debts()

    def heard(self, line: LinkDriver, message: FromHub) -> None:
        match message:
            case Output():
                peripheral = self._find(line, message)
                if peripheral and (message.rest or self._may_drive(line, message, peripheral)):
                    peripheral.output(message)
            case Stop():
                if peripheral := self._find(line, message):
                    if not message.rest:
                        self._table.keeper.driven(peripheral)
                    peripheral.stop(message)
            case Beat():
                for p, ms in message.leases.items():
                    if peripheral := self._table.find(p):
                        peripheral.lease(ms)
            case Write():
                peripheral = self._find(line, message)
                if peripheral and self._may_drive(line, message, peripheral):
                    peripheral.request(message)
            case Read() | Subscribe() | Unsubscribe():
                if peripheral := self._find(line, message):
                    peripheral.request(message)
            case Arm():
                if peripheral := self._find(line, message):
                    peripheral.arm(message)
            case Connect():
                self._table.connect(line, message)
            case Disconnect():
                self._table.disconnect(line, message)
            case StopAll():
                self._stop_all(line, message)
            case Forget(id, address):
                self.forget(address)
                line.put(Done(id))
            case Scan():
                self._scanner.want(message.on)
            case Places():
                self.on_places(message)
            case Status() | GuestList():
                self.shown.heard(message)
            case Interests() | Welcome() | Bye():
                pass  # the first is for relays that say so; the others belong to the line

    def _may_drive(self, line: LinkDriver, message: Output | Write, peripheral: Peripheral) -> bool:
        """Whether this still may set something going: a stop may have been pressed behind it that
        is as late. Else its sender is told."""
        if line.late_s >= ACTIVE_S:
            text = f"what the hub says comes {line.late_s:.1f} s late: nothing is set going"
            line.put(Failed(message.id, ErrorCode.GATE, text))
            return False
        if peripheral.address not in self._table.keeper.running:
            # A crash from here on leaves it running.
            self._table.keeper.driven(peripheral)
        return True

    def _armed(self) -> None:
        """Something was armed: from now on it can be stopped without us, and after us."""
        for peripheral in self._table:
            self._table.keeper.note(peripheral)
        if self._supervisor is not None:
            self._supervisor.changed()

    def _find(self, line: LinkDriver, message: _Addressed) -> Peripheral | None:
        peripheral = self._table.find(message.peripheral)
        if peripheral is None:
            line.put(Failed(message.id, ErrorCode.GONE, "this device is not connected"))
        return peripheral

    def _stop_all(self, line: LinkDriver, message: StopAll) -> None:
        """Answered when every peripheral was stopped; with the first failure if there is one."""

        def stopped(error: RadioError | None) -> None:
            failed = error and Failed(message.id, error.code, error.text[:512])
            line.put(failed or Done(message.id))

        self._table.trigger_stop(None)
        self._table.after_stops(stopped)

    def _hello(self) -> Hello:
        held = tuple(Held(each.address) for each in self._table if not each.leaving)
        return greeting(self.config, self._scanner.greet(), held, supervised=self._supervised)

    @property
    def _supervised(self) -> bool:
        """Whether what we drive is stopped without us: by a supervisor, or because it ends with us,
        as simulated toys do."""
        if self._supervisor is not None:
            return self._supervisor.pid is not None and not unsupervised(self._radio)
        return not toys_run_on(self._radio)

    def _tell_debts(self) -> None:
        if self._table.welcome is not None:
            self._tell(Debts(self._table.chaser.items()))

    def _tell(self, message: FromRelay) -> None:
        if self._line is not None:
            self._line.put(message)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(STATS_S)
            if left_out := self._scanner.left_out:
                self._context.tally["parts of advertisements left out"] = left_out
            self._tell(Stats(dict(self._context.tally)))

    # --- the end -------------------------------------------------------------------------------

    async def _stop_for_good(self) -> None:
        self._block.cause = StopCause.SHUTDOWN
        self._table.trigger_stop(StopCause.SHUTDOWN)
        if not await self.stopped(CLOSE_STOP_S):
            log.error("a device has not taken its stop yet, trying on")
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


_Addressed = Output | Stop | Write | Read | Subscribe | Unsubscribe | Arm


class _Closed(Exception):
    """`close` was called."""
