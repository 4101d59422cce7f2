"""Toys that are not connected because the person's stop holds. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from forwarder.sources.base import HeldBack
from forwarder.sources.bounds import HELD_BACK_MOST


class HeldBackToys:
    """In the order in which they came; each once."""

    def __init__(self) -> None:
        self._toys: dict[str, str] = {}

    def __iter__(self) -> Iterator[HeldBack]:
        return iter([HeldBack(*toy) for toy in self._toys.items()])

    def add(self, address: str, name: str = "") -> None:
        """It would be connected now. `name`: as far as it is known."""
        name = name or self._toys.get(address, "")
        self._toys.pop(address, None)
        if len(self._toys) >= HELD_BACK_MOST:
            del self._toys[next(iter(self._toys))]
        self._toys[address] = name

    def take(self) -> list[str]:
        """The person resumes: whose addresses to look for."""
        addresses = list(self._toys)
        self._toys.clear()
        return addresses
