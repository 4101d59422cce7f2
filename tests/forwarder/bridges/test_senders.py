"""Programs that end: found by their port, watched, and told once all of a sender have ended."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Hashable

import pytest

from forwarder.bridges import senders as module
from forwarder.bridges.bounds import LOOK_S
from forwarder.bridges.senders import Protocol, Senders, program_of

# Says its port, and lives until it is killed.
_GAME = """
import socket, sys
sock = socket.socket(type=socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM)
sock.bind(("127.0.0.1", 0))
if sys.argv[1] == "tcp":
    sock.connect(("127.0.0.1", int(sys.argv[2])))
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Game:
    def __init__(self, protocol: Protocol, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _GAME, protocol, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def die(self) -> None:
        self.process.kill()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_program_is_found_by_its_port(protocol: Protocol) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        game = Game(protocol, server.getsockname()[1])
        try:
            assert program_of(protocol, game.port) == game.process.pid
            assert program_of(protocol, server.getsockname()[1]) is None  # this one's own
            assert program_of(protocol, 1) is None
        finally:
            game.end()


class Watched:
    """Ports that stand for programs, as `find` says."""

    def __init__(self, silence_s: float = 10.0) -> None:
        self.ended: list[Hashable] = []
        self.asked: list[int] = []
        self.pids: dict[int, int] = {}
        self.senders = Senders("udp", self.ended.append, silence_s, self.find)

    def find(self, protocol: Protocol, port: int) -> int | None:
        self.asked.append(port)
        return self.pids.get(port)


async def watching(scene: Callable[[Watched], Awaitable[None]]) -> None:
    watched = Watched()
    running = asyncio.create_task(watched.senders.run())
    try:
        await scene(watched)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def told(watched: Watched, what: list[Hashable]) -> None:
    async with asyncio.timeout(5):
        while watched.ended != what:  # noqa: ASYNC110  # another process, and no word of it
            await asyncio.sleep(0.02)


async def test_the_end_of_a_program_is_told_within_a_look() -> None:
    async def scene(watched: Watched) -> None:
        game = Game("udp")
        watched.pids[game.port] = game.process.pid
        await watched.senders.met("game", game.port)
        await asyncio.sleep(2 * LOOK_S)
        assert watched.ended == []
        game.die()  # and nobody looks after it: a zombie
        await told(watched, ["game"])
        game.end()

    await watching(scene)


async def test_a_sender_of_two_programs_has_ended_when_both_have() -> None:
    async def scene(watched: Watched) -> None:
        one, two = Game("udp"), Game("udp")
        watched.pids |= {one.port: one.process.pid, two.port: two.process.pid}
        await watched.senders.met("here", one.port)
        watched.senders._looked["here"] -= 100
        await watched.senders.met("here", two.port)
        one.end()
        await asyncio.sleep(3 * LOOK_S)
        assert watched.ended == []
        two.end()
        await told(watched, ["here"])

    await watching(scene)


async def test_who_cannot_be_found_may_be_somebody_else_that_lives() -> None:
    async def scene(watched: Watched) -> None:
        game = Game("udp")
        watched.pids[game.port] = game.process.pid
        await watched.senders.met("here", 77)
        await watched.senders.met("here", game.port)
        game.end()
        await asyncio.sleep(3 * LOOK_S)
        assert watched.ended == []

    await watching(scene)


async def test_a_program_that_is_known_is_not_looked_for_at_each_request() -> None:
    async def scene(watched: Watched) -> None:
        watched.pids = dict.fromkeys(range(50), os.getppid())
        for port in range(50):
            await watched.senders.met("here", port)
        assert watched.asked == [0]

    await watching(scene)


async def test_without_the_package_only_silence_ends_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "psutil", None)
    senders = Senders("udp", lambda sender: None, 10.0)
    assert not senders.able
    await senders.met("here", 77)
    assert senders._programs == {}


def test_a_look_leaves_time_for_the_stop_within_a_second() -> None:
    assert LOOK_S <= 0.25
