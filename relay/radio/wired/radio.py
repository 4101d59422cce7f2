"""`WiredRadio`: one named way to one device, as a radio that hears and connects just that device.

It advertises the stand-in service of its protocol (relay/link/stand_ins.py). Devices that speak
T-Code are asked who they are before they are announced, and again before they are handed over.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from relay.link.messages import Advertisement, ErrorCode, RadioInfo
from relay.radio.base import OnAdvertisement, OnGone, RadioError
from relay.radio.wired import tcode
from relay.radio.wired.bounds import ANSWER_S, AXES_S, LOOK_S, QUIET_S, RADIO_ASK_S, RETRY_S
from relay.radio.wired.connection import WiredConnection, WirelessConnection
from relay.radio.wired.line import Line, OnBytes, OnLost
from relay.radio.wired.place import WiredPlace

log = logging.getLogger(__name__)


class WiredAccess(Protocol):
    """How a device is reached."""

    def presence(self) -> object | None:
        """What is other when it may be another device; None: there is surely none."""
        ...

    async def open(self, on_bytes: OnBytes, on_lost: OnLost) -> Line: ...


class WiredRadio:
    """Finds and connects what is at `place`, reached by `way`."""

    def __init__(
        self,
        place: WiredPlace,
        way: WiredAccess,
        *,
        answer_s: float = ANSWER_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._place = place
        self._way = way
        self._answer_s = answer_s
        self._retry_s = retry_s
        self._trouble = ""
        self._connection: WiredConnection | None = None
        self._connecting = False
        self._known: object | None = None
        self._name = place.name
        self._heard_at = 0.0
        # One at a time has the way open.
        self._turn = asyncio.Lock()
        self._scanning = False

    @property
    def info(self) -> RadioInfo:
        place, free = self._place, 0 if self._connection is not None else 1
        trouble = self._trouble
        if not trouble and self._connection is None and self._way.presence() is None:
            trouble = place.absent
        return RadioInfo(place.kind, place.name, not trouble, free, trouble[:512])

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        if self._scanning:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._scanning = True
        try:
            while True:
                pause = await self._look(on_advertisement)
                await asyncio.sleep(pause)
        finally:
            self._scanning = False

    async def connect(self, address: str, on_gone: OnGone) -> WiredConnection:
        place = self._place
        if address != place.address:
            raise RadioError(ErrorCode.NOT_FOUND, f"{place.name} is not {address}.")
        if self._connection is not None or self._connecting:
            raise RadioError(ErrorCode.BUSY, f"{place.name} is already connected by this relay.")
        self._connecting = True
        try:
            async with self._turn:
                connection = await self._open(on_gone)
        except RadioError as error:
            self._known, self._trouble = None, error.text
            raise
        finally:
            self._connecting = False
        self._trouble = ""
        return connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()

    # --- looking -------------------------------------------------------------------------------

    async def _look(self, on_advertisement: OnAdvertisement) -> float:
        """Advertise it if it is there; return after how long (s) to look again."""
        if self._connection is not None or self._connecting:
            return LOOK_S
        loop = asyncio.get_running_loop()
        seen = self._way.presence()
        if seen is None:
            self._known, self._trouble = None, self._place.absent
            return LOOK_S
        fresh = (
            self._place.recheck_s is None or loop.time() - self._heard_at < self._place.recheck_s
        )
        if self._known != seen or not fresh:
            try:
                async with self._turn:
                    self._name = await self._ask_name()
            except RadioError as error:
                if error.text != self._trouble:
                    log.info("%s: %s", self._place.name, error.text)
                self._known, self._trouble = None, error.text
                return self._retry_s
            self._known, self._heard_at = seen, loop.time()
        self._trouble = ""
        place = self._place
        service = place.services[0].uuid
        on_advertisement(Advertisement(place.address, self._name, services=(service,)))
        return LOOK_S

    async def _ask_name(self) -> str:
        """What the device advertises. Raises RadioError if it is not what its owner says."""
        place = self._place
        if not place.speaks_tcode:
            return place.name
        talk = _Talk()
        line = await self._way.open(talk.feed, talk.lost)
        try:
            await self._who(line, talk)
            axes = await _axes(line, talk)
            self._demand(talk)
            return tcode.name_of(axes)
        finally:
            await _close(line)

    async def _open(self, on_gone: OnGone) -> WiredConnection:
        talk = _Talk()

        def lost(reason: str) -> None:
            talk.lost(reason)
            if self._connection is made and made is not None:
                self._connection, self._known = None, None
                on_gone(reason)

        made: WiredConnection | None = None
        line = await self._way.open(talk.feed, lost)
        try:
            if self._place.speaks_tcode:
                await self._who(line, talk)
        except BaseException:
            await _close(line)
            raise
        # From here to the return nothing waits.
        self._demand(talk)
        kind = WirelessConnection if self._place.wireless else WiredConnection
        made = self._connection = kind(self._place, line, self._left)
        talk.then = made.heard
        return made

    def _left(self, connection: WiredConnection) -> None:
        if self._connection is connection:
            self._connection = None

    async def _who(self, line: Line, talk: _Talk) -> None:
        """Ask until it says that it speaks T-Code."""
        try:
            async with asyncio.timeout(self._answer_s):
                while not talk.version:
                    await line.send(tcode.WHO)
                    await talk.wait(RADIO_ASK_S)
        except TimeoutError:
            text = f"{self._place.name}: nothing there answers D1. Is it a T-Code device, and on?"
            raise RadioError(ErrorCode.NOT_FOUND, text) from None
        self._demand(talk)

    def _demand(self, talk: _Talk) -> None:
        """That it is still there."""
        if talk.reason is not None:
            raise RadioError(ErrorCode.GONE, f"{self._place.name}: {talk.reason}.")


class _Talk:
    """What a T-Code device says while it is asked who it is; then `then` gets everything."""

    def __init__(self) -> None:
        self.version = False
        self.axes: set[str] = set()
        self.reason: str | None = None
        self.then: OnBytes | None = None
        self._lines = tcode.LineSplitter()
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        if self.then is not None:
            self.then(data)
            return
        for line in self._lines.feed(data):
            self.version = self.version or tcode.is_version(line)
            if (axis := tcode.axis(line)) is not None:
                self.axes.add(axis)
        self._news.set()

    def lost(self, reason: str) -> None:
        self.reason = reason
        self.version = True  # so that nobody waits for it
        self._news.set()

    async def wait(self, limit_s: float) -> bool:
        """Whether it said something, within this time at most."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._news.wait()
        return self._news.is_set()


async def _axes(line: Line, talk: _Talk) -> set[str]:
    # One that goes on talking, a log say, has told them by then; one that hangs tells none.
    with suppress(TimeoutError):
        async with asyncio.timeout(AXES_S):
            await line.send(tcode.AXES)
            while talk.reason is None and await talk.wait(QUIET_S):
                pass
    return talk.axes


async def _close(line: Line) -> None:
    with suppress(RadioError):
        await line.close()
