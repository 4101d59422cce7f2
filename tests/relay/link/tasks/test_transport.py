"""Writes that leave together, on a transport that writes down what it is given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.link.bounds import MANY_CHARS
from relay.link.tasks.transport import LoopTurn, TurnWrites, framed, turn_of
from relay.link.websocket import WebSocketChannel
from tests.relay.link.channel_pairs import websocket


class Written(asyncio.Transport):
    """`log` is shared: (name, bytes) of each call of the system, in order."""

    def __init__(self, name: str, log: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self._name, self._log = name, log
        self.closing = self.broken = False

    def write(self, data: Any) -> None:
        if self.broken:
            raise RuntimeError("unable to perform operation")
        self._log.append((self._name, bytes(data)))

    def is_closing(self) -> bool:
        return self.closing


class Bench:
    def __init__(self) -> None:
        self.log: list[tuple[str, bytes]] = []
        self.turn = LoopTurn()
        self.toy, self.app = Written("toy", self.log), Written("app", self.log)
        self.to_toy, self.to_app = (TurnWrites(each, self.turn) for each in (self.toy, self.app))


async def test_a_frame_that_is_alone_leaves_at_once() -> None:
    on = Bench()
    on.to_toy.write(b"1")
    assert on.log == [("toy", b"1")]


async def test_frames_of_a_turn_that_brings_several_leave_together_and_in_order() -> None:
    on = Bench()
    on.turn.more = True
    for number in range(3):
        on.to_toy.write(b"v%d" % number)
        on.to_app.write(b"o%d" % number)
    assert on.log == []
    await asyncio.sleep(0)
    assert on.log == [("toy", b"v0v1v2"), ("app", b"o0o1o2")]


async def test_an_answer_does_not_leave_before_the_value_that_it_answers_for() -> None:
    on = Bench()
    on.turn.more = True
    on.to_toy.write(b"value")
    on.turn.more = False  # this was the last of them
    on.to_app.write(b"ok")
    assert on.log == []
    await asyncio.sleep(0)
    assert on.log == [("toy", b"value"), ("app", b"ok")]
    on.to_app.write(b"alone")
    assert on.log[-1] == ("app", b"alone")


async def test_what_waits_leaves_though_its_writer_waits_for_ever() -> None:
    on = Bench()

    async def writer() -> None:
        on.turn.more = True
        on.to_toy.write(b"stop")
        await asyncio.get_running_loop().create_future()

    writing = asyncio.create_task(writer())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert on.log == [("toy", b"stop")]
    writing.cancel()


@pytest.mark.parametrize("how", ["closing", "broken"])
async def test_a_connection_that_is_no_more_keeps_no_other_from_its_frames(how: str) -> None:
    on = Bench()
    on.turn.more = True
    on.to_toy.write(b"lost")
    on.to_app.write(b"ok")
    setattr(on.toy, how, True)
    await asyncio.sleep(0)
    assert on.log == [("app", b"ok")]


async def test_a_loop_has_one_turn_and_another_loop_its_own() -> None:
    here = turn_of(asyncio.get_running_loop())
    assert turn_of(asyncio.get_running_loop()) is here
    other = asyncio.new_event_loop()
    assert turn_of(other) is not here
    other.close()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 0xFFFF, 0x10000, 200_000])
async def test_frames_of_each_length_are_read_as_they_were_written(size: int) -> None:
    async with websocket() as (listened, dialed):
        assert isinstance(listened, WebSocketChannel)
        assert isinstance(dialed, WebSocketChannel)
        for frame in ("x" * size, "\N{SNOWMAN}" * (size // 3), bytes(size)):
            assert listened.send_now(frame)
            assert await dialed.receive() == frame
            assert dialed.send_now(frame)
            assert await listened.receive() == frame


def test_a_short_frame_is_two_bytes_longer_than_what_it_carries() -> None:
    assert framed("Ok") == b"\x81\x02Ok"
    assert framed(b"\x00") == b"\x82\x01\x00"


def test_what_the_dialing_end_says_is_masked() -> None:
    """The example of RFC 6455, 5.7."""
    assert framed("Hello", 0x37FA213D).hex() == "818537fa213d7f9f4d5158"
    assert framed(b"", 0x37FA213D).hex() == "828037fa213d"
    assert framed(b"\0\0\0\0\0", 0x01020304).hex() == "8285" + "01020304" * 2 + "01"


async def test_what_was_held_precedes_whatever_comes_behind_it() -> None:
    async with websocket() as (listened, dialed):
        turn_of(asyncio.get_running_loop()).more = True
        assert listened.send_now("1")
        assert listened.send_now("2")
        await listened.send("3")
        assert listened.send_now("4")
        await listened.close()
        assert [await dialed.receive() for _ in range(4)] == ["1", "2", "3", "4"]


def test_a_list_for_many_is_put_into_a_frame_once() -> None:
    text, short = "ä" * (MANY_CHARS + 1), "ä" * MANY_CHARS
    assert framed(text) is framed(text)
    assert framed(text)[10:] == text.encode()
    assert framed(short)[10:] == short.encode()
    assert framed(text.encode())[1:] == framed(text)[1:]
