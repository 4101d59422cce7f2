"""Several radios of one relay as one: `Radios`. Each scans, fails and recovers on its own.

A peripheral is connected by the radio that hears it best; one that failed lately comes behind
those that did not. Addresses that none has heard are looked for by one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Never

from msgspec.structs import replace

from relay.link.messages import Advertisement, ErrorCode, RadioInfo, RadioPart
from relay.radio.base import (
    Connection,
    OnAdvertisement,
    OnGone,
    Radio,
    RadioError,
    TellsWhatToysDo,
)
from relay.radio.gatt import canonical_address
from relay.radio.passing import PassingConnection

log = logging.getLogger(__name__)

# As many as RadioInfo.parts holds.
MOST_RADIOS = 16
# Pause (s) before a radio that cannot scan is tried again, doubled up to the second value; as for
# a relay's only radio (relay.radio.scanner).
RETRY_S = 1.0
RETRY_MOST_S = 15.0
# What was heard longer ago (s) says nothing about where a toy is now: they advertise each second,
# and scanners miss most of what they could hear.
FRESH_S = 20.0
# A radio that just failed to connect a toy (dB, for each failure in a row, up to three): more than
# the noise of a signal that is measured twice, which is 8 dB.
FAILED_DB = 15
FAILURES_COUNTED = 3
# Addresses whose sightings are kept; the one that was not heard for longest is forgotten.
HEARD_MOST = 1000
# Another radio may do what this one did not. Not BUSY: the toy itself is somebody's already, and
# not REFUSED: it said no.
_ANOTHER_MAY = (ErrorCode.NOT_FOUND, ErrorCode.TIMEOUT, ErrorCode.GONE, ErrorCode.RADIO)


@dataclass(slots=True)
class _Heard:
    rssi: int
    at: float
    failures: int = 0


@dataclass(slots=True, eq=False)
class _Part:
    radio: Radio
    trouble: str = ""
    heard: dict[str, _Heard] = field(default_factory=dict)

    @property
    def info(self) -> RadioInfo:
        info = self.radio.info
        return replace(info, text=self.trouble[:512]) if self.trouble and not info.text else info

    def score(self, address: str, now: float) -> float | None:
        """How well it may do with this peripheral, in dBm; None: it has not heard it lately."""
        heard = self.heard.get(address)
        if heard is None or now - heard.at > FRESH_S:
            return None
        return heard.rssi - FAILED_DB * min(heard.failures, FAILURES_COUNTED)

    def note(self, advertisement: Advertisement, now: float) -> None:
        address = canonical_address(advertisement.address)
        before = self.heard.pop(address, None)
        failures = 0 if before is None else before.failures
        self.heard[address] = _Heard(advertisement.rssi, now, failures)
        while len(self.heard) > HEARD_MOST:
            del self.heard[next(iter(self.heard))]


class Radios:
    """Owns `radios`, two at least and MOST_RADIOS at most."""

    def __init__(self, radios: Sequence[Radio]) -> None:
        assert 1 < len(radios) <= MOST_RADIOS
        self._parts = tuple(_Part(radio) for radio in radios)
        self._taken: set[str] = set()

    @property
    def info(self) -> RadioInfo:
        """`on` while one is; `text`: what is wrong with those that are not."""
        infos = [part.info for part in self._parts]
        slots = [info.slots for info in infos if info.on]
        known = [each for each in slots if each is not None]
        free = min(255, sum(known)) if known and len(known) == len(slots) else None
        wrong = [f"{info.name or info.kind}: {info.text}" for info in infos if info.text]
        parts = tuple(
            RadioPart(each.kind, each.name, each.on, each.slots, each.text) for each in infos
        )
        on = any(info.on for info in infos)
        return RadioInfo("several", f"{len(parts)} radios", on, free, "; ".join(wrong)[:512], parts)

    def words(self, address: str) -> str:
        asked = [part.radio for part in self._parts if isinstance(part.radio, TellsWhatToysDo)]
        return next(filter(None, (radio.words(address) for radio in asked)), "")

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        """As Radio.scan, but for a radio that cannot: it is tried again, and `info` says so."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(_scan(part, on_advertisement), name=f"scan {part.info.name}")

    async def connect(self, address: str, on_gone: OnGone) -> Connection:
        address = canonical_address(address)
        if address in self._taken:
            raise RadioError(ErrorCode.BUSY, f"{address} is already connected by this relay.")
        self._taken.add(address)
        connected = False

        def gone(reason: str) -> None:
            self._taken.discard(address)
            on_gone(reason)

        try:
            connection = await self._connect(address, gone)
            connected = True
        finally:
            if not connected:
                self._taken.discard(address)
        return _Routed(connection, lambda: self._taken.discard(address))

    async def close(self) -> None:
        """Give every radio back, whatever becomes of the others. Raises the first RadioError."""
        closed = await asyncio.gather(
            *(part.radio.close() for part in self._parts), return_exceptions=True
        )
        for error in closed:
            if error is not None:
                raise error

    async def _connect(self, address: str, on_gone: OnGone) -> Connection:
        first: RadioError | None = None
        for part in self._order(address):
            try:
                connection = await part.radio.connect(address, on_gone)
            except RadioError as error:
                if (heard := part.heard.get(address)) is not None:
                    heard.failures += 1
                log.debug("%s by %s: %s", address, part.info.name, error.text)
                # Of several that fail, the one that should have done it best says why.
                first = first or error
                if error.code not in _ANOTHER_MAY and not _full(part, error):
                    raise
            else:
                if (heard := part.heard.get(address)) is not None:
                    heard.failures = 0
                return connection
        assert first is not None, "there are radios"
        raise first

    def _order(self, address: str) -> list[_Part]:
        """The radios that may connect it, best first: those that hear it, else all of them."""
        now = asyncio.get_running_loop().time()
        scored = [(part.score(address, now), part) for part in self._parts]
        hearing = [(score, part) for score, part in scored if score is not None]
        hearing.sort(key=lambda one: (one[1].info.on, one[0]), reverse=True)
        return [part for _, part in hearing] or list(self._parts)


def _full(part: _Part, error: RadioError) -> bool:
    return error.code is ErrorCode.BUSY and part.info.slots == 0


async def _scan(part: _Part, on_advertisement: OnAdvertisement) -> Never:
    """Scan with this one until cancelled."""
    loop = asyncio.get_running_loop()
    pause = RETRY_S

    def heard(advertisement: Advertisement) -> None:
        nonlocal pause
        part.trouble, pause = "", RETRY_S
        part.note(advertisement, loop.time())
        on_advertisement(advertisement)

    while True:
        try:
            await part.radio.scan(heard)
            trouble = "the scan ended by itself"
        except RadioError as error:
            trouble = error.text
        if trouble != part.trouble:
            log.warning("%s: scanning failed, it is tried again: %s", part.info.name, trouble)
        part.trouble = trouble
        await asyncio.sleep(pause)
        pause = min(pause * 2, RETRY_MOST_S)


class _Routed(PassingConnection):
    """A connection of one of the radios; `left` is called when it is let go."""

    def __init__(self, connection: Connection, left: Callable[[], None]) -> None:
        super().__init__(connection)
        self._left = left

    async def disconnect(self) -> None:
        await super().disconnect()
        self._left()
