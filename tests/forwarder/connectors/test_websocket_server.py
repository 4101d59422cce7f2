from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from forwarder.access.admission import Admitted, Gatekeeper, HostNames, HttpVisitor, OriginPolicy
from forwarder.connectors.bounds import Bound, PeerOrigin, Purpose
from forwarder.connectors.doors import Doors
from forwarder.connectors.listener import Listener
from forwarder.connectors.websocket_server import WebSocketServer, add_websocket_route
from forwarder.errors import ConfigError, ForwarderError
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkRefused
from relay.link.websocket import DialFailed, WebSocketChannel, dial
from tests.forwarder.connectors.serving import closing, echo, serving


async def says(channel: Channel, frame: str) -> bool:
    await channel.send(frame)
    return await channel.receive() == frame


@pytest.mark.parametrize("path", ["", "/", "/buttplug", "/a/b/c?d=e", "/%20"])
async def test_every_path_of_both_loopback_addresses_reaches_the_handler(path: str) -> None:
    async with serving(WebSocketServer(port=0)) as address:
        port = address.rpartition(":")[2]
        for host in (f"127.0.0.1:{port}", f"[::1]:{port}", f"localhost:{port}"):
            channel = await dial(f"ws://{host}{path}")
            assert await says(channel, "hello")
            await channel.close()


async def test_a_taken_port_is_one_line_that_names_port_and_option() -> None:
    async with serving(WebSocketServer(port=0)) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(ConfigError) as taken:
            WebSocketServer(port=port, option="--port").bind()
    assert str(taken.value) == (
        f"Port {port} is taken by another program: end it, or choose another port with --port."
    )


async def test_a_port_taken_on_ipv6_alone_is_taken() -> None:
    other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with other, pytest.raises(ConfigError, match="is taken"):
        WebSocketServer(port=other.getsockname()[1]).bind()


async def test_a_bound_port_keeps_connections_until_the_server_runs() -> None:
    server = WebSocketServer(port=0)
    dialing = asyncio.create_task(dial(f"ws://127.0.0.1:{server.bind()}"))
    async with serving(server):
        channel = await dialing
        assert await says(channel, "early")
        await channel.close()


async def test_addresses_this_machine_does_not_have_are_left_out() -> None:
    # 203.0.113.0/24 is for documentation: nobody has such an address.
    async with serving(WebSocketServer(port=0, hosts=("203.0.113.1", "127.0.0.1"))) as address:
        channel = await dial(f"ws://{address}")
        await channel.close()
    with pytest.raises(ConfigError, match="none of the addresses"):
        WebSocketServer(port=0, hosts=("203.0.113.1",)).bind()


async def test_a_handler_that_fails_ends_its_own_channel_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail_once(channel: Channel) -> None:
        match await channel.receive():
            case "bug":
                raise ZeroDivisionError
            case "refuse":
                raise ForwarderError("You may not.")
            case _:
                await echo(channel)

    async with serving(WebSocketServer(port=0), fail_once) as address:
        good, bad, refused = [await dial(f"ws://{address}") for _ in range(3)]
        await good.send("fine")
        await bad.send("bug")
        await refused.send("refuse")
        closed = await closing(bad)
        assert (closed.code, closed.reason) == (1011, "internal error")
        assert (await closing(refused)).reason == "You may not."
        assert await says(good, "still here")
        await good.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert caplog.records[0].exc_info is not None


async def test_a_handler_that_ends_closes_its_channel() -> None:
    async def at_once(channel: Channel) -> None:
        await channel.send("bye")

    async with serving(WebSocketServer(port=0), at_once) as address:
        channel = await dial(f"ws://{address}")
        assert await channel.receive() == "bye"
        assert (await closing(channel)).code == 1000


async def test_the_end_of_the_server_closes_every_channel_and_frees_the_port() -> None:
    ended: list[int] = []

    async def note(channel: Channel) -> None:
        try:
            await echo(channel)
        except ChannelClosed as closed:
            ended.append(closed.code)
            raise

    server = WebSocketServer(port=0)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(server, note))
        channels = [await dial(f"ws://{address}") for _ in range(3)]
        async with asyncio.TaskGroup() as group:
            closed = [group.create_task(closing(channel)) for channel in channels]
            group.create_task(stack.aclose())
    assert [each.result().code for each in closed] == [1001] * 3
    assert ended == [1001] * 3
    again = WebSocketServer(port=server.port)
    again.bind()
    again.close()


async def test_peers_that_do_not_let_go_delay_the_end_of_the_server_by_half_a_second_at_most() -> (
    None
):
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(WebSocketServer(port=0)))
        channels = [await dial(f"ws://{address}") for _ in range(5)]
        host, port = address.split(":")
        half = socket.create_connection((host, int(port)))
        half.sendall(b"GET / HTTP/1.1\r\n")
        assert await says(channels[0], "here")
        async with asyncio.timeout(0.5):
            await stack.aclose()
        half.close()
    for channel in channels:
        await channel.close()


async def test_more_frames_than_allowed_bytes_close_with_the_code_for_it() -> None:
    async with serving(WebSocketServer(port=0, max_frame_bytes=1000)) as address:
        channel = await dial(f"ws://{address}")
        assert await says(channel, "x" * 900)
        await channel.send("x" * 1001)
        assert (await closing(channel)).code == 1009


async def test_a_silent_peer_that_answers_no_pings_is_dropped() -> None:
    async with serving(WebSocketServer(port=0, heartbeat_s=0.2)) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with asyncio.timeout(2):
            assert b"101" in await reader.readline()
            await reader.read()
        writer.close()


async def test_a_connection_without_a_request_is_dropped() -> None:
    async with serving(WebSocketServer(port=0, request_s=0.2)) as address:
        for request in (b"", b"GET / HTT"):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(request)
            async with asyncio.timeout(2):
                assert await reader.read() == b""
            writer.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_what_is_no_websocket_gets_an_answer_and_no_room_in_the_log(
    junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(WebSocketServer(port=0)) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(junk)
        async with asyncio.timeout(2):
            assert (await reader.readline()).split()[1] in (b"400", b"405")
        writer.close()
    assert caplog.records == []


async def test_a_good_client_gets_in_past_a_thousand_that_say_nothing() -> None:
    async with serving(WebSocketServer(port=0)) as address, AsyncExitStack() as stack:
        host, port = address.split(":")
        for _ in range(1000):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)
            await asyncio.get_running_loop().sock_connect(silent, (host, int(port)))
            silent.send(b"GET / HTTP/1.1\r\nHost:")
        async with asyncio.timeout(1):
            channel = await dial(f"ws://{address}")
            assert await says(channel, "hello")
        await channel.close()


async def test_the_oldest_that_says_nothing_has_to_go() -> None:
    doors = Doors(knocking=dict.fromkeys(PeerOrigin, Bound(2, 2)))
    async with serving(WebSocketServer(port=0, doors=doors)) as address:
        host, port = address.split(":")
        silent = [await asyncio.open_connection(host, port) for _ in range(3)]
        async with asyncio.timeout(1):
            assert await silent[0][0].read() == b""
        # An open websocket does not count, and is not pushed out.
        channel = await dial(f"ws://{address}")
        silent += [await asyncio.open_connection(host, port) for _ in range(3)]
        assert await says(channel, "still here")
        await channel.close()
        for _, writer in silent:
            writer.close()


async def test_more_websockets_than_allowed_are_turned_away() -> None:
    doors = Doors(settled_here=dict.fromkeys(Purpose, Bound(2, 2)))
    async with serving(WebSocketServer(port=0, doors=doors)) as address:
        channels = [await dial(f"ws://{address}") for _ in range(2)]
        with pytest.raises(DialFailed, match="503"):
            await dial(f"ws://{address}")
        await channels.pop().close()
        channels.append(await dial(f"ws://{address}"))
        for channel in channels:
            await channel.close()


async def test_who_does_not_prove_itself_in_time_has_to_go_and_who_does_stays() -> None:
    class Unproven(Gatekeeper):
        def admit(self, visitor: HttpVisitor) -> Admitted:
            return Admitted(dataclasses.replace(visitor, forwarded=True), proven=False)

    async def prove(channel: Channel, admitted: Admitted) -> None:
        while await channel.receive() != "my proof":
            pass
        assert admitted.settle(None)
        await echo(channel)

    server = WebSocketServer(port=0, gatekeeper=Unproven(), doors=Doors(proof_s=0.2))
    async with serving(server, visits=prove) as address:
        good, idle = [await dial(f"ws://{address}") for _ in range(2)]
        await good.send("my proof")
        async with asyncio.timeout(2):
            assert (await closing(idle)).code == 1006
        assert await says(good, "still here")
        await good.close()


async def test_small_frames_are_not_held_back_by_the_socket() -> None:
    seen: list[int] = []

    async def note(channel: Channel) -> None:
        assert isinstance(channel, WebSocketChannel)
        sock = channel.transport.get_extra_info("socket")
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await echo(channel)

    async with serving(WebSocketServer(port=0), note) as address:
        channel = await dial(f"ws://{address}")
        assert await says(channel, "hello")
        sock = channel.transport.get_extra_info("socket")
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await channel.close()
    assert all(seen)
    assert len(seen) == 2


async def test_compression_is_not_agreed_to() -> None:
    async with (
        serving(WebSocketServer(port=0)) as address,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{address}", compress=15) as ws,
    ):
        assert not ws.compress


async def test_a_person_with_a_browser_is_told_what_this_is() -> None:
    server = WebSocketServer(port=0, greeting="Point your app at ws://127.0.0.1:12345.")
    async with (
        serving(server) as address,
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/") as answer,
    ):
        assert answer.status == 426
        assert await answer.text() == "Point your app at ws://127.0.0.1:12345.\n"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://localhost:8080", 101),
        ("https://allowed.example", 101),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
async def test_pages_come_in_by_their_origin(origin: str | None, status: int) -> None:
    gatekeeper = Gatekeeper(OriginPolicy(["https://allowed.example"]))
    async with serving(WebSocketServer(port=0, gatekeeper=gatekeeper)) as address:
        headers = {} if origin is None else {"Origin": origin}
        if status == 101:
            channel = await dial(f"ws://{address}", headers=headers)
            await channel.close()
        else:
            with pytest.raises(LinkRefused, match=str(status)):
                await dial(f"ws://{address}", headers=headers)


async def test_a_refused_page_is_named_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(WebSocketServer(port=0)) as address:
        for _ in range(3):
            with pytest.raises(LinkRefused):
                await dial(f"ws://{address}", headers={"Origin": "https://evil.example"})
    assert [record.getMessage() for record in caplog.records] == [
        "refused a connection from 127.0.0.1: the web page https://evil.example is not allowed;"
        " if it is an app of yours, add it to the allowed origins"
    ]


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        ("Access-Control-Request-Private-Network", "Access-Control-Allow-Private-Network"),
        ("Access-Control-Request-Local-Network", "Access-Control-Allow-Local-Network"),
    ],
)
async def test_a_browser_may_ask_first_whether_a_page_may_come_in(asks: str, answers: str) -> None:
    gatekeeper = Gatekeeper(OriginPolicy(["https://allowed.example"]))
    server = WebSocketServer(port=0, gatekeeper=gatekeeper)
    async with serving(server) as address, aiohttp.ClientSession() as session:
        for origin, status in (("https://allowed.example", 204), ("https://evil.example", 403)):
            headers = {"Origin": origin, "Access-Control-Request-Method": "GET", asks: "true"}
            async with session.options(f"http://{address}/", headers=headers) as answer:
                assert answer.status == status
                assert (answer.headers.get(answers) == "true") == (status == 204)
                assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == (
                    status == 204
                )


async def test_whoever_comes_through_a_proxy_needs_a_token_which_may_be_in_three_places() -> None:
    seen: list[Admitted] = []

    def authorise(visitor: HttpVisitor) -> str | None:
        return "the guest" if visitor.tokens == ("secret",) else None

    async def note(channel: Channel, admitted: Admitted) -> None:
        seen.append(admitted)
        await channel.receive()

    server = WebSocketServer(port=0, gatekeeper=Gatekeeper(authorise=authorise))
    proxied = {"X-Forwarded-For": "198.51.100.7"}
    async with serving(server, visits=note) as address:
        for path in ("", "/other", "/token/wrong", "?token=wrong"):
            with pytest.raises(LinkRefused, match="401"):
                await dial(f"ws://{address}{path}", headers=proxied)
        for path in ("/token/secret", "/token/secret/", "?token=secret"):
            channel = await dial(f"ws://{address}{path}", headers=proxied)
            await channel.close()
        channel = await dial(
            f"ws://{address}", headers={**proxied, "Authorization": "Bearer secret"}
        )
        await channel.close()
    assert [admitted.grant for admitted in seen] == ["the guest"] * 4


async def test_websockets_live_beside_other_routes_on_one_port() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="a page")

    async def visit(channel: Channel, _: Admitted) -> None:
        await echo(channel)

    app = web.Application()
    app.router.add_get("/", page)
    add_websocket_route(app, "/link", visit)
    listener = Listener(app, port=0, option="--link-port")
    port = listener.bind()
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as session:
        running = group.create_task(listener.run())
        await listener.ready.wait()
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert await answer.text() == "a page"
        channel = await dial(f"ws://127.0.0.1:{port}/link")
        assert await says(channel, "hello")
        await channel.close()
        running.cancel()


async def test_a_site_that_rebinds_its_name_to_this_machine_stays_outside() -> None:
    gatekeeper = Gatekeeper(OriginPolicy(hosts=HostNames(["hub.home"])))
    async with serving(WebSocketServer(port=0, gatekeeper=gatekeeper)) as address:
        port = address.rpartition(":")[2]
        for name, comes_in in (("evil.example", False), ("hub.home", False), ("127.0.0.1", True)):
            host = f"{name}:{port}"
            dialing = dial(f"ws://{address}", headers={"Host": host, "Origin": f"http://{host}"})
            if comes_in:
                await (await dialing).close()
            else:
                with pytest.raises(LinkRefused):
                    await dialing


async def test_the_largest_frame_that_may_come_does_come() -> None:
    server = WebSocketServer(port=0, max_frame_bytes=65_535)
    port = server.bind()
    heard: asyncio.Queue[int] = asyncio.Queue()

    async def listen(channel: Channel) -> None:
        heard.put_nowait(len(await channel.receive()))

    serving = asyncio.ensure_future(server.run(listen))
    try:
        channel = await dial(f"ws://127.0.0.1:{port}", heartbeat_s=None)
        await channel.send(bytes(65_535))
        async with asyncio.timeout(5):
            assert await heard.get() == 65_535
        await channel.close()
    finally:
        serving.cancel()
        await asyncio.wait([serving])
