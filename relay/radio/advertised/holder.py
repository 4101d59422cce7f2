"""The process that has an advertisement on the air: it stops what runs when its relay cannot.

`hold` speaks with the relay over a SOCK_SEQPACKET pair, one word a packet:

    relay → holder   SHOW number commands…   this is on the air from now on; both are one byte each
                     TURNS                   the relay's event loop turns
    holder → relay   READY process others    it can advertise; so many other programs do
                     HEARD number            what had this number has come; BlueZ may still hang
                     TAKEN number            what had this number is on the air
                     LOST text               it cannot, or may not any more; it ends

The end of the stream means that the relay has let go, or is dead: what runs is stopped, and a stop
stays on the air for its time, then this process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from relay.radio.advertised.bluez import Advertiser, CannotAdvertise
from relay.radio.advertised.frames import frame
from relay.radio.advertised.on_air import OnAir
from relay.radio.bounds import STEP_S

SHOW, TURNS, READY, HEARD, TAKEN, LOST = b"S", b"T", b"R", b"H", b"K", b"L"
ABOUT: Final = struct.Struct("<IB")
# Commands in one word, and bytes of the largest packet.
MOST_COMMANDS, MOST_BYTES = 8, 512
# With the relay dead and BlueZ away, a stop is tried again after this time (s), so often.
AGAIN_S, TRIES = 1.0, 30


class Advertising(Protocol):
    """How frames come on the air; see `Advertiser`."""

    others: int

    async def put(self, frame: bytes) -> None: ...

    async def take_down(self) -> None: ...

    def close(self) -> None: ...


OpenAdvertiser = Callable[[str, Callable[[str], None]], Awaitable[Advertising]]


async def hold(
    channel: socket.socket,
    address: bytes,
    adapter: str,
    me: int,
    open: OpenAdvertiser = Advertiser.open,
) -> None:
    """Until the relay has let go and nothing is on the air. `me`: this process."""
    holder = _Holder(channel, address)
    for _ in range(TRIES):
        try:
            advertiser = await open(adapter, holder.lose)
            try:
                holder.say(READY + ABOUT.pack(me, min(advertiser.others, 255)))
                await holder.run(advertiser)
            finally:
                advertiser.close()
        except CannotAdvertise as error:
            holder.say(LOST + str(error).encode()[: MOST_BYTES - 1])
        if not holder.owes:
            return
        await asyncio.sleep(AGAIN_S)


class _Holder:
    def __init__(self, channel: socket.socket, address: bytes) -> None:
        self._channel = channel
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._on_air = OnAir(self._loop.time())
        self._news = asyncio.Event()
        self._open = True
        self._lost = ""
        self._number: int | None = None

    @property
    def owes(self) -> bool:
        """Whether the relay is gone, and something still has to be on the air."""
        return not self._open and not self._on_air.over

    def lose(self, text: str) -> None:
        self._lost = text
        self._news.set()

    def say(self, packet: bytes) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(packet)

    async def run(self, advertiser: Advertising) -> None:
        """Raises CannotAdvertise."""
        self._lost = ""
        self._on_air.again(self._loop.time())
        if self._open:
            self._loop.add_reader(self._channel, self._readable)
        try:
            while not self._on_air.over:
                self._news.clear()
                command = self._on_air.turn(self._loop.time())
                if command is None:
                    await advertiser.take_down()
                else:
                    await advertiser.put(frame(self._address, command))
                if self._lost:
                    raise CannotAdvertise(self._lost)
                self._acknowledge()
                if self._on_air.over:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if command is None else STEP_S):
                        await self._news.wait()
        finally:
            self._loop.remove_reader(self._channel)

    def _acknowledge(self) -> None:
        # What came while the last one was put there has its turn first.
        if self._number is not None and not self._news.is_set():
            self.say(TAKEN + bytes((self._number,)))
            self._number = None

    def _readable(self) -> None:
        try:
            packet = self._channel.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        now = self._loop.time()
        if not packet:
            self._open = False
            self._loop.remove_reader(self._channel)
            self._on_air.ended(now)
        elif packet[:1] == SHOW:
            self._number = packet[1]
            self.say(HEARD + packet[1:2])
            self._on_air.show(now, packet[2:])
        else:
            self._on_air.heard(now)
            return
        self._news.set()
