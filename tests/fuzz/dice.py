"""Turns the fuzzer's bytes into choices, so that most of them make sense to the code under test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Chooses by one byte after the other; `over` once there are none left (all choices are 0)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def over(self) -> bool:
        return self._at >= len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def number(self, most: int) -> int:
        """0 … most; mostly small, and with two bytes when that is needed."""
        value = self.byte() if most < 256 else self.byte() * 256 + self.byte()
        return value % (most + 1)

    def flag(self) -> bool:
        return self.byte() % 2 == 1

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.byte() % len(choices)]

    def text(self, most: int = 8) -> str:
        return self.bytes(most).decode("latin-1")

    def bytes(self, most: int = 20) -> bytes:
        return bytes(self.byte() for _ in range(self.number(most)))
