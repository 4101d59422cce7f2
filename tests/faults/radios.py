"""Toys that are not on Bluetooth under the faults of the matrix: a relay's process, a hub that the
harness plays, and a toy with a record of its own behind a real port or socket. Real time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from relay.link.messages import Advertisements, Connected, Disconnected, Packet, Scan, Wearer
from relay.radio.bounds import TX as AIR_TX
from relay.radio.dongle.connection import TX as DONGLE_TX
from relay.radio.gamepad.radio import LEVELS
from relay.radio.gamepad.radio import TX as PAD_TX
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.toy import ToyOperation
from relay.radio.wired.place import TX
from tests.doubles import hid_device
from tests.doubles.advertising_bluez import AdvertisingBluez
from tests.doubles.esphome_proxy import EsphomeProxy
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.linkhub import LinkHub
from tests.doubles.lovense_dongle import TOYS as AT_DONGLE
from tests.doubles.lovense_dongle import DongleFirmware, PtyDongle
from tests.doubles.relay_process import Hub, relay
from tests.doubles.tcode_network import TcpToy, UdpToy, WebToy
from tests.doubles.tcode_toy import PLAYED, Firmware, PtyToy, UsbToy
from tests.doubles.uinput_pad import UINPUT, UinputPad
from tests.system.processes import until

# Outputs have been on for so long (s) when the fault comes.
WARM_S = 0.5
# What is in the way for a while is, for so long (s).
HUNG_S = 0.6
OFF_S = 5.0
QUIET_S = 3.0
# A loose contact opens for so long (s).
LOOSE_S = 0.05


class Behind(Protocol):
    """A toy behind one kind of radio. `options`: how `relay run` is told of it.

    `pull` and `plug`: it is not there, and there again; it goes on meanwhile. `hang` and `heal`:
    what is written waits. `fail`: what is written now, or a moment later, is lost or refused.
    """

    @property
    def options(self) -> tuple[str, ...]: ...

    @property
    def stop(self) -> tuple[Packet, ...]: ...

    @property
    def go(self) -> Packet: ...

    async def plug(self) -> None: ...
    async def pull(self) -> None: ...
    def hang(self) -> None: ...
    def heal(self) -> None: ...
    def fail(self) -> None: ...

    def running(self) -> bool:
        """By its own record, now."""
        ...

    def stopped_at(self, since: float) -> float | None:
        """The first stop that it was given, or made by itself, from then on; time.monotonic()."""
        ...


@dataclass
class World:
    hub: LinkHub
    relay: Process
    toy: Behind


@dataclass(frozen=True, slots=True)
class Outcome:
    """`off_ms` from the fault, None if it was never off; `again`: something set it going then."""

    off_ms: float | None
    again: bool


Inflict = Callable[[World], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Row:
    """`inflict` returns from when on the time counts, time.monotonic()."""

    radio: str
    fault: str
    place: str
    detail: str
    inflict: Inflict
    limit_ms: float = 1000

    @property
    def name(self) -> str:
        return f"{self.radio}: {self.fault} × {self.place}, {self.detail}"


# --- toys ----------------------------------------------------------------------------------------


class Stroker:
    """What every way to a T-Code machine has in common: half-way through a move of 30 s."""

    stop: tuple[Packet, ...] = (Packet(TX, b"DSTOP\n", keys=(1,)),)
    go = Packet(TX, b"L09999I30000\n", keys=(1,))

    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware

    def running(self) -> bool:
        return self.firmware.running()

    def stopped_at(self, since: float) -> float | None:
        return next((at for at in self.firmware.stops if at >= since), None)


class SerialStroker(Stroker):
    """`fail`: a loose contact, the port goes and comes."""

    def __init__(self, toy: PtyToy | UsbToy) -> None:
        self.toy = toy
        super().__init__(toy.firmware)
        self.options: tuple[str, ...] = ("--serial", f"{toy.path}=tcode")
        self.hang, self.heal = toy.hang, toy.listen

    async def plug(self) -> None:
        self.toy.plug()

    async def pull(self) -> None:
        self.toy.pull()

    def fail(self) -> None:
        self.toy.pull()
        asyncio.get_running_loop().call_later(LOOSE_S, self.toy.plug)


class UsbStroker(SerialStroker):
    """The same; it is there again once nobody has the port that is gone."""

    def __init__(self, toy: UsbToy) -> None:
        super().__init__(toy)
        self.usb = toy

    async def plug(self) -> None:
        await until(lambda: not self.usb.held(), "that nobody has the old port", OFF_S)
        self.usb.plug()

    def fail(self) -> None:
        self.usb.pull()
        self._again()

    def _again(self) -> None:
        if self.usb.held():
            asyncio.get_running_loop().call_later(LOOSE_S, self._again)
        else:
            self.usb.plug()


class NetworkStroker(Stroker):
    """`fail`: two datagrams are lost, or the connection is reset."""

    def __init__(self, toy: UdpToy | TcpToy | WebToy) -> None:
        super().__init__(toy.firmware)
        self.options: tuple[str, ...] = ("--tcode", toy.url)
        self.plug, self.pull = toy.plug, toy.pull
        self.hang, self.heal, self.fail = toy.hang, toy.heal, toy.fail


@asynccontextmanager
async def serial(folder: Path) -> AsyncIterator[Behind]:
    yield SerialStroker(PtyToy(folder / "ttyTOY"))


@asynccontextmanager
async def serial_of_the_kernel(folder: Path) -> AsyncIterator[Behind]:
    yield UsbStroker(UsbToy())


def _network(kind: type[UdpToy] | type[TcpToy] | type[WebToy]) -> Make:
    @asynccontextmanager
    async def made(folder: Path) -> AsyncIterator[Behind]:
        yield NetworkStroker(kind())

    return made


class RumblePad:
    """A pad that the kernel has from us. It is off when it is pulled."""

    stop: tuple[Packet, ...] = (Packet(PAD_TX, LEVELS.pack(0, 0, 0, 0), keys=(1,)),)
    go = Packet(PAD_TX, LEVELS.pack(0xFFFF, 0x8000, 0, 0), keys=(1,))

    def __init__(self, pad: UinputPad) -> None:
        self.options: tuple[str, ...] = ("--gamepads",)
        self.plug, self.pull = pad.plug, pad.pull
        self.hang, self.heal, self.fail = pad.hang, pad.heal, pad.fail
        self.running, self.stopped_at = pad.running, pad.stopped_at


@asynccontextmanager
async def gamepad(folder: Path) -> AsyncIterator[Behind]:
    yield RumblePad(UinputPad())


class HidCyclone:
    """A Cyclone X10. `fail`: a loose contact, as on a serial port."""

    stop: tuple[Packet, ...] = (Packet(TX, hid_device.STOP, keys=(1,)),)
    go = Packet(TX, hid_device.GO, keys=(1,))
    options: tuple[str, ...] = ("--hid", "cyclone-x10")

    def __init__(self, device: hid_device.FolderHid | hid_device.KernelHid) -> None:
        self._device = device
        self.program = device.program
        self.hang, self.heal = device.hang, device.heal
        self.running, self.stopped_at = device.running, device.stopped_at

    async def plug(self) -> None:
        self._device.plug()

    async def pull(self) -> None:
        self._device.pull()

    def fail(self) -> None:
        self._device.pull()
        asyncio.get_running_loop().call_later(LOOSE_S, self._device.plug)


@asynccontextmanager
async def hid(folder: Path) -> AsyncIterator[Behind]:
    yield HidCyclone(hid_device.FolderHid(folder / "hid"))


@asynccontextmanager
async def hid_of_the_kernel(folder: Path) -> AsyncIterator[Behind]:
    yield HidCyclone(hid_device.KernelHid())


class Advertised:
    """A toy that hears advertisements. Pulled is the adapter, whose end it takes no notice of; hung
    is BlueZ, which goes on with what is on the air; `fail`: five packets in a row are not heard."""

    stop: tuple[Packet, ...] = (Packet(AIR_TX, b"\x00", keys=(1,)),)
    go = Packet(AIR_TX, b"\x03", keys=(1,))
    options: tuple[str, ...] = ("--advertised-toys",)

    def __init__(self, bluez: AdvertisingBluez) -> None:
        self._bluez = bluez
        (self._toy,) = bluez.toys
        self.hang, self.heal, self.running = bluez.hang, bluez.heal, self._toy.running

    async def plug(self) -> None:
        self._bluez.plug()

    async def pull(self) -> None:
        self._bluez.pull()

    def fail(self) -> None:
        self._bluez.lost = 5

    def stopped_at(self, since: float) -> float | None:
        return next((at for at, told in self._toy.record if at >= since and told == 0), None)


@asynccontextmanager
async def advertised(folder: Path) -> AsyncIterator[Behind]:
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    async with private_bus() as address, AdvertisingBluez.on(address) as bluez:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
        try:
            yield Advertised(bluez)
        finally:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
            if before is not None:
                os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


class BehindProxy:
    """A toy that stops when its proxy hangs up, which it does when its program is gone."""

    def __init__(self, proxy: EsphomeProxy) -> None:
        (self.toy,) = proxy.toys
        self._proxy = proxy
        self._rests: list[float] = []
        self.toy.watch(self._note)
        tx = next(handle for handle, role in self.toy.handles.items() if role == "tx")
        self.stop: tuple[Packet, ...] = (Packet(tx, b"Vibrate:0;", keys=(1,)),)
        self.go = Packet(tx, b"Vibrate:20;", keys=(1,))
        self.hang, self.heal = proxy.hang, proxy.heal

    @property
    def options(self) -> tuple[str, ...]:
        return ("--esphome", f"127.0.0.1:{self._proxy.port}")

    async def plug(self) -> None:
        if not self._proxy.listening:
            await self._proxy.plug()

    async def pull(self) -> None:
        await self._proxy.pull()

    def fail(self) -> None:
        self.toy.faults.fail(1)

    def running(self) -> bool:
        return not self.toy.at_rest

    def stopped_at(self, since: float) -> float | None:
        if self._rests and self._rests[-1] < since and self.toy.at_rest:
            return since
        return next((at for at in self._rests if at >= since), None)

    def _note(self, operation: ToyOperation) -> None:
        if self.toy.at_rest:
            self._rests.append(operation.t_ns / 1e9)


@asynccontextmanager
async def esphome(folder: Path) -> AsyncIterator[Behind]:
    toys = toys_by_name("Lovense Hush")
    toys[0].stops_when_disconnected = True
    async with EsphomeProxy(toys).listen() as proxy:
        yield BehindProxy(proxy)


class BehindDongle:
    """`fail`: the dongle takes a command for none."""

    stop: tuple[Packet, ...] = (Packet(DONGLE_TX, b"Vibrate:0;", keys=(1,)),)
    go = Packet(DONGLE_TX, b"Vibrate:20;", keys=(1,))

    def __init__(self, folder: Path) -> None:
        self._dongle = PtyDongle(folder / "ttyUSB0", DongleFirmware(AT_DONGLE[:1]))
        self._firmware = self._dongle.firmware
        self.options: tuple[str, ...] = ("--dongle", str(self._dongle.path))
        self.hang, self.heal = self._dongle.hang, self._dongle.heal

    async def plug(self) -> None:
        self._dongle.plug()

    async def pull(self) -> None:
        self._dongle.pull()

    def fail(self) -> None:
        self._firmware.refuse = 1

    def running(self) -> bool:
        return self._firmware.level(AT_DONGLE[0]) > 0

    def stopped_at(self, since: float) -> float | None:
        record = self._firmware.record[AT_DONGLE[0]]
        return next((at for at, level in record if at >= since and level == 0), None)


@asynccontextmanager
async def dongle(folder: Path) -> AsyncIterator[Behind]:
    yield BehindDongle(folder)


Make = Callable[[Path], AbstractAsyncContextManager[Behind]]
TOYS: dict[str, Make] = {
    "serial": serial,
    "UDP": _network(UdpToy),
    "TCP": _network(TcpToy),
    "websocket": _network(WebToy),
    "ESPHome": esphome,
    "dongle": dongle,
    "HID": hid,
}
if shutil.which("dbus-daemon"):
    TOYS["advertised"] = advertised
# Needs a kernel that lets us play devices to it, and root: the machine of `make ble-vm`.
if os.access(UINPUT, os.W_OK):
    TOYS["gamepad"] = gamepad
if os.access(hid_device.UHID, os.W_OK):
    TOYS["HID of the kernel"] = hid_of_the_kernel
if PLAYED.exists():
    TOYS["serial of the kernel"] = serial_of_the_kernel


# --- what breaks ---------------------------------------------------------------------------------


def _signal(number: signal.Signals) -> Inflict:
    async def inflict(it: World) -> float:
        since = time.monotonic()
        os.kill(it.relay.pid, number)
        return since

    return inflict


async def _silent_hub(it: World) -> float:
    it.hub.beating = False
    return time.monotonic()


async def _link_cut(it: World) -> float:
    since = time.monotonic()
    await it.hub.channel.close()
    return since


async def _pulled(it: World) -> float:
    await it.toy.pull()
    await it.hub.hear(Disconnected)
    # It has power of its own, and goes on; the relay looks for it by itself.
    since = time.monotonic()
    await it.toy.plug()
    return since


async def _hung(it: World) -> float:
    it.toy.hang()
    since = time.monotonic()
    os.kill(it.relay.pid, signal.SIGUSR1)
    await asyncio.sleep(HUNG_S)
    it.toy.heal()
    return since


async def _failing(it: World) -> float:
    since = time.monotonic()
    it.toy.fail()
    os.kill(it.relay.pid, signal.SIGUSR1)
    return since


def rows(radio: str) -> Iterator[Row]:
    yield Row(radio, "kill -9", "relay", "the process", _signal(signal.SIGKILL))
    yield Row(radio, "SIGSTOP", "relay", "the process", _signal(signal.SIGSTOP))
    yield Row(radio, "SIGTERM", "relay", "the process", _signal(signal.SIGTERM))
    yield Row(radio, "silence", "hub", "no more leases", _silent_hub)
    yield Row(radio, "reset", "link", "closed", _link_cut)
    yield Row(radio, "pause", "relay", "by the wearer", _signal(signal.SIGUSR1))
    yield Row(radio, "pulled", "toy", "→ there again", _pulled, 3000)
    yield Row(radio, "hung", "toy", f"{HUNG_S:g} s → pause meanwhile", _hung)
    yield Row(radio, "failing", "toy", "while the wearer pauses", _failing, 3000)


ROWS = [row for radio in TOYS for row in rows(radio)]


# --- playing one ---------------------------------------------------------------------------------


@asynccontextmanager
async def world(radio: str, folder: Path) -> AsyncIterator[World]:
    """A relay with one toy, which runs."""
    async with (
        TOYS[radio](folder) as toy,
        Hub().listen() as hub,
    ):
        await toy.plug()
        program = toy.program if isinstance(toy, HidCyclone) else ("-m", "relay")
        async with relay(hub, folder / "state", *toy.options, program=program) as process:
            link = await hub.links.get()
            await _drive(link, toy)
            await until(toy.running, "the toy")
            await asyncio.sleep(WARM_S)
            assert toy.running(), "the toy does not run"
            yield World(link, process, toy)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
        await toy.pull()


async def _drive(link: LinkHub, toy: Behind) -> None:
    await link.hear(Wearer)
    link.tell(Scan(True))
    address = (await link.hear(Advertisements)).items[0].address
    connected = await link.connect(1, address)
    assert isinstance(connected, Connected), connected
    await link.arm(1, *toy.stop)
    await link.output(1, toy.go)


async def play(row: Row, folder: Path, quiet_s: float = QUIET_S) -> Outcome:
    async with world(row.radio, folder) as it:
        since = await row.inflict(it)
        with contextlib.suppress(AssertionError):
            await until(lambda: not it.toy.running(), "the stop", OFF_S)
        at = None if it.toy.running() else it.toy.stopped_at(since)
        await asyncio.sleep(quiet_s)
        again = at is not None and it.toy.running()
        return Outcome(None if at is None else (at - since) * 1000, again)


def verdict(row: Row, outcome: Outcome) -> str:
    """What is wrong with it; "" if nothing is."""
    if outcome.off_ms is None:
        return "never off"
    if outcome.again:
        return "set going again"
    late = outcome.off_ms > row.limit_ms
    return f"off after {outcome.off_ms:.0f} ms, not {row.limit_ms:.0f}" if late else ""
