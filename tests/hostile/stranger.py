"""`python -m tests.hostile.stranger`: what was found at the doors, tried again as by hand: a hub as
a person starts it, and sockets that say whatever they like. One line for each try.

Exit status 1 if anything does not hold. The peers that do such things by the thousand are in
peers.py; rows that need a relay, a radio or a browser have the tests that docs/faults.md names.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from tests.hostile.strangers import upgrade
from tests.system.processes import Program, free_ports, until

HERE = "127.0.0.1"
# The longest that an answer may take on a busy machine.
ANSWER_S = 10.0
STANDS_STILL_S = 10.0


def say(host: str, port: int, said: bytes, *, wait_s: float = ANSWER_S) -> str:
    """Status line of the answer; "nothing" if none came."""
    try:
        with socket.create_connection((host, port), wait_s) as sock:
            sock.settimeout(wait_s)
            sock.sendall(said)
            return sock.recv(4096).partition(b"\r\n")[0].decode(errors="replace")
    except OSError:
        return "nothing"


def request(line: str, host: str, *more: str, body: bytes = b"") -> bytes:
    heads = "".join(f"{one}\r\n" for one in (f"Host: {host}", *more))
    return f"{line} HTTP/1.1\r\n{heads}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def crowd(host: str, port: int, count: int, said: bytes = b"") -> Iterator[None]:
    """So many connections at once."""
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((host, port))
        socks.append(sock)
    time.sleep(0.3)
    for sock in socks:
        with suppress(OSError):
            sock.send(said)
    time.sleep(0.7)
    yield
    for sock in socks:
        sock.close()


class House:
    """A hub of a person's, with a port for the network, and how it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients, self.link, self.https = free_ports(3)
        (folder / "hub.toml").write_text(
            f'state = "{folder / "state"}"\n[clients]\nport = {self.clients}\n'
            f"[link]\nport = {self.link}\nhttps_port = {self.https}\n"
            '[radio]\nsimulate = ["Lovense Hush"]\n'
        )
        self.program = self._program("run")

    def _program(self, name: str) -> Program:
        more = ["--log", "info", "run", "--config", str(self.folder / "hub.toml")]
        return Program("forwarder", more, self.folder, name)

    @property
    def pid(self) -> int:
        return self.program.process.pid

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def memory_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def here(self, line: str, *more: str, body: bytes = b"") -> str:
        return say(HERE, self.link, request(line, f"{HERE}:{self.link}", *more, body=body))

    def client(self, path: str, *more: str) -> str:
        heads = "".join(f"{one}\r\n" for one in more).encode("latin-1")
        return say(HERE, self.clients, upgrade(path, heads))

    async def second(self) -> int | None:
        program = self._program("second")
        await program.start()
        return await program.process.wait()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        it = House(Path(folder))
        await it.program.start()
        try:
            await until(lambda: it.here("GET /") != "nothing", "the hub listens")
            yield it
        finally:
            await it.program.end()


Try = Callable[[House], tuple[object, object]]
"""Returns what came and what has to."""


def _bombs(it: House) -> tuple[object, object]:
    bomb = gzip.compress(bytes(10 << 20), 9) * 50
    before = it.memory_mib
    for _ in range(20):
        it.here("POST /api/v1/stop", "Content-Encoding: gzip", body=bomb)
    return it.memory_mib - before < 30, True


def _no_tls(it: House) -> tuple[object, object]:
    with crowd(HERE, it.https, 900):
        return it.descriptors < 400, True


def _events(it: House) -> tuple[object, object]:
    with crowd(HERE, it.link, 300, upgrade("/api/v1/events")):
        came = [say(HERE, it.link, upgrade("/link/plain")) for _ in range(20)]
    return came.count("HTTP/1.1 101 Switching Protocols"), 20


def _pictures(it: House) -> tuple[object, object]:
    evil = ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
    return {it.here("GET /?i", *evil) for _ in range(70)}, {"HTTP/1.1 403 Forbidden"}


def _mint(host: str) -> Try:
    def attempt(it: House) -> tuple[object, object]:
        named = f"{host}:{it.link}"
        line = request("POST /api/v1/page", named, f"Origin: http://{named}")
        return say(HERE, it.link, line).split()[1] in ("403", "421"), True

    return attempt


def _page(origin: str, status: str) -> Try:
    return lambda it: (it.client("/", f"Origin: {origin}").split()[1], status)


_BAD = "HTTP/1.1 401 Unauthorized"
TRIES: dict[str, Try] = {
    "20 x gzip that stands for 500 MiB": _bombs,
    "900 that never finish TLS": _no_tls,
    "300 readers of events, then 20 relays": _events,
    "70 pictures on another site": _pictures,
    "a token that there is not, in a path": lambda it: (it.client("/bpft_x"), _BAD),
    "… in /token/": lambda it: (it.client("/token/x"), _BAD),
    "… in a query": lambda it: (it.client("/?token=x"), _BAD),
    "… in a header": lambda it: (it.client("/", "Authorization: Bearer x"), _BAD),
    "… of bytes that are no text": lambda it: (it.client("/", "Authorization: Bearer \xff"), _BAD),
    "another path, as ever": lambda it: (it.client("/buttplug").split()[1], "101"),
    "a page's token by GET": lambda it: (it.here("GET /api/v1/page").split()[1], "404"),
    "a page of this machine's name": _mint(socket.gethostname()),
    "… of its name in mDNS": _mint(f"{socket.gethostname()}.local"),
    "… of somebody's name": _mint("evil.example"),
    "… of a zone": _mint("127.0.0.1%.evil.example"),
    "an app in a web view": _page("tauri://localhost", "101"),
    "a file in a browser": _page("file://", "403"),
    "an extension": _page("chrome-extension://abc", "403"),
    "a site": _page("https://evil.example", "403"),
    "null": _page("null", "403"),
}


async def main() -> int:
    wrong = 0

    def told(name: str, fine: bool, came: object = "") -> None:
        nonlocal wrong
        wrong += not fine
        print(f"{name:<44}{'holds' if fine else f'DOES NOT HOLD: {came}'}", flush=True)

    async with house() as it:
        for name, attempt in TRIES.items():
            came, wanted = await asyncio.to_thread(attempt, it)
            told(name, came == wanted, came)
        told("a second hub on the same folder", await it.second() == 2)
        os.kill(it.pid, signal.SIGSTOP)
        await asyncio.sleep(STANDS_STILL_S)
        os.kill(it.pid, signal.SIGCONT)
        answer = await asyncio.to_thread(it.here, "GET /api/v1/status")
        told(f"{STANDS_STILL_S:g} s of standing still", answer.endswith("200 OK"), answer)
        log = (it.folder / "run.log").read_text()
        told(
            "no traceback, and little said", "Traceback" not in log and len(log) < 20_000, len(log)
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
