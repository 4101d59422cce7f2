"""`ReportLine`: what lines of HID reports have in common, whatever the system calls a device."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.blocking import Blocking
from relay.radio.wired.line import OnBytes, OnLost, next_number

T = TypeVar("T")
# The reports that bytes are written in.
Pack = Callable[[bytes], tuple[bytes, ...]]


class ReportLine(ABC):
    """A device takes a report as a whole, or says that it is gone. In a thread of its own: neither
    a device that hangs nor a name that is looked up holds that up."""

    def __init__(self, pack: Pack, on_bytes: OnBytes, on_lost: OnLost) -> None:
        self.number = next_number()
        self._pack = pack
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._lost: str | None = None
        self._closing = False
        self._thread = Blocking("hid")
        self._loop = asyncio.get_running_loop()

    # --- in the thread: what each system does its own way --------------------------------------

    @abstractmethod
    def _put(self, report: bytes) -> None:
        """Raises OSError, whose `strerror` says why it is gone."""

    @abstractmethod
    def _give_back(self) -> None:
        """Behind the write that was under way, and the last thing."""

    # --- for us --------------------------------------------------------------------------------

    @property
    def lost_because(self) -> str | None:
        return self._lost

    async def send(self, data: bytes) -> None:
        if self._lost is None:
            for report in self._pack(data):
                # What was given up is not written.
                await asyncio.wrap_future(self._thread.submit(partial(self._write, report)))
        if self._lost is not None:
            raise RadioError(ErrorCode.GONE, self._lost)

    def nudge(self, data: bytes) -> None:
        del data  # a device on USB is told when it is gone

    def descriptor(self) -> int | None:
        return None

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        return self._pack(data)

    def lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
            self._thread.submit(self._give_back)
            self._thread.close()
            if not self._closing:
                self._on_lost(reason)

    async def close(self) -> None:
        self._closing = True
        self.lose("it was let go")

    def _write(self, report: bytes) -> None:
        if self._lost is not None:
            return
        try:
            self._put(report)
        except OSError as error:
            reason = error.strerror or "it is gone"
            self._tell(self.lose, reason)
            raise RadioError(ErrorCode.GONE, reason) from error

    def _tell(self, what: Callable[[T], None], value: T) -> None:
        """From a thread to the loop."""
        with suppress(RuntimeError):  # everything is over
            self._loop.call_soon_threadsafe(what, value)
