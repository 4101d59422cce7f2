"""What only machines on the network have: a bounded rate, stops that get lost, silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from relay.link.messages import ErrorCode, Service
from relay.radio.base import Connection, RadioError
from relay.radio.wired.bounds import COPIES, COPY_S, GAP_S, SILENCE_S
from relay.radio.wired.connection import WirelessConnection
from relay.radio.wired.line import OnBytes, next_number
from relay.radio.wired.network import Tcp, Udp
from relay.radio.wired.place import RX, TX, WiredPlace
from relay.radio.wired.web import Web
from tests.doubles.clock import run_virtual
from tests.doubles.tcode_network import UdpToy, WebToy

PLACE = WiredPlace("tcode", "udp://toy:8000", "udp://toy:8000", "tcode-v03", 10, wireless=True)
DSTOP = b"DSTOP\n"


class RecordingLine:
    """`answers`: it says who it is when it is asked."""

    def __init__(self, *, answers: bool = True) -> None:
        self.number = next_number()
        self.sent: list[tuple[float, bytes]] = []
        self.answers = answers
        self.lost_because: str | None = None
        self.heard: OnBytes = lambda data: None
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        self.sent.append((self._loop.time(), data))

    def nudge(self, data: bytes) -> None:
        assert data == b"D1\n"
        if self.answers:
            self.heard(b"TCode v0.3\n")

    def lose(self, reason: str) -> None:
        self.lost_because = self.lost_because or reason

    def descriptor(self) -> int | None:
        return None

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return (data,)

    async def close(self) -> None:
        self.lose("closed")


def connected(line: RecordingLine) -> WirelessConnection:
    connection = WirelessConnection(PLACE, line, lambda _: None)
    line.heard = connection.heard
    return connection


def test_writes_are_as_far_apart_as_such_machines_take_them() -> None:
    async def play() -> list[float]:
        line = RecordingLine()
        connection = connected(line)
        for number in range(50):
            await connection.write(TX, f"L0{number:04}I10\n".encode(), response=False)
        await connection.disconnect()
        return [at for at, _ in line.sent]

    times = run_virtual(play())
    pauses = [after - before for before, after in pairwise(times)]
    assert len(pauses) == 49
    assert min(pauses) == pytest.approx(GAP_S)


@pytest.mark.parametrize("stop", [DSTOP, b"V00000\nV10000\n", b"A00\n"])
def test_a_stop_is_written_three_times_and_a_move_once(stop: bytes) -> None:
    async def play() -> list[tuple[float, bytes]]:
        line = RecordingLine()
        connection = connected(line)
        await connection.write(TX, b"L0999I10\n", response=False)
        await connection.write(TX, stop, response=False)
        await connection.write(TX, b"L0111I10\n", response=False)
        await connection.disconnect()
        return line.sent

    sent = run_virtual(play())
    assert [data for _, data in sent] == [b"L0999I10\n", *[stop] * COPIES, b"L0111I10\n"]
    times = [at for at, data in sent if data == stop]
    assert times[1] - times[0] == pytest.approx(COPY_S)


async def test_what_a_supervisor_writes_is_there_as_often() -> None:
    connection = connected(RecordingLine())
    assert connection.on_wire(DSTOP) == (DSTOP,) * COPIES
    assert connection.on_wire(b"L0500I20\n") == (b"L0500I20\n",)
    await connection.disconnect()


def test_one_that_does_not_answer_any_more_is_lost_and_one_that_does_is_not() -> None:
    async def play(answers: bool) -> str | None:
        line = RecordingLine(answers=answers)
        connection = connected(line)
        await asyncio.sleep(SILENCE_S + 1)
        lost = line.lost_because
        await connection.disconnect()
        return lost

    assert run_virtual(play(answers=True)) is None
    assert run_virtual(play(answers=False)) == "it does not answer any more"


async def test_answers_to_our_own_questions_are_not_passed_on() -> None:
    line = RecordingLine()
    connection = connected(line)
    heard: list[bytes] = []
    await connection.subscribe(RX, heard.append)
    connection.heard(b"TCode v0.3\n")
    connection._ask()
    connection.heard(b"#ok:1\n")
    assert heard == [b"TCode v0.3\n", b"#ok:1\n"]
    await connection.disconnect()


@asynccontextmanager
async def plugged(toy: UdpToy | WebToy) -> AsyncIterator[None]:
    await toy.plug()
    yield
    await toy.pull()


async def test_a_stop_arrives_although_two_datagrams_are_lost() -> None:
    toy = UdpToy()
    async with plugged(toy):
        line = await Udp("127.0.0.1", toy.port).open(lambda _: None, lambda _: None)
        connection: Connection = WirelessConnection(PLACE, line, lambda _: None)
        assert all(isinstance(service, Service) for service in connection.services)
        toy.lose = COPIES - 1
        await connection.write(TX, DSTOP, response=False)
        await toy.firmware.until(lambda it: bool(it.stops))
        await connection.disconnect()


@pytest.mark.parametrize("kind", [Tcp, Udp, Web])
async def test_where_nothing_listens_that_is_said(kind: type[Tcp] | type[Udp] | type[Web]) -> None:
    port = UdpToy().port
    lost: asyncio.Queue[str] = asyncio.Queue()
    if kind is Udp:
        line = await Udp("127.0.0.1", port).open(lambda _: None, lost.put_nowait)
        await line.send(b"D1\n")
        assert await lost.get() == "nothing listens there."
        return
    with pytest.raises(RadioError) as caught:
        await kind("127.0.0.1", port).open(lambda _: None, lost.put_nowait)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert caught.value.text.endswith("cannot be reached: nothing listens there.")


async def test_a_page_that_is_no_websocket_is_told_from_one() -> None:
    toy = WebToy()
    async with plugged(toy):
        with pytest.raises(RadioError) as caught:
            await Web("127.0.0.1", toy.port, "/elsewhere").open(lambda _: None, lambda _: None)
        assert caught.value.code is ErrorCode.REFUSED
        assert "is no websocket for T-Code" in caught.value.text


async def test_a_frame_that_a_supervisor_writes_behind_ours_is_understood() -> None:
    toy = WebToy()
    async with plugged(toy):
        line = await Web("127.0.0.1", toy.port).open(lambda _: None, lambda _: None)
        await line.send(b"L0999I9000\n")
        transport = line._transport
        assert transport is not None
        transport.write(b"".join(line.on_wire(DSTOP)))
        await toy.firmware.until(lambda it: bool(it.stops))
        await line.close()
