"""`GamepadRadio`: every game pad of this machine that rumbles.

A level is an effect that ends by itself after EFFECT_MS, and is begun anew while it holds: whatever
happens to this program, a pad rumbles on for less than a lease.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
import struct
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from relay.link.messages import Advertisement, Characteristic, ErrorCode, RadioInfo, Service
from relay.link.stand_ins import endpoints_of, stand_in
from relay.radio.base import OnAdvertisement, OnGone, OnValue, RadioError
from relay.radio.blocking import Blocking, BlockingDeviceError
from relay.radio.bounds import CALL_S
from relay.radio.gamepad.bounds import EFFECT_MS, LOOK_S, RENEW_S
from relay.radio.gamepad.pads import Found, Pad, Pads

T = TypeVar("T")

WAY = "gamepad"
TX, RX = 1, 2
# slow and fast rumble, left and right trigger, which nothing here can reach.
LEVELS = struct.Struct("<HHHH")
MTU = 23
ABSENT = "No game pad that rumbles is plugged in, or this program may not use it."


class GamepadRadio:
    """The pads of `pads`."""

    def __init__(self, pads: Pads, *, look_s: float = LOOK_S) -> None:
        self._pads = pads
        self._look_s = look_s
        self._scanning = False
        self._found: dict[str, Found] = {}
        self._connections: dict[str, PadConnection] = {}
        self._connecting: set[str] = set()
        self._trouble = ""
        self._looked = False
        # Looking must not wait for a pad that hangs; each connection has a thread of its own.
        self._looker = Blocking("game pads")

    @property
    def info(self) -> RadioInfo:
        trouble = self._trouble
        if not trouble and self._looked and not self._found:
            trouble = ABSENT
        kind = "gamepad" if self._pads.bounded else "xinput"
        return RadioInfo(kind, "game pads", not trouble, None, trouble)

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        if self._scanning:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._scanning = True
        try:
            while True:
                for address, found in (await self._look()).items():
                    if address not in self._connections:
                        on_advertisement(_advertisement(address, found))
                await asyncio.sleep(self._look_s)
        finally:
            self._scanning = False

    async def connect(self, address: str, on_gone: OnGone) -> PadConnection:
        if address in self._connections or address in self._connecting:
            raise RadioError(ErrorCode.BUSY, f"{address} is already connected by this relay.")
        self._connecting.add(address)
        try:
            found = (await self._look()).get(address)
            if found is None:
                raise RadioError(ErrorCode.NOT_FOUND, f"{address} is not plugged in.")
            thread = Blocking("game pad")
            try:
                pad = await thread.call(lambda: self._pads.open(found), _close_unwanted)
            except BaseException:
                thread.close()
                raise
        finally:
            self._connecting.discard(address)

        def gone(reason: str) -> None:
            if self._connections.pop(address, None) is not None:
                on_gone(reason)

        made = PadConnection(found.name, pad, thread, gone, lambda: self._left(address, made))
        self._connections[address] = made
        return made

    async def close(self) -> None:
        async with asyncio.TaskGroup() as group:
            for connection in tuple(self._connections.values()):
                group.create_task(connection.disconnect())
        self._looker.close()

    def _left(self, address: str, connection: PadConnection) -> None:
        if self._connections.get(address) is connection:
            del self._connections[address]

    async def _look(self) -> dict[str, Found]:
        """The pads that there are; those that are gone are told to whoever has them."""
        try:
            found = await self._looker.call(self._pads.find)
        except RadioError as error:
            self._trouble = error.text
            raise
        self._trouble, self._looked = "", True
        # Of several of one kind that tell no number, the first is the one that was there first.
        before: Counter[str] = Counter()
        self._found = {}
        for one in found:
            before[one.id] += 1
            self._found[_address(f"{one.id}#{before[one.id]}")] = one
        for address, connection in tuple(self._connections.items()):
            if address not in self._found:
                connection.lost("it was unplugged")
        return self._found


class PadConnection:
    """One pad with `tx` (levels) and `rx` (battery)."""

    def __init__(
        self,
        name: str,
        pad: Pad,
        thread: Blocking,
        gone: Callable[[str], None],
        left: Callable[[], None],
    ) -> None:
        self._name = name
        self._pad = pad
        self._thread = thread
        self._gone = gone
        self._left = left
        self._over: str | None = None
        self._levels = (0, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Future[None] | None = None
        uuids = endpoints_of(WAY)
        writable = ("write", "write-without-response")
        self._services = (
            Service(
                stand_in(WAY),
                (
                    Characteristic(TX, uuids["tx"], writable),
                    Characteristic(RX, uuids["rx"], ("read",)),
                ),
            ),
        )

    @property
    def services(self) -> tuple[Service, ...]:
        return self._services

    @property
    def mtu(self) -> int:
        return MTU

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        del response  # a system's call is answered either way
        if handle != TX or len(data) != LEVELS.size:
            raise RadioError(ErrorCode.REFUSED, f"{self._name}: this cannot be written.")
        low, high, _, _ = LEVELS.unpack(data)
        # From here on, and not once it was done, they are not renewed: a stop may hang.
        self._levels = (0, 0)
        await self._rumble(low, high)
        self._levels = (low, high)
        if self._timer is None and self._levels != (0, 0):
            self._timer = asyncio.get_running_loop().call_later(RENEW_S, self._renew)

    async def read(self, handle: int) -> bytes:
        if handle == RX:
            percent = await self._do(self._pad.battery)
            if percent is not None:
                return bytes([max(0, min(100, percent))])
        raise RadioError(ErrorCode.REFUSED, f"{self._name} tells no battery level.")

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        raise RadioError(ErrorCode.REFUSED, f"{self._name}: there is nothing to listen to.")

    async def unsubscribe(self, handle: int) -> None:
        raise RadioError(ErrorCode.REFUSED, f"{self._name}: there is nothing to listen to.")

    async def disconnect(self) -> None:
        self._left()
        if self._over is None:
            self._end("it was let go")
            # In its own thread, behind what is under way there.
            closing = self._thread.submit(self._pad.close)
            self._thread.close()
            try:
                async with asyncio.timeout(CALL_S):
                    await asyncio.shield(asyncio.wrap_future(closing))
            except TimeoutError:
                raise RadioError(ErrorCode.TIMEOUT, f"{self._name} does not answer.") from None

    def lost(self, reason: str) -> None:
        """It is not there any more."""
        if self._over is None:
            self._end(reason)
            self._thread.submit(self._pad.close)
            self._thread.close()
            self._gone(reason)

    def _end(self, reason: str) -> None:
        self._over = reason
        self._levels = (0, 0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _rumble(self, low: int, high: int) -> None:
        await self._do(lambda: self._pad.rumble(low, high, EFFECT_MS))

    async def _do(self, call: Callable[[], T]) -> T:
        if self._over is not None:
            raise RadioError(ErrorCode.GONE, f"{self._name}: {self._over}.")
        try:
            return await self._thread.call(call)
        except RadioError as error:
            if error.code is ErrorCode.GONE:
                self.lost("it was unplugged")
            raise

    def _renew(self) -> None:
        """Begin the effect anew, unless it is off, or the last time is still under way."""
        self._timer = None
        low, high = self._levels
        if self._over is not None or (low, high) == (0, 0):
            return
        if self._renewing is None or self._renewing.done():
            renewing = self._thread.submit(lambda: self._again((low, high)))
            self._renewing = asyncio.wrap_future(renewing)
            self._renewing.add_done_callback(self._renewed)
        self._timer = asyncio.get_running_loop().call_later(RENEW_S, self._renew)

    def _again(self, levels: tuple[int, int]) -> None:
        # A stop that came meanwhile is behind us in this thread, or has been done.
        if self._levels == levels:
            self._pad.rumble(*levels, EFFECT_MS)

    def _renewed(self, future: asyncio.Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, BlockingDeviceError) and error.gone:
            self.lost("it was unplugged")


def _close_unwanted(pad: Pad) -> None:
    pad.close()


def _address(id: str) -> str:
    """Other machines have pads of this kind, too; addresses on the link have 64 characters."""
    digest = hashlib.sha256(f"{id}@{platform.node()}".encode()).hexdigest()[:12]
    return f"pad-{digest}@{platform.node() or 'relay'}"[:64]


def _advertisement(address: str, found: Found) -> Advertisement:
    return Advertisement(address, found.name[:128], services=(stand_in(WAY),))
