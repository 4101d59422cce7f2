"""Several radios of one relay as one: `Radios`. Each scans, fails and recovers on its own.

A peripheral is connected by the radio with the best score (relay.radio.score): the one that had it
last has a start, and a moment to hear it again. Addresses that none has heard are looked for by one
after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Never

from msgspec.structs import replace

from relay.link.messages import Advertisement, ErrorCode, RadioInfo, RadioPart
from relay.radio.base import (
    ChangingRadios,
    Connection,
    OnAdvertisement,
    OnGone,
    Radio,
    RadioError,
    RadioSource,
    TellsWhatToysDo,
    watch,
)
from relay.radio.bounds import (
    AGAIN_S,
    ELSEWHERE_S,
    FRESH_S,
    HEARD_MOST,
    MOST_RADIOS,
    SEVERAL_RETRY_MOST_S,
    SEVERAL_RETRY_S,
)
from relay.radio.gatt import canonical_address
from relay.radio.passing import PassingConnection
from relay.radio.score import UNKNOWN_DBM, Score, plausible, score

log = logging.getLogger(__name__)

# Another radio may do what this one did not. Not BUSY: the toy itself is somebody's already, and
# not REFUSED: it said no.
_ANOTHER_MAY = (ErrorCode.NOT_FOUND, ErrorCode.TIMEOUT, ErrorCode.GONE, ErrorCode.RADIO)


@dataclass(slots=True)
class _Heard:
    rssi: int
    at: float
    failures: int = 0
    failed_at: float = 0.0


@dataclass(slots=True, eq=False)
class _RadioPart:
    radio: Radio
    trouble: str = ""
    heard: dict[str, _Heard] = field(default_factory=dict)

    @property
    def info(self) -> RadioInfo:
        info = self.radio.info
        return replace(info, text=self.trouble[:512]) if self.trouble and not info.text else info

    # Address → since when it is being connected.
    connecting: dict[str, float] = field(default_factory=dict)
    # What scans with it, and what looks after it.
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def hears(self, address: str, now: float) -> bool:
        heard = self.heard.get(address)
        return heard is not None and now - heard.at <= FRESH_S

    def score(self, address: str, now: float, *, kept: bool) -> Score | None:
        """How well it may do with this peripheral; None: it has not heard it lately."""
        if not self.hears(address, now):
            return None
        heard = self.heard[address]
        return score(
            heard.rssi,
            failures=heard.failures,
            failed_s=now - heard.failed_at,
            connects_s=[now - since for since in self.connecting.values()],
            free=self.info.slots,
            kept=kept,
        )

    def note(self, advertisement: Advertisement, now: float) -> None:
        address = canonical_address(advertisement.address)
        before = self.heard.pop(address, None)
        new = _Heard(advertisement.rssi, now)
        if before is not None:
            new.failures, new.failed_at = before.failures, before.failed_at
        self.heard[address] = new
        while len(self.heard) > HEARD_MOST:
            del self.heard[next(iter(self.heard))]

    def tried(self, address: str, now: float, *, failed: bool) -> None:
        heard = self.heard.get(address)
        if heard is not None:
            heard.failures = heard.failures + 1 if failed else 0
            heard.failed_at = now


class Radios:
    """Owns `radios`, MOST_RADIOS at most, and those that `sources` bring, each named by the kind of
    its radios."""

    def __init__(
        self, radios: Sequence[Radio], sources: Mapping[str, RadioSource] | None = None
    ) -> None:
        assert sources or len(radios) > 1
        assert len(radios) <= MOST_RADIOS
        self._parts = tuple(_RadioPart(radio) for radio in radios)
        self._sources = dict(sources or {})
        self.trouble = ""
        self._scanning: tuple[asyncio.TaskGroup, OnAdvertisement] | None = None
        self._watching: asyncio.TaskGroup | None = None
        self._taken: set[str] = set()
        # Which radio had it last, the one connected longest ago first.
        self._last: dict[str, _RadioPart] = {}
        # Whoever waits until this part hears this address again.
        self._awaited: dict[str, tuple[_RadioPart, asyncio.Event]] = {}

    @property
    def info(self) -> RadioInfo:
        """`on` while one is; `text`: what is wrong with those that are not."""
        infos = [part.info for part in self._parts]
        slots = [info.slots for info in infos if info.on]
        known = [each for each in slots if each is not None]
        free = min(255, sum(known)) if known and len(known) == len(slots) else None
        wrong = [_said(info.name or info.kind, info.text) for info in infos if info.text]
        parts = tuple(
            RadioPart(each.kind, each.name, each.on, each.slots, each.text) for each in infos
        )
        on = any(info.on for info in infos)
        many = "1 radio" if len(parts) == 1 else f"{len(parts)} radios"
        if self.trouble:
            wrong.append(self.trouble)
        return RadioInfo("several", many, on, free, "; ".join(wrong)[:512], parts)

    def to_come(self) -> frozenset[str]:
        return frozenset(self._sources)

    def words(self, address: str) -> str:
        asked = [part.radio for part in self._parts if isinstance(part.radio, TellsWhatToysDo)]
        return next(filter(None, (radio.words(address) for radio in asked)), "")

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        """As Radio.scan, but for a radio that cannot: it is tried again, and `info` says so."""
        if self._scanning is not None:
            raise RadioError(ErrorCode.BUSY, "These radios are scanning already.")
        async with asyncio.TaskGroup() as group:
            self._scanning = (group, on_advertisement)
            try:
                for part in self._parts:
                    self._begin_scan(part)
                await asyncio.Event().wait()
            finally:
                self._scanning = None

    async def watch(self) -> None:
        """Look after each radio, and after which there are."""
        async with asyncio.TaskGroup() as group:
            self._watching = group
            try:
                for part in self._parts:
                    self._begin_watch(part)
                for kind, source in self._sources.items():
                    group.create_task(_brought(source, self), name=f"radios of kind {kind}")
                await asyncio.Event().wait()
            finally:
                self._watching = None

    def add(self, radio: Radio) -> None:
        """A radio that was plugged in. One too many is left alone."""
        if len(self._parts) >= MOST_RADIOS:
            log.warning("%s: a relay has %d radios at most", radio.info.name, MOST_RADIOS)
            return
        log.info("%s is there", radio.info.name)
        part = _RadioPart(radio)
        self._parts = (*self._parts, part)
        self._begin_watch(part)
        self._begin_scan(part)

    async def remove(self, radio: Radio) -> None:
        part = next((part for part in self._parts if part.radio is radio), None)
        if part is None:
            return
        log.info("%s is gone", radio.info.name)
        self._parts = tuple(one for one in self._parts if one is not part)
        self._last = {address: last for address, last in self._last.items() if last is not part}
        for task in part.tasks:
            task.cancel()
        try:
            await radio.close()
        except RadioError as error:
            log.debug("%s: %s", radio.info.name, error.text)

    def _begin_scan(self, part: _RadioPart) -> None:
        if self._scanning is not None:
            group, on_advertisement = self._scanning
            work = _scan(part, partial(self._heard, part, on_advertisement))
            part.tasks.append(group.create_task(work, name=f"scan {part.info.name}"))

    def _begin_watch(self, part: _RadioPart) -> None:
        if self._watching is not None:
            name = f"look after {part.info.name}"
            part.tasks.append(self._watching.create_task(watch(part.radio), name=name))

    def signals(self, address: str) -> dict[str, int]:
        """How strong (dBm) each radio heard it lately, by the radio's name; nothing unknown."""
        now, address = asyncio.get_running_loop().time(), canonical_address(address)
        return {
            part.info.name: part.heard[address].rssi
            for part in self._parts
            if part.hears(address, now) and plausible(part.heard[address].rssi) > UNKNOWN_DBM
        }

    def _heard(
        self, part: _RadioPart, on_advertisement: OnAdvertisement, advertisement: Advertisement
    ) -> None:
        part.note(advertisement, asyncio.get_running_loop().time())
        awaited = self._awaited.get(canonical_address(advertisement.address))
        if awaited is not None and awaited[0] is part:
            awaited[1].set()
        on_advertisement(advertisement)

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
        await self._heard_again(address)
        first: RadioError | None = None
        order = self._order(address)
        for number, part in enumerate(order, 1):
            patience_s = None if number == len(order) else ELSEWHERE_S
            try:
                return await self._by(part, address, on_gone, patience_s)
            except RadioError as error:
                log.info("%s by %s: %s", address, part.info.name, error.text)
                # Of several that fail, the one that should have done it best says why.
                first = first or error
                if error.code not in _ANOTHER_MAY and not _full(part, error):
                    raise
        raise first or RadioError(ErrorCode.RADIO, self.trouble or "There is no radio.")

    async def _by(
        self, part: _RadioPart, address: str, on_gone: OnGone, patience_s: float | None
    ) -> Connection:
        """Connect by this radio. Raises RadioError, TIMEOUT after `patience_s`."""
        loop = asyncio.get_running_loop()
        part.connecting[address] = loop.time()
        try:
            async with asyncio.timeout(patience_s):
                connection = await part.radio.connect(address, on_gone)
        except TimeoutError:
            part.tried(address, loop.time(), failed=True)
            text = f"no connection within {patience_s:g} s"
            raise RadioError(ErrorCode.TIMEOUT, text) from None
        except RadioError as error:
            if not _full(part, error):
                part.tried(address, loop.time(), failed=True)
            raise
        finally:
            del part.connecting[address]
        part.tried(address, loop.time(), failed=False)
        self._last.pop(address, None)
        self._last[address] = part
        while len(self._last) > HEARD_MOST:
            del self._last[next(iter(self._last))]
        return connection

    async def _heard_again(self, address: str) -> None:
        """Wait a moment for the radio that had it last, if that could have it again."""
        last, now = self._last.get(address), asyncio.get_running_loop().time()
        if last is None or last.hears(address, now) or not _usable(last) or last.trouble:
            return
        if not any(part.hears(address, now) for part in self._parts):
            return
        again = asyncio.Event()
        self._awaited[address] = (last, again)
        try:
            async with asyncio.timeout(AGAIN_S):
                await again.wait()
        except TimeoutError:
            pass  # the others, then
        finally:
            del self._awaited[address]

    def _order(self, address: str) -> list[_RadioPart]:
        """The radios that may connect it, best first: those that hear it, else all of them."""
        now, last = asyncio.get_running_loop().time(), self._last.get(address)
        hearing = [
            (_usable(part), told.rank, part, told)
            for part in self._parts
            if (told := part.score(address, now, kept=part is last)) is not None
        ]
        hearing.sort(key=lambda one: one[:2], reverse=True)
        if hearing:
            scores = "; ".join(f"{part.info.name} {told}" for _, _, part, told in hearing)
            log.info("%s: the radios' scores in dB: %s", address, scores)
        return [part for _, _, part, _ in hearing] or list(self._parts)


async def _brought(source: RadioSource, roster: ChangingRadios) -> None:
    await source(roster)


def _said(name: str, text: str) -> str:
    """`text` about the radio of this name, which it may begin with."""
    return text if text.startswith(name) else f"{name}: {text}"


def _usable(part: _RadioPart) -> bool:
    info = part.info
    return info.on and info.slots != 0


def _full(part: _RadioPart, error: RadioError) -> bool:
    return error.full or (error.code is ErrorCode.BUSY and part.info.slots == 0)


async def _scan(part: _RadioPart, on_advertisement: OnAdvertisement) -> Never:
    """Scan with this one until cancelled."""
    pause = SEVERAL_RETRY_S

    def heard(advertisement: Advertisement) -> None:
        nonlocal pause
        part.trouble, pause = "", SEVERAL_RETRY_S
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
        pause = min(pause * 2, SEVERAL_RETRY_MOST_S)


class _Routed(PassingConnection):
    """A connection of one of the radios; `left` is called when it is let go."""

    def __init__(self, connection: Connection, left: Callable[[], None]) -> None:
        super().__init__(connection)
        self._left = left

    async def disconnect(self) -> None:
        await super().disconnect()
        self._left()
