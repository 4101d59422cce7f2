"""The command line's way to the hub, by the socket and by a port with proofs."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from forwarder.api.control import ControlSocket
from forwarder.api.documents.model import Problem, TokenBody, TokenMade, TokenView
from forwarder.api.places import PLACE_FILE, PROOF_HEADER, SOCKET_FILE, ControlPort
from forwarder.commands.api_client import ApiClient, HubRefused, NoHub
from relay.link.files import proof
from relay.link.files.keys import write_private
from tests.doubles.running_hub import running_hub


def without_socket(folder: Path) -> Path:
    """A path too long for a socket."""
    folder = folder / ("x" * 120)
    folder.mkdir(mode=0o700)
    return folder


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@asynccontextmanager
async def control(folder: Path) -> AsyncIterator[ControlSocket]:
    async def echo(request: web.Request) -> web.Response:
        body = await request.text()
        if body == '"no"':
            return web.json_response({"error": "No."}, status=422)
        return web.json_response([request.method, request.path, body])

    app = web.Application()
    app.router.add_route("*", "/api/v1/{path:.*}", echo)
    served = ControlSocket(folder, app)
    served.bind()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(served.run())
        yield served
        running.cancel()


@pytest.fixture(params=["socket", "port"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path if request.param == "socket" else without_socket(tmp_path)


async def test_commands_ask_and_are_answered(folder: Path) -> None:
    async with control(folder):
        admin = ApiClient(folder)
        answer = await asyncio.to_thread(admin.send, "PUT", "/devices/1", list[str], {"a": 1})
        assert answer == ["PUT", "/api/v1/devices/1", '{"a":1}']
        with pytest.raises(HubRefused, match="No"):
            await asyncio.to_thread(admin.tell, "PUT", "/devices/1", "no")
        assert (folder / PLACE_FILE).exists() == (len(str(folder)) > 103)
        assert not any(path.stat().st_mode & 0o077 for path in files(folder))
    # Nothing is left for somebody else to be taken for.
    assert not files(folder)
    with pytest.raises(NoHub, match="start one"):
        ApiClient(folder).tell("GET", "/status")


async def test_what_a_command_says_reaches_the_hub_either_way(folder: Path) -> None:
    async with running_hub(folder, ()):
        body = TokenBody(name="guest", percent=40)
        made = await asyncio.to_thread(ApiClient(folder).send, "POST", "/tokens", TokenMade, body)
        assert made.name == "guest"
        (token,) = await asyncio.to_thread(ApiClient(folder).get, "/tokens", list[TokenView])
        assert token.percent == 40


async def test_what_a_killed_hub_left_is_no_hub_and_no_obstacle(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_FILE))
    with pytest.raises(NoHub, match="the last one has ended"):
        ApiClient(tmp_path).tell("GET", "/status")
    async with control(tmp_path):
        assert await asyncio.to_thread(ApiClient(tmp_path).get, "/status", list[str])


# --- the port, which anybody may have ------------------------------------------------------------


@contextmanager
def somebody_else(answers: dict[str, str]) -> Iterator[tuple[int, list[str]]]:
    """Another program at a port; what it answers to a challenge, and all that it heard."""
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.requestline}\n{self.headers}")
            body = json.dumps(answers).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "answers", [{}, {"challenge": "c", "proof": "p"}, {"challenge": "c", "proof": "\udcff"}]
)
def test_who_has_the_port_of_a_killed_hub_is_sent_nothing(
    tmp_path: Path, answers: dict[str, str]
) -> None:
    key = b"k" * 32
    with somebody_else(answers) as (port, heard):
        write_private(tmp_path / PLACE_FILE, msgspec.json.encode(ControlPort(port, key.hex())))
        with pytest.raises(NoHub, match="another program has its port"):
            ApiClient(tmp_path).send("POST", "/tokens", Problem, {"name": "secret"})
    (only,) = heard
    assert only.startswith("GET /challenge?nonce=")
    assert key.hex() not in only
    assert "secret" not in only
    assert PROOF_HEADER not in only


async def test_without_the_key_nothing_is_carried_out_and_no_proof_counts_twice(
    tmp_path: Path,
) -> None:
    folder = without_socket(tmp_path)
    async with control(folder):
        place = msgspec.json.decode((folder / PLACE_FILE).read_bytes(), type=ControlPort)
        key = bytes.fromhex(place.key)

        async def exchange(path: str, shown: str = "") -> tuple[int, bytes]:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{PROOF_HEADER}: {shown}\r\n\r\n"
            writer.write(head.encode())
            status = int((await reader.readline()).split()[1])
            length = 0
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            return status, await reader.readexactly(length)

        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        assert (await exchange("/api/v1/status"))[0] == 401
        _, said = await exchange("/challenge?nonce=n")
        challenge = json.loads(said)["challenge"]
        assert json.loads(said)["proof"] == proof.of_hub(key, "n", challenge)
        own = proof.Exchange(key, challenge)
        first = own.ask("GET", "/api/v1/status", b"")
        assert (await exchange("/api/v1/status", first))[0] == 200
        # The same once more, and after a wrong one nothing at all.
        assert (await exchange("/api/v1/status", first))[0] == 401
        own.ask("GET", "/api/v1/status", b"")
        assert (await exchange("/api/v1/status", own.ask("GET", "/api/v1/status", b"")))[0] == 401
        writer.close()
        # What was proven on one connection is worth nothing on another.
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        assert (await exchange("/api/v1/status", first))[0] == 401
        _, said = await exchange("/challenge?nonce=n")
        assert (await exchange("/api/v1/status", first))[0] == 401
        writer.close()


def test_each_part_of_a_request_is_proven() -> None:
    def asked(challenge: str, method: str, path: str, body: bytes) -> str:
        return proof.Exchange(b"k" * 32, challenge).ask(method, path, body)

    proofs = {
        asked("c", "GET", "/a", b"b"),
        asked("d", "GET", "/a", b"b"),
        asked("c", "PUT", "/a", b"b"),
        asked("c", "GET", "/ab", b""),
        asked("c", "GET", "/", b"ab"),
        asked("c", "GET/", "a", b"b"),
    }
    assert len(proofs) == 6
    one, two = proof.Exchange(b"k" * 32, "c"), proof.Exchange(b"k" * 32, "c")
    one.ask("GET", "/a", b"")
    two.ask("GET", "/a", b"")
    assert one.answer(200, b"x") == two.answer(200, b"x")
    assert one.answer(200, b"x") != two.answer(401, b"x")
    assert one.answer(200, b"x") != two.answer(200, b"y")
