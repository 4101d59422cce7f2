"""`ScriptedRelay`: the relay's end of a link, played by a test; it may lie, and keep silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from relay.link.channel import Channel
from relay.link.codec import decode_from_hub, encode
from relay.link.errors import ChannelClosed
from relay.link.messages import (
    VERSION,
    Advertisements,
    Beat,
    Connect,
    Connected,
    Done,
    Echo,
    FromHub,
    FromRelay,
    Hello,
    Notification,
    Read,
    Request,
    Value,
    Welcome,
    Write,
)
from relay.radio.simulated.toy import Toy

M = TypeVar("M")


class ScriptedRelay:
    """Speaks for `toy`, a Lovense Hush that does not exist; `heard` is all that the hub said.

    Requests of a class in `mute` are not answered. `instead` says something else than the truth.
    """

    def __init__(self, channel: Channel, toy: Toy) -> None:
        self.channel = channel
        self.toy = toy
        self.heard: list[FromHub] = []
        self.mute: set[type[Request]] = set()
        self.instead: Callable[[Request], list[FromRelay] | None] = lambda request: None
        self.echoes = True
        self._changed = asyncio.Event()

    @property
    def handle(self) -> int:
        """Where it notifies."""
        return next(h for h, role in self.toy.handles.items() if role == "rx")

    async def run(self, *, name: str = "attic") -> None:
        """Greet, see the toy, and answer until the channel closes."""
        try:
            await self.say(Hello(VERSION, name, capabilities=("scan",)))
            while True:
                message = decode_from_hub(await self.channel.receive())
                self.heard.append(message)
                self._changed.set()
                if isinstance(message, Beat):
                    if self.echoes:
                        await self.say(Echo(message.number, message.time_us, 0))
                elif isinstance(message, Request):
                    await self._answer(message)
        except ChannelClosed:
            return

    async def _answer(self, request: Request) -> None:
        if type(request) in self.mute:
            return
        answers = self.instead(request)
        for answer in self.truth(request) if answers is None else answers:
            await self.say(answer)

    def truth(self, request: Request) -> list[FromRelay]:
        """What an honest relay answers."""
        match request:
            case Connect(id):
                return [Connected(id, self.toy.services)]
            case Read(id):
                return [Value(id, b"")]
            case Write(id, p, _, b"DeviceType;"):
                return [Done(id), Notification(p, self.handle, b"Z:11:0082059AD3BD;")]
            case _:
                return [Done(request.id)]

    async def say(self, message: FromRelay) -> None:
        await self.channel.send(encode(message))

    async def sees(self) -> None:
        """The toy advertises."""
        await self.hears(Welcome)
        await self.say(Advertisements((self.toy.advertisement,)))

    async def hears(self, kind: type[M], *, after: int = 0) -> M:
        """The next message of this kind, of those behind the first `after` messages."""
        async with asyncio.timeout(120):
            while True:
                for message in self.heard[after:]:
                    if isinstance(message, kind):
                        return message
                self._changed.clear()
                await self._changed.wait()
