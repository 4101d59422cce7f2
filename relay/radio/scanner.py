"""Scans while the hub wants it, and knows how the radio is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from relay.link.messages import Advertisement, Advertisements, FromRelay, RadioInfo, RadioState
from relay.radio.base import Radio, RadioError, Several
from relay.radio.bounds import SCANNER_LOOK_S, SCANNER_RETRY_MOST_S, SCANNER_RETRY_S
from relay.radio.sightings import SightingBatch

log = logging.getLogger(__name__)


class Scanner:
    """`tell` takes what the hub is to hear, and drops it while there is none.

    `held()`: the advertisements of peripherals that are kept connected without a hub. Connected
    toys do not advertise, and a hub that was restarted does not know them: they are told for them.
    `on_heard` is called with each address that the radio itself heard.
    """

    def __init__(
        self,
        radio: Radio,
        tell: Callable[[FromRelay], None],
        held: Callable[[], Iterable[Advertisement]] = tuple,
        on_heard: Callable[[str], None] = lambda address: None,
    ) -> None:
        self._radio = radio
        self._tell = tell
        self._held = held
        self._on_heard = on_heard
        self._wanted = asyncio.Event()
        self._scope: asyncio.Timeout | None = None
        self._trouble = ""
        self._told: RadioInfo | None = None
        self._sightings = (
            SightingBatch(radio.signals) if isinstance(radio, Several) else SightingBatch()
        )
        self._flush: asyncio.TimerHandle | None = None

    @property
    def scanning(self) -> bool:
        return self._scope is not None

    @property
    def info(self) -> RadioInfo:
        """The radio's own state, or what keeps it from scanning."""
        info = self._radio.info
        return replace(info, text=self._trouble[:512]) if self._trouble else info

    def last(self, address: str) -> Advertisement | None:
        """The newest advertisement of this peripheral, if it was heard lately."""
        return self._sightings.last(address)

    @property
    def left_out(self) -> int:
        """Parts of advertisements, or whole ones, that were too large to be told."""
        return self._sightings.left_out

    def greet(self) -> RadioInfo:
        """Return `info` for a new hub; only what changes after this is told."""
        self._told = self.info
        return self._told

    def want(self, on: bool) -> None:
        """Scan, or end the scan. A hub that asks again is told everything again."""
        if on:
            self._sightings.clear()
            self._wanted.set()
            return
        self._wanted.clear()
        give_up(self._scope)

    async def run(self) -> None:
        """Until cancelled. A radio that cannot scan is tried again and again."""
        pause = SCANNER_RETRY_S
        while True:
            await self._wanted.wait()
            trouble = await self._scan()
            if trouble != self._trouble:
                self._trouble = trouble
                self._tell_state()
            if not trouble:
                pause = SCANNER_RETRY_S
                continue
            log.warning("scanning failed, trying again in %g s: %s", pause, trouble)
            await asyncio.sleep(pause)
            pause = min(pause * 2, SCANNER_RETRY_MOST_S)

    async def watch(self) -> None:
        """Tell changes of the radio's state, until cancelled."""
        while True:
            await asyncio.sleep(SCANNER_LOOK_S)
            self._tell_state()
            if self._wanted.is_set():
                for advertisement in self._held():
                    self._note(advertisement)

    async def _scan(self) -> str:
        """Scan until it is not wanted; return what went wrong, if anything."""
        try:
            async with asyncio.timeout(None) as self._scope:
                await self._radio.scan(self._sighted)
        except TimeoutError:
            return ""
        except RadioError as error:
            return error.text
        finally:
            self._scope = None
        return "the scan ended by itself"

    def offer(self, advertisement: Advertisement) -> bool:
        """Tell the hub of a peripheral that is connected and waits for it, if it looks for any."""
        if not self._wanted.is_set():
            return False
        self._note(advertisement)
        return True

    def _sighted(self, advertisement: Advertisement) -> None:
        self._trouble = ""
        self._note(advertisement)
        self._on_heard(advertisement.address)

    def _note(self, advertisement: Advertisement) -> None:
        loop = asyncio.get_running_loop()
        self._sightings.add(advertisement, loop.time())
        due = self._sightings.due
        if due is not None and self._flush is None:
            self._flush = loop.call_at(due, self._tell_sightings)

    def _tell_sightings(self) -> None:
        self._flush = None
        loop = asyncio.get_running_loop()
        batch = self._sightings.take(loop.time())
        if batch:
            self._tell(Advertisements(batch))
        if self._sightings.due is not None:
            self._flush = loop.call_at(self._sightings.due, self._tell_sightings)

    def look(self) -> None:
        """The radio may have changed: tell the hub now if it has."""
        self._tell_state()

    def _tell_state(self) -> None:
        info = self.info
        if info != self._told:
            self._told = info
            self._tell(RadioState(info))


def give_up(scope: asyncio.Timeout | None) -> None:
    """End what runs in `scope` as if its time were up; nothing before it starts or once it ends."""
    if scope is not None and not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())
