"""Game pads as Linux has them, with a record of their own: an effect ends after its time."""

from __future__ import annotations

import threading
import time

from relay.radio.blocking import BlockingDeviceError
from relay.radio.gamepad.pads import Found


class FakePad:
    """`hung`: calls wait until it is cleared. `refuses`: so many calls fail. Thread-safe."""

    def __init__(
        self, id: str = "0003:045e:028e:pad", name: str = "Test Pad", place: str = ""
    ) -> None:
        self.id = id
        self.place = place or id
        self.name = name
        self.plugged = True
        self.refuses = 0
        self.percent: int | None = None
        self.opened = 0
        self.record: list[tuple[float, int, int]] = []
        self._free = threading.Event()
        self._free.set()
        self._until = 0.0
        self._levels = (0, 0)

    def hang(self) -> None:
        self._free.clear()

    def heal(self) -> None:
        self._free.set()

    @property
    def levels(self) -> tuple[int, int]:
        """What it does now."""
        return self._levels if time.monotonic() < self._until and self.plugged else (0, 0)

    def _check(self) -> None:
        self._free.wait(10)
        if not self.plugged:
            raise BlockingDeviceError("The pad was unplugged.", gone=True)
        if self.refuses:
            self.refuses -= 1
            raise BlockingDeviceError("The pad does not take it: busy")

    # --- as an open pad ------------------------------------------------------------------------

    def rumble(self, low: int, high: int, ms: int) -> None:
        self._check()
        now = time.monotonic()
        self._levels, self._until = (low, high), now + ms / 1000
        self.record.append((now, low, high))

    def battery(self) -> int | None:
        self._check()
        return self.percent

    def close(self) -> None:
        self._free.wait(10)
        self.opened -= 1
        self._levels = (0, 0)


class FakePads:
    bounded = True

    def __init__(self, *pads: FakePad) -> None:
        self.pads = pads
        self.trouble = ""

    def find(self) -> list[Found]:
        if self.trouble:
            raise BlockingDeviceError(self.trouble)
        return [Found(pad.id, pad.place, pad.name) for pad in self.pads if pad.plugged]

    def open(self, found: Found) -> FakePad:
        pad = next(pad for pad in self.pads if pad.place == found.place)
        pad._check()
        pad.opened += 1
        return pad
