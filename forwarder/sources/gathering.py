"""Waits a moment for the relay that would do best to hear a toy, before another one opens it."""

from __future__ import annotations

import asyncio


class Gathering:
    """One wait at a time for each address."""

    def __init__(self) -> None:
        self._waits: dict[str, asyncio.Event] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waits)

    async def wait(self, address: str, for_s: float) -> None:
        """Returns when `heard` is called for it, after `for_s` at the latest."""
        if not for_s:
            return
        event = self._waits[address] = asyncio.Event()
        try:
            async with asyncio.timeout(for_s):
                await event.wait()
        except TimeoutError:
            pass  # those that are there, then
        finally:
            del self._waits[address]

    def heard(self, address: str) -> None:
        """By the one that is waited for."""
        if address in self._waits:
            self._waits[address].set()
