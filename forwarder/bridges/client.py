"""A bridge's own place among the hub's clients: connected as long as the bridge runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from forwarder.bridges.bounds import ANSWER_S, CLIENT_AGAIN_S
from forwarder.client.client import Client, ServerGone, ServerRefused
from forwarder.client.device import RemoteDevice
from forwarder.errors import ForwarderError
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed

log = logging.getLogger(__name__)

OpenChannel = Callable[[], Awaitable[Channel]]


class Refusal(ForwarderError):
    """The hub said no, or is not there; its own words."""


class BridgeClient:
    """The connection of one bridge. `devices` are those that its grant shows, by index."""

    def __init__(self, name: str, open_channel: OpenChannel) -> None:
        self.name = name
        self._open = open_channel
        self._client: Client | None = None

    @property
    def devices(self) -> tuple[RemoteDevice, ...]:
        """Those that are here now; none while the bridge is disconnected."""
        return () if self._client is None else self._client.devices

    async def run(self, changed: Callable[[], None] = lambda: None) -> None:
        """Stay connected until cancelled. `changed`: devices came or went."""
        while True:
            try:
                async with self._connected() as client:
                    changed()
                    async for _ in client.events():
                        changed()
            except (ServerGone, ServerRefused, ChannelClosed) as error:
                log.info("%s is not connected: %s", self.name, error)
            changed()
            await asyncio.sleep(CLIENT_AGAIN_S)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        async with Client.over(await self._open(), name=self.name) as client:
            self._client = client
            try:
                yield client
            finally:
                self._client = None

    async def stop_all(self) -> None:
        """Stop what this bridge may see. Raises Refusal."""
        if self._client is not None:
            await told([self._client.stop_all()])

    async def scan(self) -> None:
        """Have radios look for devices: whoever asks for toys wants to find some."""
        if self._client is not None:
            await told([self._client.start_scanning()])

    async def rest(self) -> None:
        """Have them look no more for this bridge. Raises Refusal."""
        if self._client is not None:
            await told([self._client.stop_scanning()])


async def told(commands: Iterable[Awaitable[object]], within_s: float | None = ANSWER_S) -> None:
    """Carry out commands side by side. Raises Refusal for the first that failed, when all are done.

    Every one is waited for, at most `within_s`: a stop among them is not given up for another's
    failure.
    """
    tasks = [asyncio.ensure_future(each) for each in commands]
    if not tasks:
        return
    try:
        _, late = await asyncio.wait(tasks, timeout=within_s)
    finally:
        for task in tasks:
            task.cancel()
    if late:
        await asyncio.wait(late)
        raise Refusal("the radio did not confirm it in time")
    for task in tasks:
        error = task.exception()
        if isinstance(error, ForwarderError):
            raise Refusal(str(error)) from error
        if error is not None:
            raise error
