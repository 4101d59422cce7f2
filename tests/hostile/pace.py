"""So many peers, each at a stated rate, and how much of that came about."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from relay.link.errors import LinkError

HOST = "127.0.0.1"


@dataclass(slots=True)
class Target:
    """Where the hub listens, and what an attacker may have in its hands. `peers` of this process,
    `rate_hz` of each. `acts`: what they did; `held`: what they were ready to do and could not, for
    the other end had not read what they said before."""

    clients: int
    link: int
    https: int
    upstream: int
    devices: int
    token: str
    peers: int
    rate_hz: float
    acts: int = 0
    held: int = 0


class Peer:
    """One of them. What it missed it does not make up for."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._every_s = 1 / target.rate_hz
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time() + random.random() * self._every_s

    async def turn(self) -> None:
        """Wait until it may do one thing more."""
        now = self._loop.time()
        await asyncio.sleep(max(0.0, self._next - now))
        self._next = max(self._next, now) + self._every_s
        self.target.acts += 1

    async def hold(self, until: Awaitable[object]) -> None:
        """Keep a connection `until` it is hung up on; every other time only until the next turn, so
        that a listener that hangs up on nobody has as many new ones."""
        if self.target.acts % 2:
            await until
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._next):
                await until


async def crowd(target: Target, visit: Callable[[Peer], Awaitable[None]]) -> None:
    """Have all peers do `visit` over and over, whatever the hub does to them."""

    async def again() -> None:
        peer = Peer(target)
        while True:
            await peer.turn()
            try:
                await visit(peer)
            except* (OSError, LinkError, aiohttp.ClientError, TypeError):
                pass  # aiohttp says TypeError for a socket that ended

    async with asyncio.TaskGroup() as tasks:
        for _ in range(target.peers):
            tasks.create_task(again())
