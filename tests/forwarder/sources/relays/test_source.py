"""Relays as a source, with real agents and simulated toys at the other end, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue, StopCmd
from forwarder.connectors.bounds import ADDRESSES_S
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.driver import Outcome
from forwarder.errors import Denied, DeviceError, HardwareError
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.relays.bounds import MISSING_S
from forwarder.sources.relays.source import RelaySource
from relay.agent import Agent
from relay.config import GRACE_S, AgentConfig
from relay.link.channel import Channel, channel_pair
from relay.link.codec import encode
from relay.link.errors import LinkError
from relay.link.messages import VERSION, Ceiling, Hello, Places
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import VirtualLoop, run_virtual
from tests.forwarder.hub.test_hub import FakeClient


@dataclass
class Post:
    """A relay agent with its toys, and its present link."""

    name: str
    toys: list[Toy]
    agent: Agent
    here: Channel | None = None
    ends: list[asyncio.Task[None]] = field(default_factory=list)


class World:
    """A hub, a client that scans, and relays that come and go."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        user: UserConfig | None = None,
        store: Store | None = None,
    ) -> None:
        self.tasks = tasks
        store = self.store = store or Store(None)
        self.hub = Hub(store)
        self.user = user or UserConfig()
        catalogue = Catalogue.load(user=self.user)
        self.source = RelaySource(
            "hub",
            catalogue,
            self.user,
            self.hub,
            known=store.at,
            kept=store.kept,
            on_kept=store.keep,
        )
        self.hub.sources.append(self.source)
        self.client = FakeClient()
        self.hub.join(self.client)
        self._running = [tasks.create_task(self.source.run())]

    def post(self, name: str, toys: str, **config: object) -> Post:
        return self.post_with(name, toys_by_name(toys), **config)

    def post_with(self, name: str, toys: list[Toy], **config: object) -> Post:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        radio = SimulatedRadio(toys, clock=loop.time_ns)
        agent = Agent(radio, AgentConfig(name=name, **config))  # type: ignore[arg-type]
        self._running.append(self.tasks.create_task(agent.run()))
        return Post(name, toys, agent)

    def link(self, post: Post, key: str | None = "key") -> None:
        here, there = channel_pair(names=(post.name, "hub"))
        post.here = here
        post.ends = [
            self.tasks.create_task(_quietly(post.agent.serve_link(there))),
            self.tasks.create_task(_quietly(self._drive(here, key))),
        ]

    async def _drive(self, channel: Channel, key: str | None) -> None:
        try:
            await self.source.drive(channel, key)
        finally:
            await channel.close()

    async def cut(self, post: Post) -> None:
        assert post.here is not None
        await post.here.close()
        await asyncio.wait(post.ends)

    async def device(self, count: int = 1) -> Device:
        self.hub.start_scanning(self.client)
        async with asyncio.timeout(60):
            while len(self.hub.devices) < count:  # noqa: ASYNC110  # virtual time is cheap
                await asyncio.sleep(0.05)
        return self.hub.devices[0]

    def vibrate(self, value: int, device: int = 0, feature: int = 0) -> Outcome | None:
        command = {OutputType.VIBRATE: OutputValue(value=value)}
        return self.hub.output(
            self.client,
            OutputCmd(id=1, device_index=device, feature_index=feature, command=command),
        )

    async def vibrates(self, value: int, device: int = 0) -> None:
        outcome = self.vibrate(value, device)
        if outcome is not None:
            await outcome

    def end(self) -> None:
        for task in self._running:
            task.cancel()


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(LinkError):
        await work


Scene = Callable[[World], Awaitable[None]]


def play(scene: Scene, user: UserConfig | None = None) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            world = World(tasks, user)
            await scene(world)
            world.end()

    run_virtual(run())


def test_a_toy_in_range_becomes_a_device_that_can_be_driven() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        device = await world.device()
        assert (device.name, device.source) == ("Lovense Hush", "attic")
        await world.vibrates(10)
        assert post.toys[0].writes[-1] == b"Vibrate:10;"
        (stop,) = world.hub.stop(world.client, StopCmd(id=1, device_index=0))
        await stop
        assert post.toys[0].at_rest

    play(scene)


def test_nothing_is_connected_before_somebody_scans() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await asyncio.sleep(5)
        assert not post.toys[0].connected

    play(scene)


def test_a_broken_link_stops_the_toy_and_a_short_one_goes_unnoticed() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        device = await world.device()
        await world.vibrates(10)
        await world.cut(post)
        await asyncio.sleep(0.5)
        assert post.toys[0].at_rest
        assert world.hub.devices[0] is device
        with pytest.raises(HardwareError, match="away"):
            world.vibrate(5)
        world.link(post)
        await asyncio.sleep(1)
        assert world.hub.devices[0] is device
        assert post.toys[0].at_rest
        await world.vibrates(7)
        assert post.toys[0].writes[-1] == b"Vibrate:7;"
        connects = [one for one in post.toys[0].record if one.op is FaultPoint.CONNECT]
        assert len(connects) == 1

    play(scene)


def test_a_relay_that_stays_away_takes_its_devices_with_it() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        await world.cut(post)
        await asyncio.sleep(GRACE_S - 1)
        assert world.hub.devices
        await asyncio.sleep(2)
        assert not world.hub.devices
        assert not world.source.relays
        world.link(post)
        await world.device()
        assert list(world.hub.devices) == [0]

    play(scene)


def test_a_toy_that_was_lost_comes_back_without_a_scan() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        world.hub.stop_scanning(world.client)
        post.toys[0].vanish()
        await asyncio.sleep(2)
        assert not world.hub.devices
        await asyncio.sleep(20)
        post.toys[0].appear()
        await asyncio.sleep(5)
        assert list(world.hub.devices) == [0]
        post.toys[0].vanish()
        await asyncio.sleep(MISSING_S + 5)
        post.toys[0].appear()
        await asyncio.sleep(20)
        assert not world.hub.devices

    play(scene)


def test_a_toy_that_ran_on_is_off_before_it_is_listed_again_by_another_relay() -> None:
    async def scene(world: World) -> None:
        (toy,) = toys_by_name("Lovense Hush")
        attic = world.post_with("attic", [toy])
        world.link(attic, "a")
        await world.device()
        await world.vibrates(10)
        toy.vanish()
        await asyncio.sleep(5)
        attic.agent.close()
        assert not world.hub.devices
        cellar = world.post_with("cellar", [toy])
        world.link(cellar, "b")
        toy.appear()
        written = len(toy.writes)
        device = await world.device()
        assert device.source == "cellar"
        assert toy.at_rest
        # Before it was asked anything, and once more behind that.
        assert list(toy.writes)[written:] == [b"Vibrate:0;", b"DeviceType;", b"Vibrate:0;"]

    play(scene)


def test_a_command_that_failed_is_not_carried_out_by_a_later_one_of_another_motor() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "WeVibe Nova")
        world.link(post)
        device = await world.device()
        (toy,) = post.toys
        toy.faults.fail(1)
        failing = world.vibrate(8)
        assert failing is not None
        with pytest.raises(HardwareError):
            await failing
        assert device.may_run == (0,), "nobody knows whether it arrived"
        for value in (3, 0):
            outcome = world.vibrate(value, feature=1)
            assert outcome is not None
            await outcome
        assert toy.at_rest
        await asyncio.sleep(1)
        assert toy.at_rest

    play(scene)


def test_a_command_that_failed_beside_one_under_way_is_taken_back_behind_it() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "WeVibe Nova")
        world.link(post)
        await world.device()
        (toy,) = post.toys
        await world.vibrates(2)
        # The second packet carries the first one's value, and is under way when that one fails.
        toy.faults.latency_s = 0.2
        toy.faults.fail(1)
        first = world.vibrate(8)
        await asyncio.sleep(0.1)
        second = world.vibrate(3, feature=1)
        assert first is not None
        assert second is not None
        with pytest.raises(HardwareError):
            await first
        await second
        await asyncio.sleep(1)
        inner, outer = (world.hub.devices[0].levels[index][1] for index in (0, 1))
        assert (inner, outer) == (2, 3)
        shown = sorted(toy.levels.values())
        assert shown == pytest.approx([2 / 15, 3 / 15], abs=0.01)

    play(scene)


def test_a_toy_that_a_dead_relay_may_have_left_running_is_owed_and_looked_for_until_found() -> None:
    async def scene(world: World) -> None:
        (near,), (far,) = toys_by_name("Lovense Hush"), toys_by_name("Lovense Hush")
        near.rssi, far.rssi = -45, -80
        attic, cellar = world.post_with("attic", [near]), world.post_with("cellar", [far])
        world.link(attic, "a")
        world.link(cellar, "b")
        device = await world.device()
        world.source.relays["a"].devices[1].hardware.supervised = False  # type: ignore[attr-defined]
        await world.vibrates(10)
        world.hub.stop_scanning(world.client)
        far.vanish()
        await world.cut(attic)
        await asyncio.sleep(1.5)
        assert device.may_run == (0,), "its last lease has run out, but who knows"
        await asyncio.sleep(70)
        assert not world.hub.devices
        (owing,) = world.source.owing
        assert (owing.toy, owing.relay, owing.told) == ("Lovense Hush", "attic", False)
        await asyncio.sleep(MISSING_S + 3600)
        far.appear()
        await asyncio.sleep(60)
        assert world.hub.devices[0].source == "cellar"
        assert far.at_rest
        assert list(world.source.owing) == []

    play(scene)


def test_what_a_relay_owes_is_known_while_it_is_away() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post, "a")
        await world.device()
        await world.vibrates(10)
        post.toys[0].vanish()
        await asyncio.sleep(2)
        (owing,) = world.source.owing
        assert (owing.relay, owing.told) == ("attic", True)
        await world.cut(post)
        await asyncio.sleep(120)
        assert not world.source.relays
        assert list(world.source.owing) == [owing]
        post.toys[0].appear()
        await asyncio.sleep(60)
        world.link(post, "a")
        await asyncio.sleep(5)
        assert list(world.source.owing) == [], "it has found and stopped it by itself"

    play(scene)


def test_the_better_of_two_radios_is_used_and_the_other_takes_over() -> None:
    async def scene(world: World) -> None:
        (near,), (far,) = toys_by_name("Lovense Hush"), toys_by_name("Lovense Hush")
        near.rssi, far.rssi = -45, -80
        attic, cellar = world.post_with("attic", [far]), world.post_with("cellar", [near])
        world.link(attic, "a")
        world.link(cellar, "b")
        device = await world.device()
        assert device.source == "cellar"
        near.vanish()
        await asyncio.sleep(10)
        assert world.hub.devices[0].source == "attic"
        await world.vibrates(3)
        assert far.writes[-1] == b"Vibrate:3;"

    play(scene)


def test_a_full_relay_is_passed_over() -> None:
    async def scene(world: World) -> None:
        both = world.post("small", "Lovense Hush,Lovense Edge", max_peripherals=1)
        world.link(both)
        await world.device()
        await asyncio.sleep(10)
        assert len(world.hub.devices) == 1

    play(scene)


def test_the_wearers_pause_is_told_and_holds_until_resumed() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        await world.vibrates(10)
        post.agent.pause()
        await asyncio.sleep(0.5)
        assert post.toys[0].at_rest
        assert world.client.told[-1] == "Lovense Hush was stopped: the wearer paused."
        with pytest.raises(Denied, match="paused attic"):
            world.vibrate(5)
        post.agent.resume()
        await asyncio.sleep(0.5)
        assert post.toys[0].at_rest
        await world.vibrates(5)
        assert not post.toys[0].at_rest

    play(scene)


def test_the_wearers_ceiling_shows_as_a_smaller_range() -> None:
    async def scene(world: World) -> None:
        ceiling = Ceiling(0.5, "Vibrate")
        post = world.post("attic", "Lovense Hush", ceilings=(ceiling,))
        world.link(post)
        device = await world.device()
        await asyncio.sleep(0.5)
        assert device.highest(0, OutputType.VIBRATE) == 10
        await world.vibrates(10)
        assert post.toys[0].writes[-1] == b"Vibrate:10;"
        with pytest.raises(DeviceError):
            world.vibrate(11)

    play(scene)


def test_a_toy_that_will_not_connect_is_tried_again_with_pauses() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        post.toys[0].faults.refuse_connections(3)
        world.link(post)
        started = asyncio.get_running_loop().time()
        await world.device()
        assert asyncio.get_running_loop().time() - started >= 1 + 2 + 4

    play(scene)


def test_a_toy_that_does_not_answer_its_handshake_is_let_go() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Satisfyer Love Triangle")
        toy = post.toys[0]
        toy.faults.fail(None)
        world.link(post)
        world.hub.start_scanning(world.client)
        await asyncio.sleep(10)
        assert not world.hub.devices
        assert not toy.connected

    play(scene)


def test_a_denied_toy_is_left_alone(tmp_path: Path) -> None:
    (hush,) = toys_by_name("Lovense Hush")
    entry = {
        "identifier": {"protocol": "lovense", "identifier": "Z", "address": hush.address},
        "config": {"features": [], "user_config": {"allow": False, "deny": True, "index": 0}},
    }
    tree = {"version": {"major": 4, "minor": 0}, "user_configs": {"devices": [entry]}}

    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush,Lovense Edge")
        world.link(post)
        await world.device()
        await asyncio.sleep(5)
        assert [device.name for device in world.hub.devices.values()] == ["Lovense Edge"]

    play(scene, UserConfig.from_tree(tree))


def test_a_revoked_relay_is_cut_within_a_second() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post, "its key")
        await world.device()
        await world.vibrates(10)
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert world.source.revoke("its key")
        await asyncio.wait(post.ends)
        assert loop.time() - started < 1
        await asyncio.sleep(0.5)
        assert post.toys[0].at_rest
        assert not world.source.revoke("its key")

    play(scene)


def test_a_goodbye_is_said_as_soon_as_every_relay_has_it() -> None:
    async def scene(world: World) -> None:
        posts = [world.post("attic", "Lovense Hush"), world.post("cellar", "Lovense Edge")]
        for post in posts:
            world.link(post, post.name)
        await world.device()
        loop = asyncio.get_running_loop()
        started = loop.time()
        await world.source.say_goodbye("the hub is shutting down")
        assert loop.time() == started
        assert not [relay for relay in world.source.relays.values() if relay.link is not None]
        for post in posts:
            await asyncio.wait(post.ends)
        assert loop.time() == started
        # Nobody is let in any more.
        world.link(posts[0], "attic")
        await asyncio.wait(posts[0].ends)
        assert world.source.relays["attic"].link is None

    play(scene)


def test_a_relay_that_takes_no_goodbye_holds_it_up_until_the_link_ends() -> None:
    async def scene(world: World) -> None:
        here, there = channel_pair(names=("attic", "hub"))
        driven = world.tasks.create_task(_quietly(world.source.drive(here, "key")))
        await there.send(encode(Hello(VERSION, "attic")))
        while not world.source.relays:  # noqa: ASYNC110  # virtual time is cheap
            await asyncio.sleep(0.01)
        link = world.source.relays["key"].link
        assert link is not None
        while here.send_now(b"x"):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await world.source.say_goodbye("the hub is shutting down")
        assert link.ended is not None  # told all the same, as soon as it can be
        await there.close()
        await driven
        assert link.over.is_set()

    play(scene)


def test_a_relay_that_dials_again_takes_the_place_of_its_dead_link() -> None:
    async def scene(world: World) -> None:
        old = world.post("attic", "Lovense Hush")
        world.link(old)
        await world.device()
        new = world.post_with("attic", toys_by_name("Lovense Edge"))
        world.link(new)
        await asyncio.sleep(5)
        assert [relay.name for relay in world.source.relays.values()] == ["attic"]
        assert [device.name for device in world.hub.devices.values()] == ["Lovense Edge"]

    play(scene)


def test_unpaired_relays_of_the_same_name_are_different_relays() -> None:
    async def scene(world: World) -> None:
        for toy in ("Lovense Hush", "Lovense Edge"):
            world.link(world.post("pc", toy), None)
        await world.device(2)
        assert set(world.source.relays) == {"local:pc", "local:pc#2"}

    play(scene)


def test_a_flood_on_a_slow_radio_ends_with_the_newest_value() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        toy = post.toys[0]
        toy.faults.latency_s = 0.03
        before = len(toy.writes)
        outcomes = []
        for number in range(100):
            outcome = world.vibrate(1 + number % 20)
            assert outcome is not None
            outcomes.append(outcome)
            await asyncio.sleep(0.001)
        await asyncio.wait(outcomes, timeout=10)
        assert all(outcome.done() and outcome.exception() is None for outcome in outcomes)
        assert toy.writes[-1] == b"Vibrate:20;"
        assert len(toy.writes) - before < 10

    play(scene)


def test_a_hub_that_was_restarted_finds_the_toys_that_its_relay_held() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        await world.device()
        await world.cut(post)
        # Another hub: it knows nothing, and a connected toy does not advertise.
        again = World(world.tasks)
        again.link(post)
        device = await again.device()
        assert device.name == "Lovense Hush"
        await again.vibrates(4)
        assert post.toys[0].writes[-1] == b"Vibrate:4;"
        again.end()

    play(scene)


def test_relays_are_told_where_the_hub_is_and_when_that_changes() -> None:
    async def scene(world: World) -> None:
        first, second = Places(("ws://192.0.2.1:1/link",)), Places(("ws://192.0.2.2:1/link",))
        post = world.post("attic", "Lovense Hush")
        told: list[Places] = []
        post.agent.on_places = told.append
        world.source.whereabouts.move(first)
        world.link(post)
        await world.device()
        assert told == [first]
        world.source.whereabouts.move(first)
        world.source.whereabouts.move(second)
        await asyncio.sleep(1)
        assert told == [first, second]

    play(scene)


def test_a_hub_looks_at_its_addresses_again_and_again() -> None:
    async def scene(world: World) -> None:
        found = [Places(("ws://192.0.2.1:1/link",))]
        looks = 0

        def find() -> Places:
            nonlocal looks
            looks += 1
            return found[-1]

        post = world.post("attic", "Lovense Hush")
        told: list[Places] = []
        post.agent.on_places = told.append
        world.link(post)
        watching = world.tasks.create_task(world.source.whereabouts.watch(find))
        await world.device()
        await asyncio.sleep(ADDRESSES_S + 1)
        assert looks >= 2
        found.append(Places((), ("wss://meet.example.org/at/" + "a" * 26,)))
        await asyncio.sleep(ADDRESSES_S + 1)
        assert told == found
        watching.cancel()

    play(scene)
