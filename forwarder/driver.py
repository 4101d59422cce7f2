"""The seam between a device and what moves it: packets over hardware, or another server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from forwarder.buttplug.messages import InputType, OutputType

OnReading = Callable[[int], None]


class Driver(Protocol):
    """How values reach one device: packets over hardware, or another Buttplug server.

    Values are in the device's own steps. `output` and `stop` are on their way when they return, in
    the order of the calls; the futures tell the outcome (HardwareError). One driver, one device.
    """

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int
    ) -> asyncio.Future[None]: ...

    def stop(self, features: Collection[int] | None) -> asyncio.Future[None]:
        """Bring these features, or all, to rest; overtakes everything."""
        ...

    async def read(self, feature: int, kind: InputType) -> int: ...

    def subscribe(
        self, feature: int, kind: InputType, on_reading: OnReading
    ) -> asyncio.Future[None]:
        """Like `output`: on its way when it returns, and in order with `unsubscribe`."""
        ...

    def unsubscribe(self, feature: int, kind: InputType) -> asyncio.Future[None] | None:
        """None if nothing has to leave for it. Raises HardwareError if it cannot leave; nothing is
        heard any more all the same."""
        ...

    async def close(self) -> None:
        """Stop the device and let it go."""
        ...
