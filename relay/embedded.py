"""What a program needs that has relays in its own process: agents over the radios it names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from relay.config import DEVICES, AgentConfig, remembering
from relay.errors import RelayError
from relay.wanted import NONE, NamedRadios

if TYPE_CHECKING:
    from relay.agent import Agent as Agent
    from relay.radio.base import Radio

__all__ = ["RelayError", "embedded_agents", "left_behind", "settle_left"]

log = logging.getLogger(__name__)


def left_behind(state: Path) -> bool:
    """Whether a crash has left devices in this folder that the next start is to stop."""
    return any((state / DEVICES).glob("*.json"))


async def settle_left(agent: Agent, limit_s: float) -> None:
    """Run an agent only until what an earlier one left behind is stopped and released, for
    `limit_s` at most; whoever has its radio next goes on with the rest."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run(), name="what was left behind")
        try:
            async with asyncio.timeout(limit_s):
                await agent.settle()
        except TimeoutError:
            log.info("what was left behind is not all found yet")
        finally:
            agent.close()


def embedded_agents(
    *,
    simulate: Sequence[str] = (),
    placed: Sequence[tuple[str, str]] = (),
    local: bool = False,
    own: NamedRadios = NONE,
    trace: Path | None = None,
    config: AgentConfig | None = None,
    state: Path | None = None,
) -> list[Agent]:
    """One agent for the simulated toys, if any are named, and one for this machine's own radios.

    `own`: this machine's radios; with `local` the default Bluetooth adapter as well, unless others
    are named. `placed`: more simulated toys, each with the address that it shall have. `trace`: a
    file that gets one JSON line per radio operation. `state`: a folder where the next start finds
    which devices of this machine's radios a crash has left as they were. Raises UsageError for a
    toy that nobody can simulate, a radio that cannot be or is named twice, and a trace that cannot
    be written.
    """
    if not (simulate or placed or local or own.named):
        return []
    # Every kind of radio there is: what a hub without one of its own does not need.
    from relay.agent import Agent
    from relay.radio.base import toys_run_on
    from relay.radio.choice import RadioChoice, open_radio
    from relay.radio.trace import Trace

    radios: list[tuple[str, Radio]] = []
    written = Trace(trace) if trace is not None else None
    if simulate or placed:
        toys = open_radio(RadioChoice(simulate=",".join(simulate), placed=placed), written)
        radios.append(("simulated toys", toys))
    if local and not own.bluetooth:
        own = msgspec.structs.replace(own, bluetooth=("",))
    if own.named:
        radios.append(("this machine", open_radio(RadioChoice(own), written)))
    agents = []
    for name, radio in radios:
        chosen = config or AgentConfig(name=name)
        if state is not None and toys_run_on(radio):
            chosen = remembering(chosen, state)
        agents.append(Agent(radio, chosen))
    return agents
