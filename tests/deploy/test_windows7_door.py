"""The door of Windows 7: on a real Python 3.8, before a real hub, with the official client.

What it cannot show: Windows itself. The parts that are other there (keepalives, exclusive ports)
are looked at by nobody here.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from forwarder.access.admission import HostNames, OriginPolicy, Verdict
from forwarder.clients.bounds import PING_S
from forwarder.config import HTTPS_PORT
from tests.needs import missing, needs
from tests.system.processes import Program, Trace, free_ports, hub_program, until

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "deploy" / "windows7" / "door.py"
TOY = "Lovense Hush"
# A connection that is reset is known at once; the rest is this machine.
AT_ONCE_S = 1.0


def python38() -> str:
    """The path of a Python 3.8, the newest that Windows 7 has; skips where there is none."""
    candidates = [os.environ.get("FORWARDER_PYTHON38"), shutil.which("python3.8")]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates += map(str, sorted(versions.glob("3.8.*/bin/python")))
    path = next(filter(_is_python38, filter(None, candidates)), None)
    if path is None:
        missing("there is no Python 3.8 (FORWARDER_PYTHON38 says where one is)")
    return path


def _is_python38(path: str) -> bool:
    # pyenv's shims are there for versions that are not.
    asked = [path, "-c", "import ssl, sys; sys.exit(sys.version_info[:2] != (3, 8))"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def door() -> ModuleType:
    spec = importlib.util.spec_from_file_location("door", DOOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class DoorProgram(Program):
    """door.py under Python 3.8, with door.ini in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> None:
        super().__init__("", list(arguments), folder, "door")
        self._line = [*before, python38(), str(DOOR), "--settings", str(folder / "door.ini")]

    async def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self._line, *self._arguments, stdout=output, stderr=output
            )
        self._started = True


def forwarder(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forwarder", *words], capture_output=True, text=True, check=False
    )


class House:
    """A hub that others can reach, with one simulated toy, and a door beside an app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.client_port, link_port, self.https_port = free_ports(4)
        (folder / "hub.toml").write_text(
            f'clients = {{server_name = "Pi"}}\nlink = {{https_port = {self.https_port}}}\n'
        )
        self.trace = Trace(folder / "trace.jsonl")
        self.hub = hub_program(
            folder, self.client_port, link_port, "--lan", "--simulate", TOY,
            "--trace", str(self.trace.path), "--config", str(folder / "hub.toml"),
        )  # fmt: skip
        self.door = DoorProgram(folder, "--port", str(self.port))
        self.app = Program("tests.deploy.door_app", [f"ws://127.0.0.1:{self.port}"], folder, "app")

    def make_door_ini(self) -> None:
        made = forwarder(
            "token", "new", "win7", "--door", str(self.folder / "door.ini"),
            "--state", str(self.folder / "hub"),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr

    def settings(self, **changes: str) -> None:
        """Change lines of door.ini."""
        path = self.folder / "door.ini"
        lines = path.read_text().splitlines()
        for key, value in changes.items():
            lines = [f"{key} = {value}" if line.startswith(f"{key} ") else line for line in lines]
        path.write_text("\n".join(lines))

    async def check(self) -> tuple[int, str]:
        """`door.py --check`: exit code and what it says."""
        process = await asyncio.create_subprocess_exec(
            python38(), str(DOOR), "--settings", str(self.folder / "door.ini"), "--check",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode().strip()


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    home = House(folder)
    try:
        await home.hub.start()
        await home.hub.until_said(" connected")
        await asyncio.to_thread(home.make_door_ini)
        # This machine's own address may be one that no test can count on.
        home.settings(address=f"127.0.0.1:{home.https_port}")
        await home.door.start()
        await home.door.until_said("apps: ws://127.0.0.1:")
        yield home
    finally:
        for program in (home.app, home.door, home.hub):
            if hasattr(program, "process"):
                await program.end()


def more_stops(trace: Trace, than: int) -> bool:
    return trace.writes().count(b"Vibrate:0;") > than


def request(*, host: str = "127.0.0.1", origin: str | None = None) -> bytes:
    lines = [
        "GET / HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: ZG9vciBjaGVjayBkb29yIQ==",
    ]  # fmt: skip
    if origin is not None:
        lines.append(f"Origin: {origin}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def answer(port: int, data: bytes) -> str:
    """What the door answers to a request: the first 4 KiB."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return (await reader.read(4096)).decode(errors="replace")
    finally:
        writer.close()


# --- an app behind the door -----------------------------------------------------------------------


@pytest.mark.timeout(90)
async def test_an_app_drives_through_the_door_and_is_cut_at_once_when_the_hub_is_gone(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        await home.app.start()
        await home.app.until_said("driven")
        await home.trace.until_write(b"Vibrate:10;")
        assert await home.check() == (
            0,
            "The hub is there, is the right one, and takes the token.",
        )
        killed = home.hub.send(signal.SIGKILL)
        await home.app.until_said("lost ")
        lost = int(home.app.text.rpartition("lost ")[2])
        assert (lost - killed) / 1e9 < AT_ONCE_S
        await home.door.until_said("is gone: the hub has ended")
        # The next attempt of the app is told why, once.
        for _ in range(2):
            assert "the hub cannot be reached" in await answer(home.port, request())
        assert home.door.text.count("nothing listens there") == 1


async def test_the_toy_stops_when_the_app_or_the_door_goes(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        for victim in (home.app, home.door):
            await home.app.start()
            await home.app.until_said("driven")
            stops = home.trace.writes().count(b"Vibrate:0;")
            gone = victim.send(signal.SIGKILL)
            await until(partial(more_stops, home.trace, stops), "a stop")
            took = (home.trace.lines()[-1].t_ns - gone) / 1e9
            assert took < AT_ONCE_S
            await home.app.end()


async def test_ctrl_c_ends_it_quietly_while_an_app_is_here(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.app.start()
        await home.app.until_said("driven")
        home.door.send(signal.SIGINT)
        assert await home.door.wait() == 0
        assert "Traceback" not in home.door.text
        assert "unexpected" not in home.door.text
        await home.app.until_said("lost ")


async def test_it_refuses_foreign_pages_foreign_hosts_and_what_is_no_websocket(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        port = home.port
        assert " 101 " in await answer(port, request())
        assert " 101 " in await answer(port, request(origin="http://localhost:3000"))
        foreign = await answer(port, request(origin="https://evil.example"))
        assert " 403 " in foreign
        assert "list it under [pages] of door.ini" in foreign
        assert " 403 " in await answer(port, request(host="evil.example"))
        assert " 426 " in await answer(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert " 400 " in await answer(port, b"\x16\x03\x01\x00\r\n\r\n")
        assert " 431 " in await answer(port, b"GET / HTTP/1.1\r\n" + b"a" * 40_000)
        assert "Traceback" not in home.door.text


# --- what can be wrong ----------------------------------------------------------------------------


async def test_what_is_wrong_is_said_in_a_line_with_what_to_do(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        right = (tmp_path / "door.ini").read_text()
        token = next(line for line in right.splitlines() if line.startswith("token"))
        wrong: list[tuple[dict[str, str], str, str]] = [
            ({"fingerprint": ":".join(["AB"] * 32)}, "has another certificate", "make a new door"),
            ({"fingerprint": "AB:CD"}, "fingerprint wants 32 pairs", "--door"),
            ({"token": token[8:-4] + "AAAA"}, "does not take the token", "token new NAME"),
            ({"token": ""}, "token is missing", "--door"),
            ({"address": f"127.0.0.1:{free_ports(1)[0]}"}, "nothing listens", "run --lan"),
            ({"address": "no-such-hub.invalid"}, "this name is unknown here", "run --lan"),
            ({"address": "ws://hub:12345"}, "speaks wss only", "https port"),
            ({"address": "a b"}, "a:12347: this name", "b:12347: this name"),
            ({"[hub]": ""}, "token", "--door"),
        ]
        for changes, cause, remedy in wrong:
            (tmp_path / "door.ini").write_text(right)
            home.settings(**changes) if "[hub]" not in changes else None
            if "[hub]" in changes:
                (tmp_path / "door.ini").write_text("[hub]\naddress = 127.0.0.1\nfingerprint = a\n")
            code, said = await home.check()
            assert code == 1, said
            assert cause in said
            assert remedy in said
            assert "\n" not in said


async def test_a_port_without_tls_is_told_as_such(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.settings(address=f"127.0.0.1:{home.client_port}")
        code, said = await home.check()
        assert code == 1
        assert "there is no TLS at this port" in said


def test_the_first_start_writes_the_file_and_says_how_to_fill_it(tmp_path: Path) -> None:
    ini = tmp_path / "door.ini"
    done = subprocess.run(
        [python38(), str(DOOR), "--settings", str(ini)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "forwarder token new NAME --door door.ini" in done.stderr
    assert "fingerprint =" in ini.read_text()
    assert ini.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["nonsense", "[hub\n", "[hub]\na = 1\na = 2\n", "\xff\xfe"])
def test_a_damaged_file_is_one_line(tmp_path: Path, door: ModuleType, text: str) -> None:
    (tmp_path / "door.ini").write_text(text, encoding="latin-1")
    with pytest.raises(door.DoorError) as caught:
        door.Settings(str(tmp_path / "door.ini"))
    assert "\n" not in str(caught.value)


def test_a_taken_port_is_said(door: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(door.DoorError, match=r"another program has it.*--port"):
            door.listen(port)


# --- door.ini, as the hub writes it ---------------------------------------------------------------


def test_a_hub_that_nobody_elsewhere_reaches_writes_no_door(tmp_path: Path) -> None:
    done = forwarder("token", "new", "x", "--door", str(tmp_path / "d"), "--state", str(tmp_path))
    assert done.returncode == 1
    assert "forwarder run" in done.stderr
    assert not (tmp_path / "d").exists()


# --- held together with the hub -------------------------------------------------------------------

HOSTS = (
    "127.0.0.1", "127.0.0.1:12345", "localhost", "LOCALHOST:1", "a.localhost", "[::1]:12345", "::1",
    "127.8.8.8", "127.0.0.1%.evil.example", "localhost.evil.example", "evil.example", "",
)  # fmt: skip
ORIGINS = (
    "http://localhost", "https://127.0.0.1:8000", "http://[::1]:3000", "https://evil.example",
    "null", "", "file://", "file:///home/x.html", "content://x", "tauri://localhost", "app://x",
    "vscode-webview://abc", "chrome-extension://abc", "moz-extension://abc", "data:text/html,x",
    "https://localhost.evil.example", "http://127.0.0.1%.evil.example", "javascript://x",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_the_door_is_as_strict_as_the_hub(door: ModuleType, host: str, origin: str) -> None:
    policy = OriginPolicy(hosts=HostNames())
    try:
        door.judge(host, origin, frozenset())
    except door.Refused:
        carried = False
    else:
        carried = True
    assert carried == (policy.judge(origin, host) is Verdict.ALLOW and bool(host))


def test_a_listed_page_comes_in(door: ModuleType) -> None:
    door.judge("127.0.0.1", "https://Play.example/", frozenset({"https://play.example"}))


def test_its_numbers_agree_with_the_hub(door: ModuleType) -> None:
    assert door.HUB_PORT == HTTPS_PORT
    # A hub that is alive has said something by then: its answer, or its next ping.
    assert door.SILENT_S >= 2 * PING_S


def test_nothing_in_it_is_newer_than_python_3_8() -> None:
    vermin = needs(str(Path(sys.executable).with_name("vermin")), "vermin")
    done = subprocess.run(
        [vermin, "--no-tips", "-t=3.8-", "--violations", str(DOOR)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


# --- two machines ---------------------------------------------------------------------------------


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"no network namespaces here: {done.stderr.strip()}")


@pytest.fixture
def two_machines() -> Iterator[tuple[str, str]]:
    """Names of two network namespaces with a cable between them: 10.77.0.1 and 10.77.0.2."""
    needs("ip")
    names = (f"hub-{os.getpid()}", f"win7-{os.getpid()}")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "eth0", "netns", names[0], "type", "veth",
           "peer", "name", "eth0", "netns", names[1])  # fmt: skip
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "route", "add", "default", "via", f"10.77.0.{3 - number}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class Elsewhere(Program):
    """A program of ours in a network namespace."""

    def __init__(self, where: str, module: str, arguments: list[str], folder: Path, name: str):
        super().__init__(module, arguments, folder, name)
        self._where = where

    async def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", self._where, *self._words, *self._arguments,
                stdout=output, stderr=output,
            )  # fmt: skip
        self._started = True


@pytest.mark.timeout(120)
async def test_between_two_machines_an_app_is_cut_when_the_cable_is(
    tmp_path: Path, two_machines: tuple[str, str]
) -> None:
    there, here = two_machines
    ini = tmp_path / "door.ini"
    state = ["--state", str(tmp_path / "hub")]
    hub = Elsewhere(there, "forwarder", ["run", "--lan", "--simulate", TOY, *state], tmp_path, "h")
    token = Elsewhere(
        there, "forwarder", ["token", "new", "win7", "--door", str(ini), *state], tmp_path, "token"
    )
    door = DoorProgram(tmp_path, before=("ip", "netns", "exec", here))
    app = Elsewhere(here, "tests.deploy.door_app", ["ws://127.0.0.1:12345"], tmp_path, "app")
    try:
        await hub.start()
        await hub.until_said(" connected")
        await token.start()
        assert await token.wait(20) == 0, token.text
        assert "address = 10.77.0.1:12347" in ini.read_text()
        await door.start()
        await door.until_said("apps: ws://127.0.0.1:12345")
        await app.start()
        await app.until_said("driven")
        # Not an end that either side says: nothing comes through any more.
        cut = time.monotonic_ns()
        ip("-n", there, "link", "set", "eth0", "down")
        await until(lambda: "lost " in app.text, "the app is cut", 20)
        took = (int(app.text.rpartition("lost ")[2]) - cut) / 1e9
        print(f"cut after {took:.1f} s")
        assert took < 8
        assert "Traceback" not in door.text
    finally:
        for program in (app, door, token, hub):
            if hasattr(program, "process"):
                await program.end()
