"""One relay agent as the hub knows it: numbers, leases, and whose news count."""

from __future__ import annotations

import asyncio

from forwarder.sources.relays.hardware import RelayHardware
from forwarder.sources.relays.relay import DeviceOpening, Relay
from relay.link.messages import VERSION, Beat, Bye, Connect, Disconnected, Hello, RadioInfo
from tests.doubles.scripted_relay import ScriptedRelay
from tests.forwarder.sources.relays.test_finder import play_script, scripted
from tests.forwarder.sources.relays.test_source import World


def relay() -> Relay:
    return Relay("key", "attic", Hello(VERSION, "attic", max_peripherals=3))


def opening(p: int) -> DeviceOpening:
    return DeviceOpening(RelayHardware(p, "AA", 0, "attic"))


def test_numbers_are_not_used_again_soon_and_never_twice_at_a_time() -> None:
    attic = relay()
    assert [attic.next_p() for _ in range(3)] == [1, 2, 3]
    attic.opening[1] = opening(1)
    for _ in range(0xFFFF - 3):
        attic.next_p()
    assert attic.next_p() == 2


def test_free_slots_are_what_is_left_of_the_smaller_limit() -> None:
    attic = relay()
    assert attic.free_slots == 3
    attic.opening[1] = opening(1)
    assert attic.free_slots == 2
    attic.radio = RadioInfo("bleak", slots=1)
    assert attic.free_slots == 1


async def test_an_opening_is_given_up_once_and_keeps_its_first_reason() -> None:
    one = opening(1)
    one.give_up("before it began")
    one.give_up("later")
    assert one.lost == "before it began"


def test_a_link_that_was_replaced_is_ended_and_leases_nothing_more() -> None:
    async def script(world: World, old: ScriptedRelay) -> None:
        old.echoes = True
        await old.sees()
        await world.device()
        p = (await old.hears(Connect)).peripheral
        new = scripted(world)
        await new.sees()
        assert (await old.hears(Bye)).retry
        before = len(old.heard)
        await asyncio.sleep(3)
        late = [each for each in old.heard[before:] if isinstance(each, Beat)]
        assert not any(each.leases for each in late)
        # Its toy went with it; what the old link might say of a number is no news of the new one.
        await new.sees()
        await world.device()
        assert (await new.hears(Connect)).peripheral != p

    play_script(script)


def test_news_of_a_replaced_link_count_for_nothing() -> None:
    async def script(world: World, old: ScriptedRelay) -> None:
        await old.sees()
        await world.device()
        (known,) = world.source.relays.values()
        stale = known.link
        assert stale is not None
        new = scripted(world)
        await new.sees()
        await world.device()
        (number,) = known.devices
        world.source._heard(known, stale, Disconnected(number, "an old story"))
        assert known.devices
        assert world.hub.devices

    play_script(script)
