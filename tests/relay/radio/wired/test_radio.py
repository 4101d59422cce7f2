"""The contract of radios (test_conformance.py), for one device on a real terminal, and behind real
sockets of each kind. Reading and writing with response are not in it: they have neither.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.link.messages import Advertisement, ErrorCode
from relay.link.stand_ins import endpoints_of, stand_in
from relay.radio.base import RadioError
from relay.radio.wired import tcode
from relay.radio.wired.bounds import AXES_S, RADIO_ASK_S
from relay.radio.wired.line import OnBytes, OnLost
from relay.radio.wired.network import Tcp, Udp
from relay.radio.wired.place import RX, TX, WiredPlace
from relay.radio.wired.radio import WiredAccess, WiredRadio
from relay.radio.wired.serial_port import PortSettings, SerialPort, holder, missing, trouble
from relay.radio.wired.web import Web
from tests.doubles.clock import run_virtual
from tests.doubles.tcode_network import TcpToy, UdpToy, WebToy
from tests.doubles.tcode_toy import Firmware, PtyToy
from tests.system.processes import until

ADDRESS = "ttyTOY@attic"


class SerialToy:
    """As the machines on the network are."""

    def __init__(self, pty: PtyToy) -> None:
        self.pty = pty
        self.firmware = pty.firmware

    async def say(self, data: bytes) -> None:
        self.pty.say(data)

    async def plug(self) -> None:
        self.pty.plug()

    async def pull(self) -> None:
        self.pty.pull()


@dataclass
class World:
    radio: WiredRadio
    toy: SerialToy | UdpToy | TcpToy | WebToy
    address: str = ADDRESS
    kind: str = "serial"
    absent: str = "There is no port "

    @property
    def firmware(self) -> Firmware:
        return self.toy.firmware


NETWORK: dict[str, Callable[[], UdpToy | TcpToy | WebToy]]
NETWORK = {"udp": UdpToy, "tcp": TcpToy, "ws": WebToy}


def networked(toy: UdpToy | TcpToy | WebToy) -> World:
    place = WiredPlace("tcode", toy.url, toy.url, "tcode-v03", 1.0, wireless=True)
    ways: dict[str, Callable[[str, int], WiredAccess]] = {"udp": Udp, "tcp": Tcp, "ws": Web}
    way = ways[toy.scheme]("127.0.0.1", toy.port)
    radio = WiredRadio(place, way, answer_s=1.0, retry_s=0.1)
    return World(radio, toy, toy.url, "tcode", "")


def radio_at(path: Path, protocol: str = "tcode-v03", *, answer_s: float = 1.0) -> WiredRadio:
    place = WiredPlace("serial", str(path), ADDRESS, protocol, absent=missing(str(path)))
    way = SerialPort(str(path), PortSettings(prefix=b"\n"))
    return WiredRadio(place, way, answer_s=answer_s, retry_s=0.1)


@contextlib.asynccontextmanager
async def plugged(made: World) -> AsyncIterator[World]:
    await made.toy.plug()
    async with asyncio.timeout(20):
        yield made
        await made.radio.close()
    await made.toy.pull()


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[tuple[World, PtyToy]]:
    toy = PtyToy(tmp_path / "ttyTOY")
    async with plugged(World(radio_at(toy.path), SerialToy(toy))) as made:
        yield made, toy


@pytest.fixture(params=["serial", "udp", "tcp", "ws"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "serial":
        toy = PtyToy(tmp_path / "ttyTOY")
        made = World(radio_at(toy.path), SerialToy(toy))
    else:
        made = networked(NETWORK[request.param]())
    async with plugged(made):
        yield made


@contextlib.asynccontextmanager
async def scanning(radio: WiredRadio) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(heard.put_nowait))
    yield heard
    scan.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await scan


async def test_it_advertises_its_protocol_and_its_axes(world: World) -> None:
    async with scanning(world.radio) as heard:
        seen = await heard.get()
        await heard.get()
    assert seen.address == world.address
    assert seen.name == "TCode L0 L1 L2 R0 R1 R2 V0 V1"
    assert seen.services == (stand_in("serial/tcode-v03"),)
    assert (world.radio.info.kind, world.radio.info.on, world.radio.info.slots) == (
        world.kind,
        True,
        1,
    )
    assert world.firmware.heard.count(b"D2\n") == 1, "it is asked once, as opening may reset it"
    assert world.firmware.heard.isascii()


async def test_one_without_an_answer_to_d2_is_announced_plainly(tmp_path: Path) -> None:
    toy = PtyToy(tmp_path / "ttyTOY", Firmware(answers_d2=False))
    toy.plug()
    async with scanning(radio_at(toy.path)) as heard:
        assert (await heard.get()).name == "TCode v0.3"
    toy.pull()


class LeavingLine:
    """It says that it speaks T-Code, and then `then` happens to what asks for its axes."""

    number = 1

    def __init__(self, on_bytes: OnBytes, then: Callable[[], Awaitable[None]]) -> None:
        self._on_bytes = on_bytes
        self._then = then
        self.closed = False

    async def send(self, data: bytes) -> None:
        if data == tcode.WHO:
            self._on_bytes(b"TCode v0.3\n")
        else:
            await self._then()

    def nudge(self, data: bytes) -> None: ...

    lost_because = None

    def lose(self, reason: str) -> None: ...

    def descriptor(self) -> int | None:
        return None

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return (data,)

    async def close(self) -> None:
        self.closed = True


class LeavingWay:
    """`hangs`: it takes no more; else it goes while it is asked."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs
        self.lines: list[LeavingLine] = []

    def presence(self) -> object | None:
        return 1

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> LeavingLine:
        async def then() -> None:
            if self._hangs:
                await asyncio.Event().wait()
            on_lost("it was unplugged")

        self.lines.append(LeavingLine(on_bytes, then))
        return self.lines[-1]


@pytest.mark.parametrize("hangs", [True, False])
def test_one_that_hangs_or_goes_between_two_questions_holds_nobody_up(hangs: bool) -> None:
    way = LeavingWay(hangs=hangs)
    place = WiredPlace("serial", "port", ADDRESS, "tcode-v03")
    radio = WiredRadio(place, way)
    heard: list[str | None] = []

    async def life() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AXES_S + 2 * RADIO_ASK_S - 0.05):
                await radio.scan(lambda one: heard.append(one.name))

    run_virtual(life())
    # What hangs later is known for what it is; what has gone is not there.
    assert heard == ([tcode.PLAIN_NAME] if hangs else [])
    assert radio.info.text == ("" if hangs else "port: it was unplugged.")
    assert all(line.closed for line in way.lines)


async def test_what_does_not_answer_is_not_announced_and_that_is_said(
    wired: tuple[World, PtyToy],
) -> None:
    world, toy = wired
    world.firmware.mute = True
    radio = radio_at(toy.path, answer_s=0.3)
    async with scanning(radio) as heard:
        await until(lambda: not radio.info.on, "the failure")
        assert heard.empty()
        assert "nothing there answers D1. Is it a T-Code device, and on?" in radio.info.text
        world.firmware.mute = False
        await heard.get()
    assert radio.info.on


async def test_services_have_tx_and_rx(world: World) -> None:
    connection = await world.radio.connect(world.address, lambda _: None)
    (service,) = connection.services
    uuids = endpoints_of("serial/tcode-v03")
    assert {one.uuid: one.handle for one in service.characteristics} == {
        uuids["tx"]: TX,
        uuids["rx"]: RX,
    }
    assert world.radio.info.slots == 0


async def test_lines_arrive_in_order_and_answers_come_while_subscribed(world: World) -> None:
    connection = await world.radio.connect(world.address, lambda _: None)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await world.toy.say(b"#early:1\r\n")
    await asyncio.sleep(0.05)
    await connection.subscribe(RX, heard.put_nowait)
    for number in range(50):
        await connection.write(TX, f"L0{number:04}I20\n".encode(), response=False)
    await world.firmware.until(lambda it: len(it.record) == 50)
    assert [round(told.to * 10_000) for told in world.firmware.record] == list(range(50))
    await connection.write(TX, b"D1\n", response=True)
    assert await heard.get() == b"TCode v0.3\r\n"
    await connection.unsubscribe(RX)
    await world.toy.say(b"#late:1\r\n")
    await asyncio.sleep(0.05)
    assert heard.empty()


async def test_what_a_cable_cannot_do_is_refused(world: World) -> None:
    connection = await world.radio.connect(world.address, lambda _: None)
    for doing in (
        connection.read(TX),
        connection.write(RX, b"x", response=False),
        connection.subscribe(TX, print),
        connection.unsubscribe(9),
    ):
        with pytest.raises(RadioError) as caught:
            await doing
        assert caught.value.code is ErrorCode.REFUSED


async def test_a_pulled_cable_is_told_once_and_the_device_comes_back(world: World) -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    for _ in range(2):
        connection = await world.radio.connect(world.address, gone.put_nowait)
        await world.toy.pull()
        assert await gone.get()
        with pytest.raises(RadioError) as caught:
            await connection.write(TX, b"L0500I10\n", response=False)
        assert caught.value.code is ErrorCode.GONE
        await connection.disconnect()
        async with scanning(world.radio) as heard:
            await until(lambda: not world.radio.info.on, "that it is not there")
            assert heard.empty()
            assert world.radio.info.text.startswith(world.absent)
            await world.toy.plug()
            await heard.get()
        assert gone.empty()
    assert world.radio.info.on


async def test_it_is_connected_only_once_and_let_go_quietly(world: World) -> None:
    gone: list[str] = []
    connection = await world.radio.connect(world.address, gone.append)
    with pytest.raises(RadioError) as caught:
        await world.radio.connect(world.address, gone.append)
    assert caught.value.code is ErrorCode.BUSY
    await connection.disconnect()
    await connection.disconnect()
    again = await world.radio.connect(world.address, gone.append)
    await connection.disconnect()
    await again.write(TX, b"V05\n", response=False)
    await world.firmware.until(lambda it: bool(it.record))
    assert gone == []


async def test_a_connect_given_up_leaves_the_port_free(world: World) -> None:
    world.firmware.mute = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await world.radio.connect(world.address, lambda _: None)
    world.firmware.mute = False
    connection = await world.radio.connect(world.address, lambda _: None)
    await connection.disconnect()


async def test_another_relay_is_told_who_has_the_port(wired: tuple[World, PtyToy]) -> None:
    world, toy = wired
    await world.radio.connect(ADDRESS, lambda _: None)
    with pytest.raises(RadioError) as caught:
        await radio_at(toy.path).connect(ADDRESS, lambda _: None)
    assert caught.value.code is ErrorCode.BUSY
    assert "is in use by" in caught.value.text


async def test_a_hung_reader_fills_the_port_and_no_queue_of_ours(
    wired: tuple[World, PtyToy],
) -> None:
    """The pipe takes some kilobytes; then a write waits, and what was given up never arrives."""
    world, toy = wired
    connection = await world.radio.connect(ADDRESS, lambda _: None)
    loop = asyncio.get_running_loop()
    assert toy.ours is not None
    loop.remove_reader(toy.ours)
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.2):
                await connection.write(TX, b"L0500I20\n" * 50, response=False)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await connection.write(TX, b"V19\n", response=False)
    toy.listen()
    await connection.write(TX, b"DSTOP\n", response=False)
    await world.firmware.until(lambda it: bool(it.stops))
    assert not any(told.axis == "V1" for told in world.firmware.record)


async def test_a_simple_protocol_is_connected_without_questions(tmp_path: Path) -> None:
    toy = PtyToy(tmp_path / "ttyTOY")
    toy.plug()
    radio = radio_at(toy.path, "nobra")
    async with scanning(radio) as heard:
        seen = await heard.get()
    assert seen.services == (stand_in("serial/nobra"),)
    connection = await radio.connect(ADDRESS, lambda _: None)
    await connection.write(TX, b"\x6f", response=False)
    await toy.firmware.until(lambda it: it.heard == b"\x6f")
    await radio.close()
    toy.pull()


def test_what_is_wrong_with_a_port_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "port"
    assert trouble(str(path), FileNotFoundError(2, "x")) == missing(str(path))
    path.write_text("")
    assert "may not open" in trouble(str(path), PermissionError(13, "x"))
    assert "is no serial port" in trouble(str(path), OSError(25, "x"))
    assert "another program" in trouble(str(path), OSError(16, "x"))
    assert holder(str(path)) is None
