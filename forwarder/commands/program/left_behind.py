"""What a hub that was killed has left running at this machine's own radios."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from forwarder.commands.bounds import LEFT_BEHIND_S
from forwarder.config import Config
from forwarder.state_lock import StateLock
from relay.embedded import RelayError, embedded_agents, left_behind, settle_left
from relay.link.tasks.event_loop import new_event_loop

if TYPE_CHECKING:
    from relay.embedded import Agent


def _own_radios(config: Config) -> list[Agent]:
    radio = config.radio
    try:
        return embedded_agents(local=radio.local, own=radio.own, state=config.radio_state)
    except RelayError:
        return []  # the hub has the same ones, and says what is wrong with them


def stop_left_behind(
    config: Config, *, agents: Callable[[Config], Sequence[Agent]] = _own_radios
) -> None:
    """Stop and release it, as far as it is found within LEFT_BEHIND_S. To be called before the hub
    is even loaded, which takes longer than the stop. Where nothing was left nothing is done.

    `agents` makes the relays that had those radios. Raises ConfigError where another hub lives in
    this state folder: then it is that one's.
    """
    if not left_behind(config.radio_state):
        return
    lock = StateLock(config.state_dir)
    try:
        for agent in agents(config):
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(settle_left(agent, LEFT_BEHIND_S))
    finally:
        lock.release()
