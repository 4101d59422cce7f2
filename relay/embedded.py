"""What a program needs that has relays in its own process: agents over the radios it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relay.agent import Agent
from relay.config import AgentConfig
from relay.errors import RelayError
from relay.radio.base import Radio
from relay.radio.bleak_radio import BleakRadio
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.trace import Trace, TracedRadio

__all__ = ["Agent", "RelayError", "embedded_agents"]


def embedded_agents(
    *,
    simulate: Sequence[str] = (),
    local: bool = False,
    adapter: str | None = None,
    trace: Path | None = None,
    config: AgentConfig | None = None,
) -> list[Agent]:
    """One agent for the simulated toys, if any are named, and one for this machine's Bluetooth.

    `trace`: a file that gets one JSON line per radio operation. Raises UnknownToy (ValueError) for
    a toy that nobody can simulate, UsageError for a trace that cannot be written.
    """
    radios: list[tuple[str, Radio]] = []
    if simulate:
        radios.append(("simulated toys", SimulatedRadio(toys_by_name(",".join(simulate)))))
    if local:
        radios.append(("this machine", BleakRadio(adapter)))
    agents = []
    written = Trace(trace) if trace is not None and radios else None
    for name, radio in radios:
        traced: Radio = radio if written is None else TracedRadio(radio, written)
        agents.append(Agent(traced, config or AgentConfig(name=name)))
    return agents
