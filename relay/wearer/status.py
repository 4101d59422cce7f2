"""What a person at the relay sees of it."""

from __future__ import annotations

from dataclasses import dataclass

from relay.link.messages import Debt, Driven, GuestHere, RadioInfo


@dataclass(frozen=True, slots=True)
class PeripheralStatus:
    """`bound`: a hub has it; else it is held, stopped. `driven`: what the hub says about it.

    `name`: what it calls itself. `words`: what a simulated toy does, by its own record.
    """

    address: str
    gate: str
    running: bool
    bound: bool
    driven: Driven | None
    name: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What a person at the relay sees. `hub`: None without a link. `debts`: what may be running,
    is not connected, and is looked for. `unkept`: why the wearer's switch is lost at a restart.
    `guests`: who is here by a share of what this relay has."""

    name: str
    hub: str | None
    radio: RadioInfo
    scanning: bool
    paused: bool
    stopped: bool
    peripherals: tuple[PeripheralStatus, ...]
    counters: dict[str, int]
    debts: tuple[Debt, ...] = ()
    unkept: str = ""
    guests: tuple[GuestHere, ...] = ()
