"""What came on a connection is looked at in slices, whatever it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.clients.slices import DearReads, SlicedProtocol
from forwarder.connectors.bounds import (
    CHEAP_BYTES,
    DEAR_READ_S,
    DEAR_REST,
    LOOK_AGAIN_S,
    SLICE_BYTES,
)
from tests.doubles.clock import run_virtual

DEAR_S = 2 * DEAR_READ_S
DEAR = b"dear, and enough" * (1 + CHEAP_BYTES // 16)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.reading, self.closed = True, False

    def is_reading(self) -> bool:
        return self.reading and not self.closed

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        assert not self.closed
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.closed
        self.reading = True

    def close(self) -> None:
        self.closed = True

    abort = close


class Inner(asyncio.Protocol):
    """Takes `costs_s` for each piece."""

    def __init__(self, costs_s: float = 0.0) -> None:
        self.costs_s = costs_s
        self.spent_s = 0.0
        self.said = b""
        self.pieces: list[int] = []
        self.ends = 0
        self.then: Callable[[], None] = lambda: None

    def data_received(self, data: bytes) -> None:
        self.spent_s += self.costs_s
        self.said += data
        self.pieces.append(len(data))
        self.then()

    def eof_received(self) -> None:
        self.ends += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends += 1


class Connection:
    def __init__(self, inner: Inner, dear: DearReads | None = None) -> None:
        self.inner, self.transport = inner, Transport()
        self.full = False
        self.lost = 0
        dear = dear or DearReads(lambda: inner.spent_s)
        self.protocol = SlicedProtocol(inner, self._lost, dear, lambda: self.full)
        self.protocol.connection_made(self.transport)

    def _lost(self) -> None:
        self.lost += 1
        self.protocol.forget()

    def comes(self, data: bytes) -> None:
        assert self.transport.reading, "the transport reads nothing now"
        self.protocol.data_received(data)


def numbered(slices: int) -> bytes:
    return b"".join(bytes([n]) * SLICE_BYTES for n in range(slices)) + b"end"


def test_what_is_cheap_is_looked_at_at_once_and_reading_goes_on() -> None:
    async def run() -> None:
        it = Connection(Inner())
        it.comes(b"short")
        it.comes(numbered(30))
        assert it.inner.said == b"short" + numbered(30)
        assert max(it.inner.pieces) == SLICE_BYTES
        assert it.transport.reading

    run_virtual(run())


def test_of_what_is_dear_a_slice_is_looked_at_and_then_it_rests() -> None:
    async def run() -> None:
        it = Connection(Inner(DEAR_S))
        it.comes(numbered(3))
        for slices in range(1, 4):
            assert len(it.inner.said) == slices * SLICE_BYTES
            assert not it.transport.reading
            await asyncio.sleep(DEAR_S * DEAR_REST * 1.01)
        assert it.inner.said == numbered(3)
        await asyncio.sleep(DEAR_S * DEAR_REST * 1.01)
        assert it.transport.reading

    run_virtual(run())


def test_what_a_little_costs_nobody_asks_the_system() -> None:
    asked: list[None] = []

    def cpu() -> float:
        asked.append(None)
        return 0.0

    it = Connection(Inner(), DearReads(cpu))
    it.comes(bytes(CHEAP_BYTES))
    assert (asked, it.protocol.given, it.inner.pieces) == ([], CHEAP_BYTES, [CHEAP_BYTES])
    it.comes(bytes(CHEAP_BYTES + 1))
    assert len(asked) == 2


def test_connections_that_are_dear_to_read_rest_one_after_the_other() -> None:
    async def run() -> None:
        spent = Inner(DEAR_S)
        dear = DearReads(lambda: spent.spent_s)
        several = [Connection(spent, dear) for _ in range(3)]
        for each in several:
            each.comes(DEAR)
        several[2].transport.closed = True
        rest_s = DEAR_S * DEAR_REST
        await asyncio.sleep(rest_s * 1.01)
        assert [each.transport.reading for each in several[:2]] == [True, False]
        await asyncio.sleep(rest_s)
        assert several[1].transport.reading
        await asyncio.sleep(1)

    run_virtual(run())


def test_behind_a_request_for_a_websocket_everything_waits_until_that_is_open() -> None:
    async def run() -> None:
        it = Connection(Inner())

        def asked() -> None:
            it.full = len(it.inner.pieces) == 1

        it.inner.then = asked
        it.comes(numbered(5))
        assert it.inner.pieces == [SLICE_BYTES]
        await asyncio.sleep(10 * LOOK_AGAIN_S)
        assert it.inner.pieces == [SLICE_BYTES]
        assert not it.transport.reading
        it.full = False
        await asyncio.sleep(2 * LOOK_AGAIN_S)
        assert it.inner.said == numbered(5)
        assert it.transport.reading

    run_virtual(run())


def test_what_waits_comes_at_once_when_it_is_asked_for() -> None:
    async def run() -> None:
        it = Connection(Inner())
        it.inner.then = lambda: setattr(it, "full", True)
        it.comes(numbered(5))
        for slices in range(2, 5):
            it.full = False
            it.protocol.wake()
            it.protocol.wake()
            for _ in range(5):
                await asyncio.sleep(0)
            assert len(it.inner.pieces) == slices
        it.full = True
        it.protocol.wake()  # and is not given to who has enough
        await asyncio.sleep(0.1)
        assert len(it.inner.pieces) == 4

    run_virtual(run())


def test_who_has_enough_is_given_nothing_until_it_wants_more_and_then_all_in_order() -> None:
    async def run() -> None:
        it = Connection(Inner())
        it.inner.then = it.transport.pause_reading
        it.comes(numbered(5))
        await asyncio.sleep(1)
        assert it.inner.pieces == [SLICE_BYTES]
        it.inner.then = lambda: None
        it.transport.resume_reading()
        it.comes(b"more")  # before it was seen that there is room again
        await asyncio.sleep(2 * LOOK_AGAIN_S)
        assert it.inner.said == numbered(5) + b"more"
        assert it.transport.reading

    run_virtual(run())


def test_a_pause_of_aiohttps_is_not_ended_by_the_end_of_a_rest() -> None:
    async def run() -> None:
        it = Connection(Inner(DEAR_S))
        it.inner.then = it.transport.pause_reading
        it.comes(DEAR)
        await asyncio.sleep(1)
        assert not it.transport.reading

    run_virtual(run())


def test_the_end_of_the_stream_comes_behind_what_is_left() -> None:
    async def run() -> None:
        it = Connection(Inner(DEAR_S))
        it.comes(numbered(2))
        assert it.protocol.eof_received()
        assert it.inner.ends == 0
        await asyncio.sleep(1)
        assert it.inner.said == numbered(2)
        assert it.inner.ends == 1
        assert it.transport.closed

    run_virtual(run())


def test_what_is_left_of_a_lost_connection_is_dropped() -> None:
    async def run() -> None:
        it = Connection(Inner(DEAR_S))
        it.comes(numbered(3))
        it.protocol.connection_lost(None)
        await asyncio.sleep(1)
        assert len(it.inner.said) == SLICE_BYTES
        assert (it.lost, it.inner.ends) == (1, 1)

    run_virtual(run())


def test_data_that_trips_aiohttp_up_ends_its_connection_and_no_other() -> None:
    """Else nobody behind it would ever be read again."""

    async def run() -> None:
        seen: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        spent = Inner(DEAR_S)
        dear = DearReads(lambda: spent.spent_s)
        bad, good = Connection(spent, dear), Connection(spent, dear)
        bad.comes(numbered(1))
        good.comes(numbered(1))
        bug = LookupError("a bug")

        def stumbles() -> None:
            spent.then = lambda: None
            raise bug

        spent.then = stumbles
        await asyncio.sleep(1)
        assert seen == [bug]
        assert bad.transport.closed
        assert good.transport.reading
        assert spent.said.count(b"end") == 2

    run_virtual(run())
