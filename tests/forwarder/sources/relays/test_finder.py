"""Opening toys through relays that break, lie, pause and leave at every moment; virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from forwarder.definitions.catalogue import Candidate
from forwarder.errors import HardwareError
from forwarder.sources.relays.bounds import CONNECT_S, MISSING_S, RETRY_LIMIT_S
from relay.link.channel import Channel, channel_pair
from relay.link.messages import (
    Advertisement,
    Advertisements,
    Arm,
    Ceiling,
    Connect,
    Connected,
    Debt,
    Debts,
    Disconnect,
    Disconnected,
    Done,
    ErrorCode,
    Failed,
    FromRelay,
    Notification,
    Output,
    Request,
    Scan,
    Stop,
    StopCause,
    Stopped,
    Value,
    Wearer,
    Welcome,
    Write,
)
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.faults import FaultPoint
from tests.doubles.scripted_relay import ScriptedRelay
from tests.forwarder.sources.relays.test_source import World, _quietly, play

Script = Callable[[World, ScriptedRelay], Awaitable[None]]


def scripted(world: World, key: str = "key") -> ScriptedRelay:
    """A relay that the test plays, linked to the world's hub, with a client that scans."""
    here, there = channel_pair(names=("attic", "hub"))
    (toy,) = toys_by_name("Lovense Hush")
    relay = ScriptedRelay(there, toy)
    world._running += [
        world.tasks.create_task(relay.run()),
        world.tasks.create_task(_quietly(_driven(world, here, key))),
    ]
    world.hub.start_scanning(world.client)
    return relay


async def _driven(world: World, channel: Channel, key: str) -> None:
    try:
        await world.source.drive(channel, key)
    finally:
        await channel.close()


def play_script(script: Script) -> None:
    async def scene(world: World) -> None:
        await script(world, scripted(world))

    play(scene)


def test_a_relay_in_order_brings_its_toy() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        await relay.sees()
        device = await world.device()
        assert device.name == "Lovense Hush"
        await world.vibrates(5)
        assert (await relay.hears(Output)).packets[0].data == b"Vibrate:5;"

    play_script(script)


def test_a_relay_that_claims_a_toy_and_fails_does_not_keep_it_from_the_others() -> None:
    async def script(world: World, liar: ScriptedRelay) -> None:
        honest = scripted(world, "honest")
        refused = 0

        def refuse(request: Request) -> list[FromRelay] | None:
            nonlocal refused
            if isinstance(request, Connect):
                refused += 1
                return [Failed(request.id, ErrorCode.TIMEOUT, "so sorry")]
            return None

        liar.instead = refuse
        started = asyncio.get_running_loop().time()
        toy = liar.toy.address
        await liar.hears(Welcome)
        await liar.say(Advertisements((Advertisement(toy, "LVS-Z011", 20),)))
        await honest.sees()
        await world.device()
        assert refused == 1
        assert asyncio.get_running_loop().time() - started < 2
        assert next(iter(world.hub.devices.values())).source == "attic"

    play_script(script)


def test_a_connection_that_comes_too_late_is_let_go() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        relay.mute.add(Connect)
        await relay.sees()
        connect = await relay.hears(Connect)
        await asyncio.sleep(CONNECT_S + 3)
        assert (await relay.hears(Disconnect)).peripheral == connect.peripheral
        # Nor does the answer that comes now hurt anybody.
        await relay.say(Connected(connect.id, relay.toy.services))
        relay.mute.clear()
        await relay.sees()
        await world.device()

    play_script(script)


@pytest.mark.parametrize("step", range(5))
def test_a_hub_that_ends_while_it_opens_a_toy_leaves_nothing_connected(step: int) -> None:
    """Cancelled at each request of an opening."""

    async def script(world: World, relay: ScriptedRelay) -> None:
        seen = 0

        def stall(request: Request) -> list[FromRelay] | None:
            nonlocal seen
            seen += 1
            return [] if seen > step else None

        relay.instead = stall
        await relay.sees()
        await asyncio.sleep(0.3)
        assert not world.hub.devices
        running, *_ = world._running
        running.cancel()
        disconnect = await relay.hears(Disconnect)
        assert disconnect.peripheral == (await relay.hears(Connect)).peripheral
        (known,) = world.source.relays.values()
        assert not known.opening
        assert not world.source._finder._busy

    play_script(script)


def test_a_toy_that_goes_right_behind_the_last_answer_is_never_announced() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        def goes(request: Request) -> list[FromRelay] | None:
            if isinstance(request, Arm) and request.stop:
                return [Done(request.id), Disconnected(request.peripheral, "out of range")]
            return None

        relay.instead = goes
        await relay.sees()
        await relay.hears(Disconnect)
        assert not world.hub.devices
        relay.instead = lambda request: None
        await asyncio.sleep(1.5)
        await relay.sees()
        await world.device()

    play_script(script)


@pytest.mark.parametrize("how", ["toy", "link"])
def test_an_opening_does_not_outlive_its_toy_or_its_link(how: str) -> None:
    async def scene(world: World) -> None:
        relay = scripted(world)
        relay.instead = lambda request: [Done(request.id)] if isinstance(request, Write) else None
        await relay.sees()
        write = await relay.hears(Write)  # the hub waits for the toy's answer to this
        if how == "toy":
            await relay.say(Disconnected(write.peripheral, "out of range"))
        else:
            await relay.channel.close()
        await asyncio.sleep(0.01)
        assert not world.source._finder._busy, "the address could not be opened again"
        assert not any(known.opening for known in world.source.relays.values())

    play(scene)


def test_limits_that_change_while_a_toy_is_opened_hold_for_it() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        def limited(request: Request) -> list[FromRelay] | None:
            if isinstance(request, Arm):
                return [Wearer(ceilings=(Ceiling(0.5),)), Done(request.id)]
            return None

        relay.instead = limited
        await relay.sees()
        device = await world.device()
        (_, spec), *_ = [(f.feature_index, f) for f in device.features]
        assert spec.output
        assert [output.value for output in spec.output.values()] == [(0, 10)]

    play_script(script)


def test_a_toy_that_trips_the_hub_up_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush,Lovense Edge")
        bad = post.toys[0].address
        identify = Candidate.identify

        def trips(candidate: Candidate, advertisement: Advertisement) -> object:
            if advertisement.address == bad:
                raise RuntimeError("a bug in a protocol")
            return identify(candidate, advertisement)

        monkeypatch.setattr(Candidate, "identify", trips)
        world.link(post)
        device = await world.device()
        assert device.name == "Lovense Edge"
        await asyncio.sleep(1)
        assert not post.toys[0].connected
        assert "a bug in a protocol" in caplog.text

    play(scene)


def test_a_link_that_breaks_again_while_devices_resume_costs_no_device() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        world.link(post)
        device = await world.device()
        await world.vibrates(10)
        await world.cut(post)
        world.link(post)
        async with asyncio.timeout(1):
            while world.source.relays["key"].link is None:  # noqa: ASYNC110  # a few turns
                await asyncio.sleep(0)
        await world.cut(post)
        await asyncio.sleep(1)
        assert world.hub.devices.get(0) is device
        world.link(post)
        await asyncio.sleep(1)
        assert world.hub.devices.get(0) is device
        await world.vibrates(7)
        assert post.toys[0].writes[-1] == b"Vibrate:7;"
        assert len([one for one in post.toys[0].record if one.op is FaultPoint.CONNECT]) == 1

    play(scene)


def test_nothing_is_opened_at_a_relay_that_is_paused() -> None:
    async def scene(world: World) -> None:
        post = world.post("attic", "Lovense Hush")
        post.agent.pause()
        world.link(post)
        world.hub.start_scanning(world.client)
        await asyncio.sleep(RETRY_LIMIT_S)
        assert not post.toys[0].record
        post.agent.resume()
        await asyncio.sleep(3)
        assert world.hub.devices, "at once, not after a pause for failures"

    play(scene)


def test_whatever_a_relay_makes_up_the_hub_lives_on() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        await relay.sees()
        await world.device()
        p = (await relay.hears(Connect)).peripheral
        lies: list[FromRelay] = [
            Notification(999, 1, b"?"),
            Notification(p, 999, b"?"),
            Stopped(999, StopCause.LEASE, number=7),
            Disconnected(999),
            Done(4_000_000_000),
            Value(4_000_000_001, b"?"),
            Failed(4_000_000_002, ErrorCode.GATE),
            Connected(4_000_000_003, ()),
            Advertisements(
                tuple(Advertisement(f"{number:08x}", f"\x1b[2J{number}") for number in range(1500))
            ),
        ]
        for lie in lies:
            await relay.say(lie)
        # Answers of the wrong kind, and one that comes twice.
        relay.instead = lambda request: [Value(request.id, b""), Done(request.id)]
        await world.vibrates(3)
        with pytest.raises(HardwareError, match="wrong answer"):
            await _reads(world)
        assert len(world.source._finder.sightings) <= 1024

    play_script(script)


async def _reads(world: World) -> None:
    (known,) = world.source.relays.values()
    (opened,) = known.devices.values()
    relay_link = known.link
    assert relay_link is not None
    await opened.hardware.connect(relay_link)  # type: ignore[attr-defined]  # a RelayHardware


def test_a_name_with_control_characters_is_shown_without_them() -> None:
    async def scene(world: World) -> None:
        here, there = channel_pair()
        relay = ScriptedRelay(there, toys_by_name("Lovense Hush")[0])
        world._running += [
            world.tasks.create_task(relay.run(name="\x1b[2J\x07attic\n")),
            world.tasks.create_task(_quietly(_driven(world, here, "key"))),
        ]
        await asyncio.sleep(0.1)
        (known,) = world.source.relays.values()
        assert known.name.isprintable()
        assert known.name.endswith("attic")

    play(scene)


def test_a_toy_that_was_lost_is_looked_for_and_then_no_more() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        await relay.sees()
        await world.device()
        world.hub.stop_scanning(world.client)
        p = (await relay.hears(Connect)).peripheral
        before = len(relay.heard)
        await relay.say(Disconnected(p, "out of range"))
        await asyncio.sleep(MISSING_S + 1)
        scans = [message.on for message in relay.heard[before:] if isinstance(message, Scan)]
        assert scans == [False, True, False]

    play_script(script)


def test_limits_that_are_lowered_stop_what_runs_above_them() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        await relay.sees()
        await world.device()
        await world.vibrates(20)
        await relay.say(Wearer(ceilings=(Ceiling(0.25),)))
        assert (await relay.hears(Stop)).all
        await asyncio.sleep(0.1)
        assert "changed the limits" in str(world.client.told)
        assert world.hub.owners(world.hub.devices[0]) == {}

    play_script(script)


def test_what_a_relay_cannot_reach_is_known_until_it_says_otherwise_or_comes_anew() -> None:
    async def script(world: World, relay: ScriptedRelay) -> None:
        await relay.sees()
        await world.device()
        (known,) = world.source.relays.values()
        owed = [Debt("C4:4F:33:0E:8B:A1", "LVS-Hush")]
        for items in (owed, []):
            await relay.say(Debts(tuple(items)))
            await asyncio.sleep(0.1)
            assert list(known.debts) == items
        await relay.say(Debts((Debt("C4:4F:33:0E:8B:A1", "LVS-Hush"),)))
        await relay.channel.close()
        await asyncio.sleep(0.1)
        # Away, it still owes them; a new link of it begins with what it owes then.
        assert len(known.debts) == 1
        scripted(world)
        await asyncio.sleep(0.1)
        assert not world.source.relays["key"].debts

    play_script(script)
