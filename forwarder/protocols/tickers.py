"""Outputs that go on by the clock after a command."""

from __future__ import annotations

from typing import Protocol


class Ticker(Protocol):
    """Moves one feature; `tick` is called every `every_ms` while `active`."""

    every_ms: int

    @property
    def active(self) -> bool: ...

    def go(self, value: int, duration_ms: int) -> None: ...

    def tick(self) -> bytes | None:
        """The packet that is due now, if any."""
        ...

    def halt(self) -> None:
        """Stay where it is."""
        ...


class LovenseStroker:
    """Solace Pro: sends the way to a position as one `FSetSite:n;` every 100 ms.

    The step is a fraction; the reference divides integers, so that its slow small moves never end.
    """

    every_ms = 100

    def __init__(self) -> None:
        self._position = 0.0
        self._goal = 0
        self._step = 0.0
        self._sent: int | None = None

    @property
    def active(self) -> bool:
        return self._position != self._goal or self._sent != self._goal

    def go(self, value: int, duration_ms: int) -> None:
        self._goal = value
        self._step = (value - self._position) / max(1.0, duration_ms / self.every_ms)
        self._sent = None

    def tick(self) -> bytes | None:
        left = self._goal - self._position
        if abs(left) <= abs(self._step):
            self._position = self._goal
        else:
            self._position += self._step
        place = round(self._position)
        if place == self._sent:
            return None
        self._sent = place
        return f"FSetSite:{place};".encode()

    def halt(self) -> None:
        self._goal = round(self._position)
        self._position = self._goal
        self._sent = self._goal
