"""Open lines as peripherals: by cable, and over a network that loses things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relay.link.messages import ErrorCode, Service
from relay.radio.base import OnValue, RadioError
from relay.radio.wired import tcode
from relay.radio.wired.bounds import CONNECTION_ASK_S, COPIES, COPY_S, GAP_S, SILENCE_S, VALUE_MOST
from relay.radio.wired.line import Line
from relay.radio.wired.place import RX, TX, WiredPlace

MTU = 515


class WiredConnection:
    """One open line as a peripheral with `tx` and `rx`."""

    def __init__(
        self, place: WiredPlace, line: Line, left: Callable[[WiredConnection], None]
    ) -> None:
        self._place = place
        self._line = line
        self._left = left
        self._services = place.services
        self._lines = tcode.LineSplitter() if place.speaks_tcode else None
        self._listener: OnValue | None = None

    @property
    def services(self) -> tuple[Service, ...]:
        return self._services

    @property
    def mtu(self) -> int:
        return MTU

    @property
    def number(self) -> int:
        return self._line.number

    def descriptor(self) -> int | None:
        return self._line.descriptor()

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return self._line.on_wire(data)

    def heard(self, data: bytes) -> None:
        """The device said this."""
        pieces = [data] if self._lines is None else self._lines.feed(data)
        for piece in pieces:
            if self._is_ours(piece):
                continue
            for at in range(0, len(piece), VALUE_MOST):
                if self._listener is not None:
                    self._listener(piece[at : at + VALUE_MOST])

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        del response  # a cable acknowledges nothing
        if handle != TX:
            raise self._refusal(handle, "written to")
        await self._send(data)

    async def read(self, handle: int) -> bytes:
        raise self._refusal(handle, "read")

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        if handle != RX:
            raise self._refusal(handle, "listened to")
        self._listener = on_value

    async def unsubscribe(self, handle: int) -> None:
        if handle != RX:
            raise self._refusal(handle, "listened to")
        self._listener = None

    async def disconnect(self) -> None:
        self._left(self)
        self._listener = None
        await self._line.close()

    async def _send(self, data: bytes) -> None:
        await self._line.send(data)

    def _is_ours(self, line: bytes) -> bool:
        """Whether this answers what we asked by ourselves."""
        del line
        return False

    def _refusal(self, handle: int, what: str) -> RadioError:
        text = f"{self._place.name}: characteristic {handle} cannot be {what}."
        return RadioError(ErrorCode.REFUSED, text)


class WirelessConnection(WiredConnection):
    """A machine on the network: written to at a bounded rate, stops several times over, and asked
    again and again whether it is there. One that does not answer is lost, and may be running."""

    def __init__(
        self, place: WiredPlace, line: Line, left: Callable[[WiredConnection], None]
    ) -> None:
        super().__init__(place, line, left)
        self._loop = asyncio.get_running_loop()
        self._next_at = self._heard_at = self._loop.time()
        self._asked = False
        self._timer = self._loop.call_later(CONNECTION_ASK_S, self._ask)

    def heard(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        super().heard(data)

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return super().on_wire(data) * _copies(data)

    async def disconnect(self) -> None:
        self._timer.cancel()
        await super().disconnect()

    async def _send(self, data: bytes) -> None:
        for number in range(_copies(data)):
            pause_s = self._next_at - self._loop.time() + (COPY_S - GAP_S if number else 0)
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            self._next_at = self._loop.time() + GAP_S
            await super()._send(data)

    def _is_ours(self, line: bytes) -> bool:
        ours = self._asked and tcode.is_version(line)
        self._asked = self._asked and not ours
        return ours

    def _ask(self) -> None:
        if self._line.lost_because is not None:
            return
        if self._loop.time() - self._heard_at > SILENCE_S:
            self._line.lose("it does not answer any more")
            return
        self._asked = True
        self._line.nudge(tcode.WHO)
        self._timer = self._loop.call_later(CONNECTION_ASK_S, self._ask)


def _copies(data: bytes) -> int:
    return COPIES if tcode.stops(data) else 1
