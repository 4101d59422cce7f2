"""The seam to what a system offers for rumble: which pads there are, and making one rumble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# Levels of the two motors.
TOP = 0xFFFF


@dataclass(frozen=True, slots=True)
class Found:
    """`id`: the same each time this pad is plugged in, as far as that can be told. `place`: where
    it is now; another one after it was plugged in anew."""

    id: str
    place: str
    name: str


class Pad(Protocol):
    """An open pad. Calls may take a while, are made off the event loop, and raise DeviceError."""

    def rumble(self, low: int, high: int, ms: int) -> None:
        """Both motors at these levels (0 to TOP) from now on, for `ms` at most, in place of what
        they did. 0, 0: at rest."""
        ...

    def battery(self) -> int | None:
        """Percent; None: it has none, or does not tell."""
        ...

    def close(self) -> None:
        """At rest, and free for others. Idempotent; raises nothing."""
        ...


class Pads(Protocol):
    """`bounded`: an effect ends after its time by itself, even if this program is dead."""

    bounded: bool

    def find(self) -> list[Found]:
        """Look for pads that rumble. Off the event loop. Raises DeviceError."""
        ...

    def open(self, found: Found) -> Pad: ...
