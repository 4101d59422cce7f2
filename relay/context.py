"""What all peripherals of one relay share."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from relay.wearer.audit import Audit


@dataclass(slots=True)
class RelayContext:
    """`tally` counts for people. `demands_traffic`: this radio loses devices that are silent.

    `armed` is called when a peripheral has been armed, before the hub hears of it. `recorded`
    returns when what is to outlast this process is written down, or soon if that takes too long.
    """

    audit: Audit = field(default_factory=Audit)
    tally: Tally[str] = field(default_factory=Tally)
    demands_traffic: bool = False
    armed: Callable[[], None] = lambda: None
    recorded: Callable[[], Awaitable[None]] | None = None
