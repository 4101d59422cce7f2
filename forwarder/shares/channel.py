"""`GuestChannel`: the hub's end of a share as a channel of Buttplug frames."""

from __future__ import annotations

import asyncio
from typing import Protocol

from forwarder.shares.words import GuestLeaseWord, GuestRest, Said, Told, Unpacker, WordRate, packed
from relay.link.channel import Channel, Frame
from relay.link.close_codes import NORMAL_CLOSURE
from relay.link.errors import LinkViolation


class GuestListener(Protocol):
    """Who is told of a guest's words."""

    @property
    def may_speak(self) -> bool:
        """Whether Buttplug frames of this guest are taken."""
        ...

    def heard(self, word: Said) -> None:
        """Raises LinkViolation."""
        ...


class GuestChannel:
    """A Channel over `secure`, which carries the frames of one guest. Words are answered here."""

    def __init__(self, secure: Channel, listener: GuestListener) -> None:
        self.peer = secure.peer
        self._secure = secure
        self._listener = listener
        self._unpacker = Unpacker(guest=False)
        self._turn = asyncio.Lock()  # the parts of a long frame stay together
        self._back: str | None = None
        self._words = WordRate()

    async def send(self, frame: Frame) -> None:
        assert isinstance(frame, str)  # Buttplug sessions say text
        await self.say(frame)

    @property
    def ready(self) -> bool:
        return not self._turn.locked() and self._secure.ready

    def send_now(self, frame: Frame) -> bool:
        if not self.ready:
            return False
        parts = tuple(packed(frame if isinstance(frame, str) else frame.decode()))
        return len(parts) == 1 and self._secure.send_now(parts[0])

    async def say(self, frame: str | Told) -> None:
        """Send a Buttplug frame or a word. Raises ChannelClosed."""
        async with self._turn:
            for plaintext in packed(frame):
                await self._secure.send(plaintext)

    async def receive(self) -> Frame:
        """The next Buttplug frame. Raises ChannelClosed, LinkViolation."""
        if self._back is not None:
            frame, self._back = self._back, None
            return frame
        while True:
            plaintext = await self._secure.receive()
            if isinstance(plaintext, str):
                raise LinkViolation("a guest's frames are bytes")
            said = self._unpacker.take(plaintext)
            match said:
                case str():
                    if not self._listener.may_speak:
                        raise LinkViolation("a guest said more than it was allowed to")
                    return said
                case GuestLeaseWord():
                    self._count()
                    self._listener.heard(said)
                    await self.say(GuestLeaseWord(said.at))
                case GuestRest():
                    self._count()
                    self._listener.heard(said)

    def push_back(self, frame: str) -> None:
        """Have `receive` return `frame` once more."""
        self._back = frame

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self._secure.close(code)  # a reason would stand outside the encryption

    def _count(self) -> None:
        self._words.count(asyncio.get_running_loop().time())
