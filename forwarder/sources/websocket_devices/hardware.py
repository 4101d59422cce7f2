"""`WebsocketHardware`: a device that dialed in by itself, and takes its packets as binary frames.

There is no radio and no relay in between: the machine that a relay has for each peripheral runs
here, in the hub's process. It is armed, leased and answered like one at the end of a link, so that
stops, pacing and keep-alives have the same rules; if this process stands still, it stops it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.devices.driver import Outcome
from forwarder.devices.hardware import EndpointsOf, OnNotification
from forwarder.errors import HardwareError
from forwarder.sources.relays.hardware import RelayHardware
from forwarder.sources.relays.waiting import Asking, Carrying, Waiting
from forwarder.sources.relays.waiting import ReplyFuture as Asked
from forwarder.sources.websocket_devices.bounds import SEND_S
from relay.context import RelayContext
from relay.link.bounds import BEAT_ACTIVE_S, BEAT_IDLE_S
from relay.link.channel import Channel
from relay.link.close_codes import NORMAL_CLOSURE
from relay.link.errors import ChannelClosed
from relay.link.messages import (
    Arm,
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    FromRelay,
    Notification,
    Output,
    Read,
    Request,
    Service,
    Stop,
    StopCause,
    Stopped,
    Subscribe,
    Unsubscribe,
    Value,
    Write,
)
from relay.link.tasks.groups import ConnectionTasks
from relay.peripheral.driver import Peripheral
from relay.peripheral.gate import Lockout
from relay.peripheral.limits import ACTIVE_S, IDLE_S
from relay.radio.base import OnValue, RadioError

OnDeviceStopped = Callable[[StopCause], None]

# The reference has these two, whatever the definition says; neither is told to the device.
HANDLES = {"tx": 1, "rx": 2}


class WebsocketHardware(RelayHardware):
    """Implements Hardware over `channel`. `write_on` must run for anything to be written.

    `on_stopped`: the machine has stopped it of its own accord, and can be armed again.
    """

    def __init__(
        self,
        channel: Channel,
        address: str,
        name: str,
    ) -> None:
        super().__init__(1, address, 0, name)
        self._channel = channel
        self._name = name
        self.on_stopped: OnDeviceStopped = lambda cause: None
        self._handles = dict(HANDLES)
        self._gone: HardwareError | None = None
        self._here = _Here(self, channel)
        self.link = self._here

    def __repr__(self) -> str:
        return f"<WebsocketHardware {self._name} {self._address}>"

    def bind(self, endpoints_of: EndpointsOf) -> None:
        """There are no characteristics to look for."""

    # --- writing --------------------------------------------------------------------------------

    async def write_on(self) -> None:
        """Write until cancelled; then the device is stopped before its connection is closed.

        Raises HardwareError if the device is stuck or would not stop, ChannelClosed if it is gone.
        """
        try:
            await self._here.run()
        finally:
            self.gone("this hub let it go")
        raise self._here.ended_by or ChannelClosed(1000, "it is gone")

    def stopped(self, news: Stopped) -> None:
        super().stopped(news)
        self.on_stopped(news.cause)
        if news.ok and self._gone is None:
            self.rearm()

    # --- what comes back ------------------------------------------------------------------------

    def heard_frame(self, data: bytes) -> None:
        """A frame came: a notification, though of which endpoint it does not say."""
        self._here.heard(data)

    # --- the end --------------------------------------------------------------------------------

    def gone(self, reason: str) -> None:
        """The device can be reached no more; whatever waits fails. Idempotent."""
        if self._gone is None:
            self._gone = HardwareError(ErrorCode.GONE, f"{self._name}: {reason}.")
        self._here.gone(reason)

    async def disconnect(self) -> None:
        """Close. Whoever ended `write_on` before has had the device stopped."""
        self.gone("this hub let it go")
        await self._channel.close(NORMAL_CLOSURE, "stopped and let go")

    def _reachable(self) -> _Here:
        if self._gone is not None:
            raise HardwareError(self._gone.reason, str(self._gone))
        return self._here


class _Here:
    """What a link and a relay are to other devices, for one of these. Implements Way and Sink."""

    def __init__(self, hardware: WebsocketHardware, channel: Channel) -> None:
        self.ended: str | None = None
        self.ended_by: Exception | None = None
        self._hardware = hardware
        self._waiting: dict[int, Waiting] = {}
        self._last_id = 0
        self._roused = asyncio.Event()
        self._fast = False  # leases come at the rate of something that runs
        self._loop = asyncio.get_running_loop()
        socket = _Socket(channel, repr(hardware))
        self._socket = socket
        self._peripheral = Peripheral(hardware.address, socket, Lockout(), RelayContext())
        self._peripheral.bind(hardware.p, self, active_s=ACTIVE_S, idle_s=IDLE_S)

    async def run(self) -> None:
        async with ConnectionTasks() as group:
            leasing = group.create_task(self._lease_on(), name="websocket device leases")
            try:
                await self._peripheral.run()
            finally:
                leasing.cancel()
                self.ended_by = self._socket.stuck

    async def _lease_on(self) -> None:
        """This process is the hub: it holds the lease for as long as its event loop turns."""
        while True:
            self.renew()
            self._roused.clear()
            self._fast = self._hardware.running
            try:
                beat_s = BEAT_ACTIVE_S if self._fast else BEAT_IDLE_S
                async with asyncio.timeout(beat_s):
                    await self._roused.wait()
            except TimeoutError:
                continue

    # --- as a link ------------------------------------------------------------------------------

    def renew(self) -> None:
        self._peripheral.lease((ACTIVE_S if self._hardware.running else IDLE_S) * 1000)

    def rouse(self) -> None:
        if not self._fast:
            self._fast = True
            self._roused.set()

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def request(self, message: Request, *, deadline_s: float = 0.0) -> Asked:
        """The machine has deadlines of its own for everything; `deadline_s` is for links."""
        asking = Asking()
        self._ask(message, asking)
        return asking

    def carry(
        self,
        message: Request,
        *,
        deadline_s: float = 0.0,
        orphaned: Callable[[Outcome], None] | None = None,
        shut: Callable[[], None] | None = None,
    ) -> Outcome:
        carrying = Carrying()
        carrying.shut = shut
        self._ask(message, carrying)
        return carrying

    def silent_at(self, p: int) -> float:
        """It is here: nothing goes on without this process."""
        return self._loop.time()

    def lead(self) -> float:
        """Its machine has the clock of this process."""
        return 0.0

    def theirs_us(self, at: float) -> int:
        return round(at * 1e6)

    def _ask(self, message: Request, entry: Waiting) -> None:
        if self.ended is not None:
            entry.link_ended(self.ended)
            return
        self._waiting[message.id] = entry
        match message:
            case Output():
                self._peripheral.output(message)
            case Stop():
                self._peripheral.stop(message)
            case Arm():
                self._peripheral.arm(message)
            case Write() | Read() | Subscribe() | Unsubscribe():
                self._peripheral.request(message)
            case Disconnect():
                self._peripheral.disconnect(message)
            case _:
                raise AssertionError(f"{message} is for a relay")

    # --- as whom the machine tells --------------------------------------------------------------

    def put(self, message: FromRelay) -> None:
        match message:
            case Done() | Value() | Failed():
                # Nobody waits for what was failed when the device went.
                if (entry := self._waiting.pop(message.id, None)) is not None:
                    entry.settle(message)
            case Stopped():
                self._hardware.stopped(message)
            case Disconnected():
                self._hardware.gone(message.text)
            case Notification(_, h, data):
                self._hardware.heard(h, data)
            case _:
                raise AssertionError(f"{message} is what a relay says")

    def heard(self, data: bytes) -> None:
        for listener in tuple(self._socket.listeners.values()):
            listener(data)

    def gone(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            self._peripheral.on_gone(reason)
        waiting, self._waiting = self._waiting, {}
        for entry in waiting.values():
            entry.link_ended(reason)


class _Socket:
    """Implements Connection. The device takes frames; its own belong to no characteristic."""

    services: tuple[Service, ...] = ()
    mtu = 512

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self.listeners: dict[int, OnValue] = {}
        self.stuck: HardwareError | None = None

    def write_now(self, handle: int, data: bytes, response: bool) -> bool:
        return self._channel.send_now(data)

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._channel.send(data)
        except ChannelClosed as error:
            raise RadioError(ErrorCode.GONE, "it closed the connection") from error
        except TimeoutError:
            text = f"{self._name} has read nothing for {SEND_S:g} s"
            self.stuck = HardwareError(ErrorCode.TIMEOUT, f"{text}.")
            raise RadioError(ErrorCode.GONE, text) from None

    async def read(self, handle: int) -> bytes:
        raise RadioError(ErrorCode.UNSUPPORTED, f"{self._name} cannot be read from.")

    async def subscribe(self, handle: int, on_value: OnNotification) -> None:
        self.listeners[handle] = on_value

    async def unsubscribe(self, handle: int) -> None:
        self.listeners.pop(handle, None)

    async def disconnect(self) -> None:
        await self._channel.close(NORMAL_CLOSURE, "stopped and let go")
