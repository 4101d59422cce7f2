"""Frames over streams that are cut anywhere, stuck or gone; see also the conformance suite."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from relay.link.bounds import CLOSE_S, DIRECT_OUTBOX_BYTES, SEND_S
from relay.link.channel import Frame
from relay.link.close_codes import MESSAGE_TOO_BIG, NO_CLOSE, PROTOCOL_ERROR
from relay.link.direct.channel import DirectChannel
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual


class Streams:
    """What comes is given; what is written is kept. `stuck`: the other end takes nothing more."""

    def __init__(self, *came: bytes, stuck: bool = False) -> None:
        self.came = deque(came)
        self.written = b""
        self.stuck = stuck
        self.finished = self.ended = False
        self.waiting: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        if self.stuck:
            self.waiting = asyncio.get_running_loop().create_future()
            await self.waiting
        self.written += data

    def go_on(self) -> None:
        self.stuck = False
        assert self.waiting is not None
        self.waiting.set_result(None)

    async def finish(self) -> None:
        self.finished = True

    async def read(self, most: int) -> bytes:
        if not self.came:
            raise ChannelClosed(NO_CLOSE, "timed out")
        return self.came.popleft()

    async def hang_up(self) -> None:
        self.ended = True


def channel(streams: Streams, largest: int = 1024) -> DirectChannel:
    return DirectChannel(streams, peer="peer", way=lambda: (False, "here"), max_frame_bytes=largest)


def test_frames_come_whole_however_the_stream_is_cut() -> None:
    frames: list[Frame] = [b"", "x" * 300, b"\x00\xff", "\N{SNOWMAN}"]

    async def main() -> None:
        sent = Streams()
        there = channel(sent)
        for frame in frames:
            await there.send(frame)
        await there.close(1000, "enough")
        for size in range(1, 9):
            parts = [sent.written[at : at + size] for at in range(0, len(sent.written), size)]
            here = channel(Streams(*parts))
            assert [await here.receive() for _ in frames] == frames
            with pytest.raises(ChannelClosed, match="enough") as closed:
                await here.receive()
            assert closed.value.code == 1000
        assert sent.finished
        assert sent.ended

    run_virtual(main())


@pytest.mark.parametrize(
    ("came", "code"),
    [
        (b"\x00\x00\x04\x01", MESSAGE_TOO_BIG),
        (b"\x3f\xff\xff\xff", MESSAGE_TOO_BIG),
        (b"\x80\x00\x00\x01\xff", PROTOCOL_ERROR),
        (b"\x00\x00\x00\x05half", NO_CLOSE),
        (b"\x40\x00\x00\x00", 0),
        (b"", NO_CLOSE),
    ],
)
def test_what_is_no_frame_ends_it(came: bytes, code: int) -> None:
    async def main() -> None:
        streams = Streams(came)
        here = channel(streams)
        for _ in range(2):
            with pytest.raises(ChannelClosed) as closed:
                await here.receive()
            assert closed.value.code == code
        await here.close()
        assert streams.ended
        assert not streams.finished  # whoever is gone hears no goodbye

    run_virtual(main())


def test_a_peer_that_takes_nothing_is_given_up_by_whoever_sends() -> None:
    async def main() -> None:
        streams = Streams(stuck=True)
        here = channel(streams)
        await here.send(b"one is under way")
        await here.send(bytes(DIRECT_OUTBOX_BYTES))
        assert not here.ready
        assert not here.send_now(b"")
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(ChannelClosed, match="took no frame"):
            await here.send(b"another")
        assert clock() - began == pytest.approx(SEND_S)
        assert streams.ended

    run_virtual(main())


def test_a_close_takes_a_second_whatever_the_peer_does() -> None:
    async def main() -> None:
        streams = Streams(stuck=True)
        here = channel(streams)
        await here.send(b"one is under way")
        clock = asyncio.get_running_loop().time
        began = clock()
        await here.close()
        await here.close()
        assert clock() - began == pytest.approx(CLOSE_S)
        assert streams.ended

    run_virtual(main())


def test_a_write_that_fails_for_any_reason_ends_it() -> None:
    class Broken(Streams):
        async def write(self, data: bytes) -> None:
            raise RuntimeError("a bug")

        async def read(self, most: int) -> bytes:
            await asyncio.get_running_loop().create_future()
            return b""

    async def main() -> None:
        here = channel(Broken())
        receiving = asyncio.ensure_future(here.receive())
        await here.send(b"lost")
        with pytest.raises(ChannelClosed, match="internal error"):
            await receiving
        with pytest.raises(ChannelClosed):
            await here.send(b"nothing may follow")
        await here.close()

    run_virtual(main())


def test_a_send_that_is_cancelled_while_it_waits_sends_nothing() -> None:
    async def main() -> None:
        streams = Streams(stuck=True)
        here = channel(streams)
        await here.send(b"under way")
        await here.send(bytes(DIRECT_OUTBOX_BYTES))
        waiting = asyncio.ensure_future(here.send(b"second"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        streams.go_on()
        await here.send(b"third")
        await here.close()
        assert b"second" not in streams.written
        assert b"third" in streams.written

    run_virtual(main())
