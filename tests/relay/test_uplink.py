from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from relay.agent import Agent
from relay.config import AgentConfig
from relay.hubs import Target
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed, LinkError, LinkRefused
from relay.link.messages import Bye, Wearer
from relay.uplink import GOOD_S, PAUSE_LEAST_S, PAUSE_MOST_S, REFUSED_S, Uplink
from tests.doubles.clock import run_virtual
from tests.doubles.linkhub import LinkHub
from tests.doubles.radio import RecordingRadio


class Hub:
    """Answers dials in turn: an error is raised, None is a working link that lasts `holds_s`."""

    def __init__(self, *answers: Exception | None, holds_s: float = 1.0) -> None:
        self.answers = list(answers)
        self.holds_s = holds_s
        self.dialed: list[float] = []
        self.hubs: list[LinkHub] = []
        self.group: asyncio.TaskGroup | None = None

    async def connect(self) -> Channel:
        self.dialed.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if self.answers else LinkError("nobody is there")
        if answer is not None:
            raise answer
        here, there = channel_pair()
        hub = LinkHub(there)
        self.hubs.append(hub)
        assert self.group is not None
        self.group.create_task(self._hold(hub))
        return here

    async def _hold(self, hub: LinkHub) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(hub.run())
            await hub.hear(Wearer)
            await asyncio.sleep(self.holds_s)
            await hub.channel.close()


def dials(hub: Hub, seconds: float, chance: float = 1.0) -> list[float]:
    """Run an uplink for `seconds`; return the pauses between its dials."""

    async def main() -> None:
        agent = Agent(RecordingRadio(), AgentConfig("attic"))
        uplink = Uplink(agent, Target("hub", hub.connect), chance=lambda _, most: most * chance)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                hub.group = group
                group.create_task(agent.run())
                await uplink.run()

    run_virtual(main())
    return [later - sooner for sooner, later in zip(hub.dialed, hub.dialed[1:], strict=False)]


def test_pauses_double_up_to_ten_seconds_and_it_never_gives_up() -> None:
    pauses = dials(Hub(), 600)
    assert pauses[:6] == pytest.approx([0.5, 1, 2, 4, 8, 10], abs=0.01)
    assert max(pauses) <= PAUSE_MOST_S + 0.01
    assert len(pauses) > 50


def test_the_jitter_is_full_but_for_a_least_pause() -> None:
    assert min(dials(Hub(), 10, chance=0.0)) >= PAUSE_LEAST_S


def test_after_a_good_link_the_pauses_start_again() -> None:
    lost = [LinkError("no")] * 6
    pauses = dials(Hub(*lost, None, holds_s=GOOD_S + 1), 60)
    assert pauses[6] == pytest.approx(GOOD_S + 1 + 0.5, abs=0.1)


def test_a_hub_that_hangs_up_at_once_is_not_a_good_link() -> None:
    pauses = dials(Hub(None, None, None, None, holds_s=0.0), 60)
    assert pauses[:4] == pytest.approx([0.5, 1, 2, 4], abs=0.1)


def test_a_refusal_is_asked_again_slowly() -> None:
    assert dials(Hub(LinkRefused("no"), None), 32)[0] == pytest.approx(REFUSED_S, abs=0.1)


def test_a_bug_in_one_link_is_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    hub = Hub(ZeroDivisionError(), None, holds_s=5)
    dials(hub, 4)
    assert len(hub.hubs) == 1
    assert "error in the relay" in caplog.text


def test_the_same_trouble_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    dials(Hub(*[LinkError("unplugged")] * 10), 40)
    assert caplog.text.count("unplugged") == 1


def test_trouble_is_shown_until_there_is_a_link() -> None:
    async def main() -> None:
        agent = Agent(RecordingRadio(), AgentConfig("attic"))
        hub = Hub(ChannelClosed(1006), None, holds_s=3)
        uplink = Uplink(agent, Target("hub", hub.connect), chance=lambda _, most: most)
        async with asyncio.TaskGroup() as group:
            hub.group = group
            group.create_task(agent.run())
            task = group.create_task(uplink.run())
            await asyncio.sleep(0.1)
            assert "closed" in uplink.trouble
            await asyncio.sleep(1)
            assert uplink.trouble == ""
            hub.hubs[0].tell(Bye("restarting"))
            await asyncio.sleep(0.1)
            assert uplink.trouble == "the hub closed the link"
            task.cancel()
            agent.close()

    run_virtual(main())
