from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forwarder.access.admission import Admitted, Gatekeeper
from forwarder.access.tls import client_tls, own_certificate
from forwarder.connectors.bounds import NEAR_LIMIT_S
from forwarder.connectors.websocket_client import Backoff, WebSocketClient, patience, websocket_url
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.errors import ConfigError
from relay.link.channel import Channel, channel_pair
from relay.link.errors import LinkRefused
from relay.link.websocket import DialFailed, dial
from tests.doubles.clock import run_virtual
from tests.forwarder.connectors.serving import serving


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("192.168.1.20:12345", "ws://192.168.1.20:12345"),
        ("ws://phone.local:12345/path?token=x", "ws://phone.local:12345/path?token=x"),
        ("wss://[::1]:12347", "wss://[::1]:12347"),
    ],
)
def test_an_address_may_be_short(text: str, url: str) -> None:
    assert websocket_url(text) == url


@pytest.mark.parametrize(
    "text", ["", "http://localhost", "ws://", "ws://host:port", "ws://h:99999"]
)
def test_what_is_no_address_is_the_users_mistake(text: str) -> None:
    with pytest.raises(ConfigError, match="no address to call"):
        websocket_url(text)


def test_waits_double_up_to_the_limit_and_are_random_below_that() -> None:
    longest = Backoff(0.5, 30.0, lambda: 1.0)
    delays = [longest.delay(failures) for failures in (0, 1, 2, 5, 6, 7, 10_000)]
    assert delays == [0.5, 1, 2, 16, 30, 30, 30]
    assert Backoff(0.5, 30.0, lambda: 0.0).delay(10) == 0


def test_a_server_on_this_machine_is_back_within_seconds_of_its_start() -> None:
    # A person has started it again, and looks at the app.
    for url, limit_s in (
        ("ws://127.0.0.1:1", NEAR_LIMIT_S),
        ("ws://localhost:1", NEAR_LIMIT_S),
        ("ws://[::1]:1", NEAR_LIMIT_S),
        ("ws://192.0.2.1:1", 30.0),
        ("ws://localhost.example:1", 30.0),
    ):
        assert patience(url).limit_s == limit_s


class Server:
    """Answers dials in virtual time: with an error, or with a channel that lasts so long."""

    def __init__(self, *answers: Exception | float) -> None:
        self.answers = list(answers)
        self.dialed_at: list[float] = []
        self.done = asyncio.Event()
        self.ending: list[asyncio.Task[None]] = []

    async def dial(self) -> Channel:
        loop = asyncio.get_running_loop()
        self.dialed_at.append(round(loop.time(), 3))
        if not self.answers:
            self.done.set()
            await asyncio.sleep(1e9)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        here, there = channel_pair()

        def end() -> None:
            self.ending.append(loop.create_task(there.close()))

        loop.call_later(answer, end)
        return here


def dials(*answers: Exception | float) -> list[float]:
    """When a client with the longest waits dials, given these answers."""

    async def main() -> list[float]:
        server = Server(*answers)
        client = WebSocketClient(
            "ws://there", backoff=Backoff(1.0, 30.0, lambda: 1.0), dial_once=server.dial
        )

        async def wait_for_the_end(channel: Channel) -> None:
            await channel.receive()

        running = asyncio.create_task(client.run(wait_for_the_end))
        await server.done.wait()
        running.cancel()
        await asyncio.wait([running])
        return server.dialed_at

    return run_virtual(main())


def test_failures_make_the_waits_longer_until_a_channel_lasts() -> None:
    down = DialFailed("nobody there")
    assert dials(down, down, 60.0, down) == [0, 2, 6, 67, 69]


def test_a_channel_that_ends_at_once_counts_as_a_failure() -> None:
    assert dials(0.0, 0.0, 0.0) == [0, 2, 6, 14]


def test_a_refusal_is_not_hurried() -> None:
    assert dials(LinkRefused("no")) == [0, 30]


def test_the_same_complaint_is_made_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "forwarder.connectors.websocket_client"):
        dials(DialFailed("a"), DialFailed("a"), DialFailed("b"), 20.0, DialFailed("b"))
    said = [(record.levelname, record.getMessage()[0]) for record in caplog.records]
    warned = [text for level, text in said if level == "WARNING"]
    assert warned == ["a", "b", "b"]


async def test_a_client_comes_back_when_its_server_does() -> None:
    greetings: asyncio.Queue[str] = asyncio.Queue()

    async def greet(channel: Channel) -> None:
        await channel.send("hello")
        await channel.receive()

    async def note(channel: Channel) -> None:
        greetings.put_nowait(str(await channel.receive()))
        await channel.receive()

    server = WebSocketServer(port=0)
    client = WebSocketClient(f"127.0.0.1:{server.bind()}", backoff=Backoff(0.02, 0.02))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run(note))
        for _ in range(2):
            async with serving(server, greet):
                assert await greetings.get() == "hello"
        running.cancel()


async def test_a_token_goes_with_every_dial() -> None:
    seen: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    async def note(channel: Channel, admitted: Admitted) -> None:
        seen.put_nowait(admitted.visitor.tokens)

    gatekeeper = Gatekeeper(authorise=lambda visitor: "the guest")
    server = WebSocketServer(port=0, gatekeeper=gatekeeper)
    async with serving(server, visits=note) as address:
        channel = await WebSocketClient(f"ws://{address}/path", token="secret").dial()
        assert await seen.get() == ("secret",)
        await channel.close()


async def test_a_certificate_must_be_trusted_or_pinned(tmp_path: Path) -> None:
    own = own_certificate(tmp_path / "one", [], datetime.now(UTC))
    other = own_certificate(tmp_path / "other", [], datetime.now(UTC))
    server = WebSocketServer(port=0, tls=own.server_context())
    async with serving(server) as address:
        with pytest.raises(LinkRefused, match=r"cannot be trusted: nobody .* has signed it") as no:
            await dial(f"wss://{address}")
        assert "SSL" not in str(no.value)
        with pytest.raises(LinkRefused, match="another certificate"):
            await dial(f"wss://{address}", tls=client_tls(other.fingerprint))
        channel = await dial(f"wss://{address}", tls=client_tls(own.fingerprint))
        await channel.send("hello")
        assert await channel.receive() == "hello"
        await channel.close()
        trusting = ssl.create_default_context(cafile=own.certificate)
        channel = await dial(f"wss://{address}", tls=trusting)
        await channel.close()


async def test_a_certificate_for_another_name_and_a_port_without_tls_are_told_as_such(
    tmp_path: Path,
) -> None:
    own = own_certificate(tmp_path, [], datetime.now(UTC))
    trusting = ssl.create_default_context(cafile=own.certificate)
    elsewhere = WebSocketServer(port=0, hosts=("127.0.0.2",), tls=own.server_context())
    port = elsewhere.bind()
    async with serving(elsewhere):
        with pytest.raises(LinkRefused, match="it is for another name; correct the address"):
            await dial(f"wss://127.0.0.2:{port}", tls=trusting)
    async with serving(WebSocketServer(port=0)) as address:
        with pytest.raises(LinkRefused, match="does not speak TLS there"):
            await dial(f"wss://{address}", tls=trusting)


async def test_what_cannot_be_reached_says_where_and_why_without_the_token() -> None:
    server = WebSocketServer(port=0)
    port = server.bind()
    server.close()
    with pytest.raises(DialFailed) as failed:
        await dial(f"ws://user:password@127.0.0.1:{port}/secret?token=secret")
    assert str(failed.value) == f"ws://127.0.0.1:{port} cannot be reached: nothing listens there"
    with pytest.raises(DialFailed, match="nothing listens there"):
        await dial(f"ws://localhost:{port}")
    with pytest.raises(DialFailed, match="there is no such host"):
        await dial("ws://no-such-host.invalid:1")


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(ignore, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(DialFailed, match=r"did not answer within 0\.1 s"):
        await dial(f"ws://127.0.0.1:{port}", open_s=0.1)
    for writer in writers:
        writer.close()
    silent.close()
