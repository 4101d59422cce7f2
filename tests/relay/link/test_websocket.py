"""What only websockets can do wrong; the promises of every channel are in the conformance suite."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.link.bounds import CONTROL_BURST, CONTROL_HZ, TURN_FRAMES
from relay.link.errors import ChannelClosed
from relay.link.websocket import DialFailed, WebSocketChannel, dial, shown_url
from tests.relay.link.channel_pairs import websocket

SOON_S = 5.0


async def ended(channel: WebSocketChannel) -> ChannelClosed:
    """How the channel ends; what arrives before that does not matter."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await channel.receive()
            except ChannelClosed as closed:
                return closed


async def fill(channel: WebSocketChannel) -> int:
    """Send until the peer, which does not read, holds it up; returns how many frames left."""
    taken = held_up = 0
    while held_up < 2:  # once, and it may have been this machine that was busy
        try:
            async with asyncio.timeout(0.2):
                await channel.send(bytes(1 << 16))
        except TimeoutError:
            held_up += not channel.ready
        else:
            taken, held_up = taken + 1, 0
    return taken


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_who_is_dialed_sends_nobody_elsewhere(status: int) -> None:
    """Else a meeting point could have the hubs that trust it ask for things in their networks."""
    asked: list[str] = []

    async def inside(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/inside", inside)
    async with TestServer(app) as server:

        async def elsewhere(request: web.Request) -> web.Response:
            where = {"Location": str(server.make_url("/inside"))}
            return web.Response(status=status, headers=where)

        app = web.Application()
        app.router.add_get("/at", elsewhere)
        async with TestServer(app) as hostile:
            with pytest.raises(DialFailed, match="sends its visitors elsewhere"):
                await dial(f"ws://{hostile.host}:{hostile.port}/at", headers={"X-Token": "secret"})
    assert asked == []


async def test_a_peer_that_does_not_read_is_given_up_after_the_deadline() -> None:
    async with websocket(send_s=0.2) as (listened, dialed):
        frame = bytes(1 << 16)
        with pytest.raises(ChannelClosed, match=r"has not read for 0\.2 s"):
            await asyncio.gather(*(listened.send(frame) for _ in range(1000)))
        assert (await ended(listened)).code == 1006
        assert dialed.peer


async def test_a_send_that_is_given_up_does_not_spoil_the_next_one() -> None:
    # aiohttp 3.14 lets it: every later send raises CancelledError, or waits for nothing.
    async with websocket() as (listened, dialed):
        taken = await fill(listened)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await listened.send("held up, too")
        for _ in range(taken):
            await dialed.receive()
        await listened.send("through")
        assert await dialed.receive() == "through"


async def test_a_stuck_peer_does_not_keep_the_socket_after_a_close() -> None:
    async with websocket() as (listened, dialed):
        await fill(listened)
        async with asyncio.timeout(SOON_S):
            await listened.close()
            # What was under way when the socket went down is all that the peer ever gets.
            assert (await ended(dialed)).code == 1006


class Watch:
    """Takes the place of a transport's protocol, and notes when the connection is no more."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.inner = transport.get_protocol()
        self.lost = asyncio.Event()
        transport.set_protocol(cast("asyncio.Protocol", self))

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)
        self.lost.set()


async def test_neither_does_one_whose_channel_was_being_received_from() -> None:
    async with websocket() as (listened, dialed):
        watch = Watch(listened.transport)
        receiving = asyncio.create_task(listened.receive())
        await fill(listened)
        async with asyncio.timeout(SOON_S):
            await listened.close()
            await watch.lost.wait()
        with pytest.raises(ChannelClosed):
            await receiving
        assert dialed.peer


async def test_what_was_sent_before_a_close_arrives_though_somebody_was_receiving() -> None:
    async with websocket() as (listened, dialed):
        receiving = asyncio.create_task(listened.receive())
        taken = await fill(listened)
        closing = asyncio.create_task(listened.close(1001, "enough"))
        with pytest.raises(ChannelClosed):
            await receiving
        for _ in range(taken):
            assert await dialed.receive() == bytes(1 << 16)
        assert (await ended(dialed)).code == 1001
        await closing


async def test_a_blocked_sender_hears_of_a_close_before_the_peer_does() -> None:
    async with websocket() as (_, dialed):
        await fill(dialed)
        sending = asyncio.create_task(dialed.send("held up"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(dialed.close())
        await asyncio.wait([sending, closing], return_when=asyncio.FIRST_COMPLETED)
        assert not closing.done()
        with pytest.raises(ChannelClosed):
            await sending
        await closing


async def test_a_lost_connection_ends_the_channel_at_both_ends() -> None:
    async with websocket() as (listened, dialed):
        with dialed.transport.get_extra_info("socket").dup() as sock:
            sock.shutdown(socket.SHUT_RDWR)
        assert (await ended(listened)).code == 1006
        assert (await ended(dialed)).code == 1006


async def test_a_peer_that_falls_silent_is_noticed_by_pings() -> None:
    async with websocket(heartbeat_s=0.2) as (listened, dialed):
        # The other end goes on, but it reads nothing any more: no pong.
        dialed.transport.pause_reading()
        closed = await ended(listened)
        assert (closed.code, closed.reason) == (1006, "the connection was lost")


async def test_pings_keep_a_channel_alive_that_has_nothing_to_say() -> None:
    async with websocket(heartbeat_s=0.1) as (listened, dialed):
        receiving = [asyncio.create_task(end.receive()) for end in (listened, dialed)]
        done, _ = await asyncio.wait(receiving, timeout=0.5)
        assert not done
        await listened.send("still")
        assert await receiving[1] == "still"
        receiving[0].cancel()


async def test_a_frame_beyond_the_cap_ends_the_channel_with_the_code_for_it() -> None:
    async with websocket(max_frame_bytes=1000) as (listened, dialed):
        await dialed.send("x" * 1001)
        async with asyncio.TaskGroup() as group:
            end = group.create_task(ended(listened))
            assert (await ended(dialed)).code == 1009
        assert end.result().code == 1009
        assert "bad websocket data" in end.result().reason


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x81\0\0\0\0\xff", 1007),  # text that is not UTF-8
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that does not exist
        (b"\xf1\x80\0\0\0\0", 1002),  # bits of extensions that were not agreed to
        (b"\x80\x80\0\0\0\0", 1002),  # the continuation of nothing
    ],
)
async def test_bad_websocket_data_ends_the_channel(data: bytes, code: int) -> None:
    async with websocket() as (listened, dialed):
        dialed.transport.write(data)
        async with asyncio.TaskGroup() as group:
            end = group.create_task(ended(listened))
            assert (await ended(dialed)).code == code
        assert end.result().code == code


async def test_a_close_without_a_code_is_one() -> None:
    async with websocket() as (listened, dialed):
        dialed.transport.write(b"\x88\x80\0\0\0\0")
        assert (await ended(listened)).code == 1005


async def test_a_long_reason_is_cut_between_characters() -> None:
    async with websocket() as (listened, dialed), asyncio.TaskGroup() as group:
        group.create_task(listened.close(1001, "x" + "é" * 100))
        closed = await ended(dialed)
        assert closed.reason == "x" + "é" * 61


async def test_a_channel_says_whether_it_is_open() -> None:
    async with websocket() as (listened, _):
        assert repr(listened) == "<WebSocketChannel dialer open>"
        await listened.close()
        assert repr(listened) == "<WebSocketChannel dialer closed>"


async def test_many_senders_at_once_are_all_served_or_all_told() -> None:
    async with websocket() as (listened, dialed):
        sending = [asyncio.create_task(listened.send(bytes(1 << 16))) for _ in range(200)]
        await asyncio.wait(sending, timeout=0.2)
        sending[-1].cancel()
        for _ in range(150):
            await dialed.receive()
        await dialed.close()
        done, pending = await asyncio.wait(sending, timeout=SOON_S)
        assert not pending
        assert {type(task.exception()) for task in done if not task.cancelled()} <= {
            ChannelClosed,
            type(None),
        }
        assert sum(task.cancelled() for task in done) <= 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://host:1/secret", "ws://host:1"),
        ("wss://user:secret@host/?token=secret", "wss://host"),
        ("ws://[::1]:1?token=secret", "ws://[::1]:1"),
        ("nonsense", "nonsense"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
        aiohttp.ClientPayloadError("half"),
        aiohttp.ServerTimeoutError("no pong"),
        BrokenPipeError(32, "Broken pipe"),
        OSError(113, "No route to host"),
        RuntimeError("unable to perform operation on <TCPTransport closed=True>"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_libraries_say_of_a_lost_connection_stays_below(error: Exception) -> None:
    class Lost:
        """Of a websocket: what is called here fails."""

        async def fail(self, *_: object, **__: object) -> None:
            raise error

        send_str = send_bytes = receive = ping = close = fail

        def exception(self) -> None:
            """None is kept."""

    async with websocket() as (listened, dialed):
        real = listened._ws
        listened._ws = Lost()  # type: ignore[assignment]
        if not isinstance(error, RuntimeError):  # of a receive that is a mistake of ours
            with pytest.raises(ChannelClosed, match="the connection was lost"):
                await listened.receive()
        listened._end = None
        await listened.ping()
        for frame in ("text", b"bytes"):
            listened._end = None
            with pytest.raises(ChannelClosed, match="the connection was lost"):
                await listened.send(frame)
        await listened.close()
        listened._ws = real
        assert dialed.peer


@pytest.mark.parametrize("what", ["ping", "frame"])
async def test_a_flood_of_small_frames_leaves_everybody_else_a_turn(what: str) -> None:
    count, turns = CONTROL_BURST if what == "ping" else 2000, 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with websocket() as (listened, dialed):
        for _ in range(count):
            if what == "ping":
                await dialed.ping()
            else:
                await dialed.send(b"")
        await dialed.send(b"last")
        await asyncio.sleep(0.2)  # all of it is there
        watching = asyncio.create_task(others())
        while await listened.receive() != b"last":
            pass
        watching.cancel()
        assert turns >= (count if what == "ping" else count / TURN_FRAMES)


async def test_a_peer_that_does_little_but_ping_is_read_slowly() -> None:
    count = CONTROL_BURST + 5
    async with websocket() as (listened, dialed):
        for _ in range(count):
            await dialed.ping()
        await dialed.send("behind them")
        before = asyncio.get_running_loop().time()
        assert await listened.receive() == "behind them"
        assert asyncio.get_running_loop().time() - before > 3 / CONTROL_HZ


async def test_a_ping_is_answered_unless_its_peer_does_not_read() -> None:
    async with websocket() as (listened, dialed):
        receiving = asyncio.create_task(listened.receive())
        before = asyncio.get_running_loop().time()
        await dialed.ping()
        await asyncio.sleep(0.1)
        await dialed.send("on")
        assert await receiving == "on"
        assert dialed.silent_s() < asyncio.get_running_loop().time() - before


async def test_closing_reads_no_flood_to_find_a_goodbye_in_it() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with websocket() as (listened, dialed):
        for _ in range(200):
            await dialed.send(bytes(1000))
        await asyncio.sleep(0.2)  # all of it is there
        watching = asyncio.create_task(others())
        before = asyncio.get_running_loop().time()
        await listened.close(1008, "enough")
        assert asyncio.get_running_loop().time() - before < 0.5
        watching.cancel()
        assert (await ended(dialed)).code == 1006


async def test_a_peer_that_was_listened_to_gets_its_goodbye_however_much_it_said() -> None:
    async with websocket() as (listened, dialed):
        for _ in range(300):
            await dialed.send("ä" * 500)
            await listened.receive()
        receiving = asyncio.create_task(ended(dialed))
        await listened.close(1008, "enough")
        assert (await receiving).code == 1008
