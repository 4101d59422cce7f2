from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from relay.agent import Agent
from relay.config import AgentConfig
from relay.hub_link.bounds import BUSY_S, GOOD_S, PAUSE_LEAST_S, PAUSE_MOST_S, REFUSED_S
from relay.hub_link.hubs import HubTarget
from relay.hub_link.uplink import Uplink
from relay.link.bounds import ACTIVE_PATIENCE_S, LINK_SILENCE_S
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed, LinkError, LinkRefused
from relay.link.messages import Bye, Wearer
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.session import LinkSilent
from tests.doubles.clock import run_virtual
from tests.doubles.linkhub import LinkHub
from tests.doubles.radio import RecordingRadio


class Hub:
    """Answers dials in turn: an error is raised, None is a working link that lasts `holds_s`.

    `silent`: it falls silent then, instead of hanging up. `leases` go out with its beats.
    """

    def __init__(
        self,
        *answers: Exception | None,
        holds_s: float = 1.0,
        silent: bool = False,
        leases: dict[int, int] | None = None,
    ) -> None:
        self.answers = list(answers)
        self.holds_s = holds_s
        self.silent = silent
        self.leases = leases or {}
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
            hub.leases = self.leases
            await asyncio.sleep(self.holds_s)
            if self.silent:
                hub.beating = False
                await asyncio.sleep(LINK_SILENCE_S + 1)
            await hub.channel.close()


def dials(hub: Hub, seconds: float, chance: float = 1.0) -> list[float]:
    """Run an uplink for `seconds`; return the pauses between its dials."""

    async def main() -> None:
        agent = Agent(RecordingRadio(), AgentConfig("attic"))
        uplink = Uplink(agent, HubTarget("hub", hub.connect), chance=lambda _, most: most * chance)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                hub.group = group
                group.create_task(agent.run())
                await uplink.run()

    run_virtual(main())
    return [later - sooner for sooner, later in zip(hub.dialed, hub.dialed[1:], strict=False)]


def test_pauses_double_up_to_ten_seconds_and_it_never_gives_up() -> None:
    pauses = dials(Hub(), 600)
    assert pauses[:7] == pytest.approx([0.5, 0.5, 1, 2, 4, 8, 10], abs=0.01)
    assert max(pauses) <= PAUSE_MOST_S + 0.01
    assert len(pauses) > 50


def test_short_pauses_by_chance_do_not_make_the_next_ones_long() -> None:
    pauses = dials(Hub(), 20, chance=0.25)
    away = 0.0
    for pause in pauses:
        assert pause <= max(0.5, away) * 0.25 + 0.01
        away += pause
    assert away > 15


def test_the_jitter_is_full_but_for_a_least_pause() -> None:
    assert min(dials(Hub(), 10, chance=0.0)) >= PAUSE_LEAST_S


def test_after_a_good_link_the_pauses_start_again() -> None:
    lost = [LinkError("no")] * 6
    pauses = dials(Hub(*lost, None, holds_s=GOOD_S + 1), 60)
    assert pauses[6] == pytest.approx(GOOD_S + 1 + 0.5, abs=0.1)


def test_a_hub_that_hangs_up_at_once_is_not_a_good_link() -> None:
    pauses = dials(Hub(None, None, None, None, holds_s=0.0), 60)
    assert pauses[:5] == pytest.approx([0.5, 0.5, 1, 2, 4], abs=0.1)


def test_a_refusal_is_asked_again_slowly() -> None:
    assert dials(Hub(LinkRefused("no"), None), 32)[0] == pytest.approx(REFUSED_S, abs=0.1)


def test_a_link_that_fell_silent_is_dialed_anew_at_once() -> None:
    hub = Hub(None, None, holds_s=6, silent=True)
    assert dials(hub, 18)[0] == pytest.approx(6 + LINK_SILENCE_S, abs=0.3)


def test_while_something_runs_silence_is_noticed_after_two_seconds() -> None:
    hub = Hub(None, None, holds_s=6, silent=True, leases={1: 900})
    assert dials(hub, 12)[0] == pytest.approx(6 + ACTIVE_PATIENCE_S, abs=0.3)


def test_only_the_first_dial_after_a_silence_is_hasty() -> None:
    pauses = dials(Hub(*[LinkSilent("nobody speaks")] * 6), 20)
    assert pauses[0] == pytest.approx(0, abs=0.01)
    assert min(pauses[1::2]) >= 0.5
    assert pauses[1] == pytest.approx(0.5, abs=0.01)


def test_a_hub_that_is_busy_is_asked_again_after_short_pauses() -> None:
    busy = [HandshakeRefused(RefusalCode.BUSY)] * 4
    assert dials(Hub(*busy), 20)[:4] == pytest.approx([BUSY_S] * 4, abs=0.01)
    assert dials(Hub(*busy), 20, chance=0.1)[:4] == pytest.approx([BUSY_S / 10] * 4, abs=0.01)
    assert dials(Hub(*busy), 20, chance=0.0)[:4] == pytest.approx([PAUSE_LEAST_S] * 4, abs=0.01)


def test_a_hub_that_was_busy_and_then_went_away_is_dialed_as_if_it_had_just_gone() -> None:
    busy = [HandshakeRefused(RefusalCode.BUSY)] * 3
    pauses = dials(Hub(*busy, *[LinkError("no")] * 3), 30)
    assert pauses[3:6] == pytest.approx([0.5, 1, 2], abs=0.01)


def test_an_agent_that_is_closing_is_not_linked_again() -> None:
    async def main() -> None:
        agent = Agent(RecordingRadio(), AgentConfig("attic"))
        hub = Hub(None, None, None, holds_s=100)
        uplink = Uplink(agent, HubTarget("hub", hub.connect), chance=lambda _, most: 0.0)
        async with asyncio.TaskGroup() as group:
            hub.group = group
            running = group.create_task(agent.run())
            linking = group.create_task(uplink.run())
            await asyncio.sleep(1)
            agent.close()
            await running
            await linking
            await hub.hubs[0].channel.close()
            assert len(hub.dialed) == 1

    run_virtual(main())


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
        uplink = Uplink(agent, HubTarget("hub", hub.connect), chance=lambda _, most: most)
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
