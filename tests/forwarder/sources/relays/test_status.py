"""The person at a relay sees who drives what, at every change and no more often."""

from __future__ import annotations

import asyncio

from forwarder.sources.relays.status import RelayStatus
from tests.forwarder.sources.relays.test_source import World, play


def test_a_relay_shows_what_its_toys_do_and_for_whom() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        status = RelayStatus(world.hub, world.source, lambda device: 80)
        status.tell()
        await world.vibrates(10)
        status.tell()
        await asyncio.sleep(0.1)
        (driven,) = [each.driven for each in post.agent.status().peripherals]
        assert driven is not None
        assert (driven.name, driven.level) == ("Lovense Hush", 0.5)
        assert (driven.clients, driven.battery) == (("app",), 80)

    play(scene)


def test_nothing_is_said_when_nothing_changed() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        (relay,) = world.source.relays.values()
        assert relay.link is not None
        status = RelayStatus(world.hub, world.source, lambda device: None)
        status.tell()
        await asyncio.sleep(0.1)
        waiting = len(relay.link._outbox)
        status.tell()
        assert len(relay.link._outbox) == waiting == 0

    play(scene)


def test_a_repeated_value_that_changes_nothing_is_no_news_and_each_other_one_is() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        device = await world.device()
        (relay,) = world.source.relays.values()
        assert relay.link is not None
        status = RelayStatus(world.hub, world.source, lambda device: None)
        told: list[float] = []
        for level in (5, 5, 10):
            await world.vibrates(level)
            status.tell()
            await asyncio.sleep(0.1)
            (driven,) = [each.driven for each in post.agent.status().peripherals]
            assert driven is not None
            told.append(driven.level)
        assert told == [0.25, 0.25, 0.5]
        device.display_name = "Left"
        status.tell()
        await asyncio.sleep(0.1)
        (driven,) = [each.driven for each in post.agent.status().peripherals]
        assert driven is not None
        assert driven.name == "Left"

    play(scene)
