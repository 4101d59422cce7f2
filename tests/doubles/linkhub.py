"""`LinkHub`: the hub's end of a link, played by a test. Beats by itself while it has leases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from relay.link.channel import Channel
from relay.link.errors import ChannelClosed
from relay.link.messages import (
    Arm,
    Bye,
    Connect,
    Connected,
    Done,
    Failed,
    FromHub,
    FromRelay,
    Output,
    Packet,
    Reply,
    Stop,
    Stopped,
    Value,
)
from relay.link.session import HubSession

M = TypeVar("M", bound=FromRelay)


class LinkHub:
    """Keeps everything it hears in `heard`. `leases` go out with each beat, every 250 ms."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.heard: list[FromRelay] = []
        self.leases: dict[int, int] = {}
        self.beating = True
        self._left = False
        self._loop = asyncio.get_running_loop()
        self._session = HubSession("the hub", self._loop.time())
        self._changed = asyncio.Event()
        self._sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def run(self) -> None:
        """Until the channel closes."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                group.create_task(self._beat())
                while True:
                    frame = await self.channel.receive()
                    if self._left:
                        continue  # What was under way when we said Bye.
                    message, answer = self._session.receive(frame, self._loop.time())
                    if answer is not None:
                        self._sent.put_nowait(answer)
                    self.heard.append(message)
                    self._changed.set()
        except* ChannelClosed:
            self._changed.set()

    async def _write(self) -> None:
        while True:
            await self.channel.send(await self._sent.get())

    async def _beat(self) -> None:
        await self.wait(lambda: self._session.hello is not None)
        while True:
            if self.beating:
                self._sent.put_nowait(self._session.beat(self._loop.time(), self.leases))
            await asyncio.sleep(0.25)

    def tell(self, message: FromHub) -> None:
        if isinstance(message, Bye):
            self._left, self.beating = True, False
        self._sent.put_nowait(self._session.send(message))

    def beat(self) -> None:
        self._sent.put_nowait(self._session.beat(self._loop.time(), self.leases))

    def id(self) -> int:
        return self._session.request_id()

    async def wait(self, true: Callable[[], bool], limit_s: float = 30) -> None:
        """Return when `true()` is, looking again after each message."""
        async with asyncio.timeout(limit_s):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def hear(self, kind: type[M], limit_s: float = 30) -> M:
        """Return the first message of this kind, waiting for it if there is none yet."""
        await self.wait(lambda: any(isinstance(m, kind) for m in self.heard), limit_s)
        return next(m for m in self.heard if isinstance(m, kind))

    async def reply(self, id: int, limit_s: float = 30) -> Reply:
        await self.wait(lambda: self.answer(id) is not None, limit_s)
        found = self.answer(id)
        assert found is not None
        return found

    def answer(self, id: int) -> Reply | None:
        replies = (m for m in self.heard if isinstance(m, Connected | Done | Value | Failed))
        return next((m for m in replies if m.id == id), None)

    # --- what tests say most -------------------------------------------------------------------

    async def connect(self, p: int, address: str) -> Connected | Failed:
        id = self.id()
        self.tell(Connect(id, p, address))
        answer = await self.reply(id)
        assert isinstance(answer, Connected | Failed)
        return answer

    async def arm(self, p: int, *stop: Packet, lease_ms: int = 900) -> None:
        """Arm and lease; return once that holds."""
        id = self.id()
        self.tell(Arm(id, p, stop or None, seen=self.seen(p)))
        assert isinstance(await self.reply(id), Done), self.answer(id)
        self.leases[p] = lease_ms
        self.beat()

    def seen(self, p: int) -> int:
        """The newest stop of the relay's own that this hub knows of."""
        stops = (m.number for m in self.heard if isinstance(m, Stopped) and m.peripheral == p)
        return max(stops, default=0)

    async def output(
        self, p: int, *packets: Packet, merge: bool = False, rest: bool = False
    ) -> Reply:
        id = self.id()
        self.tell(Output(id, p, packets, merge, rest))
        return await self.reply(id)

    async def stop(self, p: int, *packets: Packet, everything: bool = True) -> Reply:
        id = self.id()
        seen = self.seen(p)
        self.tell(Stop(id, p, packets, everything, rest=everything, seen=seen))
        return await self.reply(id)
