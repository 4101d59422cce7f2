"""A hub that a relay trusts and that says anything, in any order: the relay survives it.

Half of the messages make sense for the toy that is there. Afterwards the relay takes the next hub.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from tests.doubles.clock import run_virtual
from tests.fuzz.dice import Dice
from tests.fuzz.engine import fuzz, instrumented

with instrumented("relay"):
    from relay.agent import Agent
    from relay.config import AgentConfig
    from relay.link import messages as m
    from relay.link.channel import Channel, channel_pair
    from relay.link.codec import encode
    from relay.link.errors import ChannelClosed, LinkError
    from relay.radio.simulated.catalogue import toys_by_name
    from relay.radio.simulated.radio import SimulatedRadio
    from tests.doubles.linkhub import LinkHub

# A hostile script is cut after so many messages; what one message can do shows long before.
_MOST = 60
_HANDLES = (3, 5, 6, 0, 9, 65535)


def _packet(dice: Dice) -> m.Packet:
    counter = m.Counter(dice.number(30), dice.number(30)) if dice.flag() else None
    return m.Packet(
        dice.one_of(_HANDLES), dice.bytes(), dice.flag(), (dice.number(3),),
        dice.number(700), counter,
    )  # fmt: skip


def _packets(dice: Dice) -> tuple[m.Packet, ...]:
    return tuple(_packet(dice) for _ in range(dice.number(4)))


def _keepalive(dice: Dice) -> m.KeepAlive | None:
    if dice.flag():
        return None
    packet = _packet(dice) if dice.flag() else None
    return m.KeepAlive(20 + dice.number(3000), packet, dice.flag(), dice.flag())


def _message(dice: Dice, address: str) -> m.FromHub:
    id, p, h = dice.number(9), dice.one_of((1, 1, 1, 2, 65535)), dice.one_of(_HANDLES)
    makers: tuple[Callable[[], m.FromHub], ...] = (
        lambda: m.Connect(id, p, dice.one_of((address, address, "x")), dice.number(30_000)),
        lambda: m.Arm(
            id, p, dice.one_of((None, (), _packets(dice))), dice.number(900),
            _keepalive(dice), dice.one_of((None, 0, 1, 7)),
        ),
        lambda: m.Beat(dice.number(9), 0, {p: dice.number(20_000)}),
        lambda: m.Output(
            id, p, _packets(dice), dice.flag(), dice.flag(), dice.one_of((None, 0, 500))
        ),
        lambda: m.Write(id, p, h, dice.bytes(), dice.flag()),
        lambda: m.Stop(
            id, p, _packets(dice), dice.flag(), dice.flag(), dice.one_of((None, 0, 1, 7))
        ),
        lambda: m.StopAll(id),
        lambda: m.Forget(id, address),
        lambda: m.Read(id, p, h),
        lambda: m.Subscribe(id, p, h),
        lambda: m.Unsubscribe(id, p, h),
        lambda: m.Disconnect(id, p),
        lambda: m.Scan(dice.flag()),
        lambda: m.Status((m.Driven(p, dice.text()),)),
        lambda: m.Interests(("x",)),
        lambda: m.Welcome(m.VERSION, dice.text(), active_ms=100 + dice.number(9000)),
        lambda: m.Bye(dice.text(), dice.flag()),
    )  # fmt: skip
    return dice.one_of(makers)()


async def _speak(channel: Channel, dice: Dice, address: str) -> None:
    try:
        await channel.send(encode(m.Welcome(m.VERSION, "desk")))
        for _ in range(_MOST):
            if dice.over:
                break
            raw = dice.byte() == 255
            await channel.send(dice.bytes(60) if raw else encode(_message(dice, address)))
            await asyncio.sleep(dice.one_of((0, 0, 0, 0.001, 0.05, 0.3, 1.2)))
        await channel.close()
    except ChannelClosed:
        return


async def _serve(agent: Agent, channel: Channel) -> None:
    with suppress(LinkError):
        await agent.serve_link(channel)


async def _scene(data: bytes) -> None:
    dice = Dice(data)
    loop = asyncio.get_running_loop()
    toys = toys_by_name("Lovense Hush")
    radio = SimulatedRadio(toys, clock=lambda: int(loop.time() * 1e9))
    agent = Agent(radio, AgentConfig(name="attic", grace_s=5))
    async with asyncio.TaskGroup() as group:
        working = group.create_task(agent.run())
        here, there = channel_pair(bound=1000)
        speaking = group.create_task(_speak(there, dice, toys[0].address))
        await _serve(agent, here)
        await speaking
        # The worst that a stop of its own making may take, and then the time of grace.
        await asyncio.sleep(20)
        assert not working.done(), "the agent has ended"
        agent.status()
        toys[0].faults.heal()
        here, there = channel_pair()
        good = LinkHub(there)
        serving = group.create_task(_serve(agent, here))
        hearing = group.create_task(good.run())
        await good.hear(m.Wearer)
        answer = await good.connect(1, toys[0].address)
        assert isinstance(answer, m.Connected), answer
        await there.close()
        await asyncio.wait([serving, hearing])
        agent.close()


def hostile_hub(data: bytes) -> None:
    logging.disable(logging.CRITICAL)
    run_virtual(_scene(data))


SEEDS = (
    # connect, wait; arm; beat; output; stop all; connect again
    b"\0\0\1\0\0\0\x75\x30\5\0\1\1\0\1" + bytes(20) + b"\0\2\1\0\1\3\x84\0" + bytes(12),
    b"\0\0\1\0\0\0\x75\x30\6\0\5\2\0\4" + bytes(range(40)),
    bytes(range(256)),
)

if __name__ == "__main__":
    sys.exit(fuzz(hostile_hub, sys.argv, SEEDS))
