from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from aiohttp import web

from forwarder.clients.bounds import BUSY_S, GONE_S, PING_S
from forwarder.clients.silence import PeerSilent, Silence
from relay.link.channel import Frame
from relay.link.websocket import WebSocketChannel
from tests.doubles.clock import run_virtual


class Transport(asyncio.Transport):
    """Of a peer that says something at these times; `reading`: whether this end reads."""

    reading = True

    def __init__(self) -> None:
        super().__init__()
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_reading(self) -> bool:
        return self.reading


class Socket(web.WebSocketResponse):
    """Notes pings, and answers them at once, or once it is back."""

    def __init__(self, transport: Transport, busy_at: float, back_at: float) -> None:
        super().__init__()
        self._peer = transport
        self._away = (busy_at, back_at)
        self.pings: list[float] = []

    async def ping(self, message: bytes = b"") -> None:
        now = asyncio.get_running_loop().time()
        self.pings.append(now)
        protocol = self._peer.get_protocol()
        assert isinstance(protocol, asyncio.Protocol)
        busy_at, back_at = self._away
        answers_at = back_at if busy_at <= now < back_at else now
        asyncio.get_running_loop().call_at(answers_at, protocol.data_received, b"pong")


def listen(busy_at: float, back_at: float, *, for_s: float, reading: bool = True) -> Heard:
    async def main() -> Heard:
        transport = Transport()
        transport.reading = reading
        ws = Socket(transport, busy_at, back_at)
        channel = WebSocketChannel(ws, transport, peer="app")
        loop = asyncio.get_running_loop()
        heard = Heard(ws)
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(for_s):
                    due = asyncio.Event()
                    busy = partial(_note, heard.busy, loop.time)
                    silence = Silence(channel, busy, due.set)
                    silence.listen()
                    while await due.wait():
                        due.clear()
                        await silence.tend()
            except PeerSilent:
                heard.gone = loop.time()
        return heard

    return run_virtual(main())


def _note(times: list[float], clock: Callable[[], float]) -> None:
    times.append(clock())


def _idle() -> None:
    raise AssertionError("nobody listens here")


class Heard:
    def __init__(self, ws: Socket) -> None:
        self.ws = ws
        self.busy: list[float] = []
        self.gone: float | None = None


def test_a_client_that_answers_is_pinged_now_and_then_and_left_alone() -> None:
    heard = listen(1e9, 1e9, for_s=60)
    assert len(heard.ws.pings) == pytest.approx(60 / PING_S, abs=1)
    assert (heard.busy, heard.gone) == ([], None)


def test_a_loading_screen_of_fifteen_seconds_stops_the_toys_and_keeps_the_session() -> None:
    heard = listen(10, 25, for_s=60)
    (busy,) = heard.busy
    assert 10 < busy <= 10 + BUSY_S
    assert heard.gone is None


def test_a_second_loading_screen_counts_as_the_first() -> None:
    heard = listen(10, 22, for_s=30)
    assert len(heard.busy) == 1
    heard = listen(10, 1e9, for_s=100)
    assert heard.gone == pytest.approx(heard.busy[0] - BUSY_S + GONE_S, abs=0.1)


def test_what_this_end_does_not_read_is_no_silence_of_the_other() -> None:
    heard = listen(0, 1e9, for_s=60, reading=False)
    assert (heard.busy, heard.gone) == ([], None)


def test_a_client_that_takes_nothing_is_busy_and_then_gone() -> None:
    class Stuck:
        peer = "stuck"

        @property
        def ready(self) -> bool:
            return False

        def send_now(self, frame: Frame) -> bool:
            return False

        async def send(self, frame: Frame) -> None:
            await asyncio.sleep(3600)

        async def receive(self) -> Frame:
            raise AssertionError("nobody receives here")

        async def close(self, code: int = 1000, reason: str = "") -> None:
            raise AssertionError("nobody closes here")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        busy: list[float] = []
        with pytest.raises(PeerSilent):
            await Silence(Stuck(), partial(_note, busy, loop.time), _idle).send("hello")
        assert busy == [pytest.approx(BUSY_S)]
        assert loop.time() == pytest.approx(GONE_S)

    run_virtual(main())
