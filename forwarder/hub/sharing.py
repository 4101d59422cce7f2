"""`Shared`: something far away that is on for as long as anybody holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from forwarder.devices.driver import Outcome
from forwarder.errors import HardwareError
from relay.link.messages import ErrorCode

H = TypeVar("H")


class Shared(Generic[H]):
    """Begins with the first holder and ends with the last.

    `begin` and `end` put their request on its way before they return, in the order of the calls,
    so that whoever leaves waits for nothing. They raise DeviceError at once, or their futures fail.
    """

    def __init__(self, begin: Callable[[], Outcome], end: Callable[[], Outcome | None]) -> None:
        self._begin = begin
        self._end = end
        self._holders: set[H] = set()
        # How it began; None while it is off.
        self._begun: Outcome | None = None

    @property
    def holders(self) -> frozenset[H]:
        return frozenset(self._holders)

    def take(self, holder: H) -> Outcome:
        """Hold it, from now on; returns how it began, which others may wait for as well.

        Raises DeviceError, or the future fails with it: then nobody holds it.
        """
        if self._begun is None:
            begun = self._begin()
            self._begun = begun
            begun.add_done_callback(self._look)
        self._holders.add(holder)
        return self._begun

    def _look(self, begun: Outcome) -> None:
        failed = begun.cancelled() or begun.exception() is not None
        if failed and self._begun is begun:
            self._begun = None
            self._holders.clear()  # all of them waited for this

    async def hold(self, holder: H) -> None:
        """Return when it is on. Raises DeviceError; then, and if this is cancelled, `holder` holds
        nothing."""
        begun = self.take(holder)
        try:
            # Not the future itself: who is cancelled takes nothing from the others.
            await asyncio.wait([begun])
        except asyncio.CancelledError:
            self.leave(holder)
            raise
        if begun.cancelled():
            raise HardwareError(ErrorCode.GONE, "The device was let go meanwhile.")
        begun.result()

    def release(self, holder: H) -> Outcome | None:
        """Give it back; returns how the end goes, if this was the last holder and there is
        something to wait for. Raises DeviceError: it could not be told, and is held by nobody."""
        if holder not in self._holders:
            return None
        self._holders.discard(holder)
        if self._holders:
            return None
        self._begun = None
        return self._end()

    def leave(self, holder: H) -> None:
        """Like `release`, for those who go whatever comes of it."""
        try:
            ending = self.release(holder)
        except HardwareError:
            return  # the way to it is gone: who has it notes that it is owed
        if ending is not None:
            ending.add_done_callback(_noticed)


def _noticed(ending: Outcome) -> None:
    """A failure was said where it happened; nobody has to look again."""
    if not ending.cancelled():
        ending.exception()
