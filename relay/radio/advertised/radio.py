"""`AdvertisedRadio`: toys that hear advertisements, as one peripheral of the way that is named.

There may be any number of them, the neighbours' included: nothing answers, and nothing tells one
from another. What is on the air is held by a process of its own (`holder`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable

from relay.link.messages import Characteristic, ErrorCode, RadioInfo, Service
from relay.link.stand_ins import endpoints_of, stand_in
from relay.radio.advertised import holder
from relay.radio.advertised.kinds import WARNING, AdvertisedKind
from relay.radio.advertised.on_air import runs
from relay.radio.base import OnAdvertisement, OnGone, OnValue, RadioError
from relay.radio.bluetooth.adapters import Follow
from relay.radio.bounds import ADVERTISED_HANGS_S, ADVERTISED_LOOK_S, START_S, STEP_S, TIMES, TX
from relay.radio.gatt import canonical_address
from relay.radio.wired.line import next_number
from relay.supervision.adapters import KnownAdapters, watch_adapters
from relay.supervision.bounds import BEAT_S

log = logging.getLogger(__name__)

MTU = 23

StartHolder = Callable[[AdvertisedKind], Awaitable[socket.socket]]


async def start_holder(kind: AdvertisedKind) -> socket.socket:
    """Start a holder; return our end of its stream. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end = theirs.fileno()
    command = [
        sys.executable, "-m", "relay.radio.advertised",
        str(end), kind.address.hex(), kind.adapter,
    ]  # fmt: skip

    def run() -> None:
        # It forks, and what is waited for here ends at once. Closed here, also where nobody waits
        # any more: its number must not be another file's before the process has it.
        with theirs:
            subprocess.run(
                command, pass_fds=(end,), start_new_session=True, check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=START_S,
            )  # fmt: skip

    try:
        await asyncio.to_thread(run)
    except BaseException as error:
        ours.close()
        if isinstance(error, subprocess.SubprocessError):
            raise OSError(str(error)) from error
        raise
    ours.setblocking(False)
    return ours


class AdvertisedRadio:
    """All toys of `kind` in reach, as one."""

    def __init__(
        self,
        kind: AdvertisedKind,
        start: StartHolder = start_holder,
        follow: Follow = watch_adapters,
    ) -> None:
        self._kind = kind
        self._start = start
        self._follow = follow
        self._trouble = ""
        self._scanning = False
        self._connecting = False
        self._connection: AirConnection | None = None

    @property
    def info(self) -> RadioInfo:
        trouble = self._trouble
        free = 0 if self._connection is not None else 1
        name = f"{self._kind.name} {self._kind.adapter}".strip()
        return RadioInfo("advertised", name, not trouble, free, trouble[:512])

    async def watch(self) -> None:
        log.warning("%s", WARNING)
        await self._follow(self.tell)

    def tell(self, known: KnownAdapters) -> None:
        """What adapters there are, or why that cannot be said."""
        if isinstance(known, Exception):
            self._trouble = str(known)
            return
        said = canonical_address(self._kind.adapter)
        mine = [one for one in known if said in ("", one.name, one.address)]
        able = [one for one in mine if one.advertises]
        if not mine:
            self._trouble = f"There is no Bluetooth adapter {said}".strip() + ": plug it in."
        elif not able:
            self._trouble = f"{mine[0].name} cannot advertise: use another adapter."
        elif not any(one.powered for one in able):
            self._trouble = f"{able[0].name} is off: bluetoothctl power on"
        else:
            self._trouble = ""

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        if self._scanning:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._scanning = True
        try:
            while True:
                if not (self._trouble or self._connection or self._connecting):
                    on_advertisement(self._kind.advertisement)
                await asyncio.sleep(ADVERTISED_LOOK_S)
        finally:
            self._scanning = False

    async def connect(self, address: str, on_gone: OnGone) -> AirConnection:
        kind = self._kind
        if address != kind.link_address:
            raise RadioError(ErrorCode.NOT_FOUND, f"{kind.name} is not {address}.")
        if self._connection is not None or self._connecting:
            raise RadioError(ErrorCode.BUSY, f"{kind.name} is already connected by this relay.")
        self._connecting = True
        try:
            try:
                channel = await self._start(kind)
            except OSError as error:
                text = f"What advertises cannot be started: {error}"
                raise RadioError(ErrorCode.RADIO, text) from error
            made = AirConnection(kind, channel, on_gone, self._left)
            try:
                await made.ready()
            except BaseException:
                made.end("it was not ready")
                raise
        finally:
            self._connecting = False
        self._connection = made
        return made

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()

    def _left(self, connection: AirConnection) -> None:
        if self._connection is connection:
            self._connection = None


class AirConnection:
    """What is on the air. Owns `channel`, behind which is a holder."""

    def __init__(
        self,
        kind: AdvertisedKind,
        channel: socket.socket,
        on_gone: OnGone,
        left: Callable[[AirConnection], None],
    ) -> None:
        self.number = next_number()
        self._kind = kind
        self._channel = channel
        self._on_gone = on_gone
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._process = 0
        self._shown = 0
        self._waits: tuple[int, asyncio.Future[None]] | None = None
        # When the first word was said of those that the holder has not heard.
        self._unheard_at: float | None = None
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._over: str | None = None
        self._loop.add_reader(channel, self._readable)

    @property
    def services(self) -> tuple[Service, ...]:
        tx = endpoints_of(self._kind.way)["tx"]
        characteristic = Characteristic(TX, tx, ("write", "write-without-response"))
        return (Service(stand_in(self._kind.way), (characteristic,)),)

    @property
    def mtu(self) -> int:
        return MTU

    def descriptor(self) -> int | None:
        return None  # the holder stops it by itself

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        del data
        return ()

    async def ready(self) -> None:
        """Wait until it can advertise. Raises RadioError."""
        try:
            async with asyncio.timeout(START_S):
                await self._begun
        except TimeoutError:
            raise RadioError(ErrorCode.TIMEOUT, "BlueZ does not answer.") from None

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        del response  # nobody answers
        if handle != TX or not 0 < len(data) <= holder.MOST_COMMANDS:
            raise RadioError(ErrorCode.REFUSED, f"{self._kind.name}: this cannot be written.")
        self._demand_open()
        self._shown = (self._shown + 1) % 256
        # From here on it may be on the air, and the holder wants to hear of us.
        self._running = runs(data)
        taken = self._loop.create_future()
        self._waits = self._shown, taken
        if self._unheard_at is None:
            self._unheard_at = self._loop.time()
        try:
            self._channel.send(holder.SHOW + bytes((self._shown,)) + data)
        except OSError as error:
            self._waits = None
            text = f"What advertises does not listen: {error.strerror}"
            raise RadioError(ErrorCode.RADIO, text) from error
        if self._running and self._timer is None:
            self._timer = self._loop.call_later(BEAT_S, self._beat)
        await asyncio.shield(taken)
        if not runs(data):
            await asyncio.sleep(STEP_S * (TIMES * len(data) - 1))
            self._demand_open()

    async def read(self, handle: int) -> bytes:
        raise self._refusal()

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        raise self._refusal()

    async def unsubscribe(self, handle: int) -> None:
        raise self._refusal()

    async def disconnect(self) -> None:
        self.end("it was let go")

    def end(self, reason: str) -> None:
        """The holder stops what runs, leaves a stop on the air for its time, and ends. One that
        hangs is ended, for what it has on the air would go on; one that waits for BlueZ is not, for
        nobody else brings the stop there. Idempotent."""
        if self._over is not None:
            return
        self._over = reason
        self._running = False
        self._left(self)
        waits, self._waits = self._waits, None
        if self._process and self._hangs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
        error = RadioError(ErrorCode.GONE, f"{self._kind.name}: {reason}.")
        for future in (self._begun, waits[1] if waits else None):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # maybe nobody waits for it
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.remove_reader(self._channel)
        self._channel.close()

    def _hangs(self) -> bool:
        """Whether it neither hears us nor has ended. What it said is read: maybe we stood still."""
        if self._unheard_at is None:
            return False
        try:
            while packet := self._channel.recv(holder.MOST_BYTES):
                if packet == holder.HEARD + bytes((self._shown,)):
                    break
        except BlockingIOError:
            return self._loop.time() - self._unheard_at >= ADVERTISED_HANGS_S
        except OSError:
            pass  # it has ended
        return False

    def _lost(self, reason: str) -> None:
        if self._over is None:
            begun = self._begun.done()
            self.end(reason)
            if begun:
                self._on_gone(reason)

    def _readable(self) -> None:
        try:
            packet = self._channel.recv(holder.MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        kind, rest = packet[:1], packet[1:]
        if kind == holder.TAKEN:
            waits = self._waits
            if waits is not None and waits[0] == rest[0]:
                self._waits = None
                if not waits[1].done():
                    waits[1].set_result(None)
        elif kind == holder.HEARD:
            if rest[0] == self._shown:
                self._unheard_at = None
        elif kind == holder.READY:
            self._process, _ = holder.ABOUT.unpack(rest)
            if not self._begun.done():
                self._begun.set_result(None)
        elif kind == holder.LOST:
            self._lost(rest.decode(errors="replace").rstrip("."))
        else:
            self._lost("what advertises has ended")

    def _beat(self) -> None:
        self._timer = None
        if self._running:
            with contextlib.suppress(OSError):
                self._channel.send(holder.TURNS)
            self._timer = self._loop.call_later(BEAT_S, self._beat)

    def _demand_open(self) -> None:
        if self._over is not None:
            raise RadioError(ErrorCode.GONE, f"{self._kind.name}: {self._over}.")

    def _refusal(self) -> RadioError:
        self._demand_open()
        return RadioError(ErrorCode.REFUSED, f"{self._kind.name} tells nothing.")
