"""The person's stop against an app that goes on, down to the toy's own record.

The app sends twenty values a second for each output before, during and after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from forwarder.stop.person import Person
from relay.config import AgentConfig
from relay.radio.simulated.catalogue import catalogue
from relay.radio.simulated.faults import WRITES
from relay.radio.simulated.toy import ToyOperation
from tests.doubles.clock import run_virtual
from tests.faults.world import WARM_S, World, drive, observe, world

# One for each way to write: plain; shared packets; a toggle that is counted; traffic of the toy's
# own clock; a direction in the packet.
TOYS = (
    "Lovense Edge",
    "We-Vibe Nova",
    "F-Machine Tremblr BT-R",
    "Fredorch Rotary Device",
    "Vorze UFO SA",
)
# Toys whose position holds by itself: nothing may move them any more.
STROKERS = ("The Handy", "Vorze Piston", "Kiiroo Onyx+")
# A tenth of the catalogue, another one than the list above.
SOME = sorted({model.name for model in catalogue()})[::10]
OFF_MS = 500.0
WATCH_S = 4.0

Press = Callable[[World], None]


def stopped(it: World) -> None:
    Person(it.hub).stop("Dashboard")


def paused(it: World) -> None:
    Person(it.hub).pause("Dashboard")


def muted(it: World) -> None:
    (app,) = it.hub.clients
    Person(it.hub).mute(app.name, "Dashboard")


async def _holds(toy: str, press: Press, watch_s: float = WATCH_S) -> None:
    async with world(toy) as it:
        outcome = await observe(it, press, watch_s)
        assert outcome.off_ms is not None, toy
        assert outcome.off_ms <= OFF_MS, toy
        assert outcome.violations == (), toy
        assert it.toy.at_rest, toy


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("press", [stopped, paused, muted])
def test_it_holds_at_the_toy(toy: str, press: Press) -> None:
    run_virtual(_holds(toy, press))


def test_it_holds_at_some_of_every_kind() -> None:
    async def run() -> int:
        moved = 0
        for toy in SOME:
            async with world(toy) as it:
                driving = asyncio.create_task(drive(it), name="driving")
                await asyncio.sleep(WARM_S)
                moved += not it.toy.at_rest
                stopped(it)
                await asyncio.sleep(OFF_MS / 1000)
                since = len(it.moments)
                await asyncio.sleep(2.0)
                driving.cancel()
                assert it.toy.at_rest, toy
                assert all(moment.at_rest for moment in it.moments[since:]), toy
        return moved

    assert run_virtual(run()) > 0.9 * len(SOME)


async def _stroke(it: World) -> None:
    """Another place each time, until cancelled."""
    place = 0
    while True:
        place = (place + 7) % 90
        it.client.send(
            "OutputCmd",
            DeviceIndex=0,
            FeatureIndex=0,
            Command={"HwPositionWithDuration": {"Value": place, "Duration": 100}},
        )
        await it.client.flush()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("toy", STROKERS)
@pytest.mark.parametrize("press", [stopped, muted])
def test_a_stroker_is_written_nothing_more(toy: str, press: Press) -> None:
    async def run() -> None:
        async with world(toy) as it:
            driving = asyncio.create_task(_stroke(it), name="driving")
            await asyncio.sleep(WARM_S)
            before = [moment for moment in it.moments if moment.op in WRITES]
            press(it)
            await asyncio.sleep(OFF_MS / 1000)
            since = len(it.moments)
            await asyncio.sleep(WATCH_S)
            driving.cancel()
            assert len(before) > 5, "the app did not move it"
            written = {moment.data for moment in it.moments[since:] if moment.op in WRITES}
            # What it needs to stay connected may go on; a move would be another packet each time.
            assert len(written) <= 1

    run_virtual(run())


def test_it_holds_over_the_end_of_the_link() -> None:
    async def run() -> None:
        async with world("Lovense Edge") as it:

            async def cut(it: World) -> None:
                stopped(it)
                await asyncio.sleep(0.3)
                await it.wire.cut()

            outcome = await observe(it, cut, 20.0)
            assert len(it.wires) > 1, "the relay has not come back"
            assert it.hub.devices, "the toy has not come back"
            assert outcome.violations == ()
            assert it.toy.at_rest

    run_virtual(run())


def test_a_toy_that_is_lost_while_held_is_not_connected_until_the_person_resumes() -> None:
    async def run() -> None:
        async with world("Lovense Edge") as it:
            driving = asyncio.create_task(drive(it), name="driving")
            await asyncio.sleep(WARM_S)
            stopped(it)
            await asyncio.sleep(OFF_MS / 1000)
            since = len(it.moments)
            (device,) = it.hub.devices.values()
            it.relays.let_go(device, "a test")
            await asyncio.sleep(20.0)
            assert not it.hub.devices
            assert [toy.address for toy in it.relays.held_back] == [it.toy.address]
            assert all(moment.at_rest for moment in it.moments[since:])
            driving.cancel()
            Person(it.hub).resume("Dashboard")
            await asyncio.sleep(10.0)
            assert it.hub.devices
            assert it.relays.held_back == ()
            assert it.toy.at_rest

    run_virtual(run())


# Its handshake sets both motors going, and stops them with its second step.
MOVED_BY_ITS_HANDSHAKE = "WeVibe Sync"


@pytest.mark.parametrize("press", [stopped, paused])
def test_no_handshake_moves_a_toy_while_held(press: Press) -> None:
    async def run() -> None:
        async with world(MOVED_BY_ITS_HANDSHAKE) as it:
            press(it)
            it.toy.drop()
            await asyncio.sleep(1.0)
            since = len(it.moments)
            # Lost, back, and wanted by a client that scans; for longer than anything is looked for.
            await it.client.ask("StopScanning")
            await it.client.ask("StartScanning")
            await asyncio.sleep(200.0)
            await it.client.ask("StopScanning")
            assert it.moments[since:] == []
            assert not it.hub.devices
            Person(it.hub).resume("Dashboard")
            await asyncio.sleep(10.0)
            assert it.hub.devices, "resuming does not connect it"
            assert it.toy.at_rest

    run_virtual(run())


@pytest.mark.parametrize("step", [1, 2])
def test_a_handshake_that_has_begun_ends_when_the_person_stops(step: int) -> None:
    async def run() -> None:
        async with world(MOVED_BY_ITS_HANDSHAKE) as it:
            it.toy.faults.refuse_connections(step - 1)
            pressed = it.loop.create_future()

            def look(operation: ToyOperation) -> None:
                if operation.op in WRITES and not it.toy.at_rest and not pressed.done():
                    stopped(it)
                    pressed.set_result(it.loop.time())

            it.toy.watch(look)
            it.toy.drop()
            at = await asyncio.wait_for(pressed, 30)
            await asyncio.sleep(30.0)
            assert not it.hub.devices
            late = [moment for moment in it.moments if moment.t > at + OFF_MS / 1000]
            assert all(moment.at_rest for moment in late)
            assert it.toy.at_rest

    run_virtual(run())


def test_a_toy_that_runs_at_nobody_is_stopped_and_let_go_while_held() -> None:
    async def run() -> None:
        async with world(MOVED_BY_ITS_HANDSHAKE) as it:
            driving = asyncio.create_task(drive(it), name="driving")
            await asyncio.sleep(WARM_S)
            assert it.join is not None
            # Out of range of the relay that drove it, and heard by another one: only the hub knows
            # of both, and that one has never had it.
            it.toy.vanish()
            await asyncio.sleep(1.0)
            stopped(it)
            driving.cancel()
            assert not it.toy.at_rest
            it.radio.switch(False)
            it.join("kitchen", AgentConfig())
            it.toy.appear()
            since = len(it.moments)
            await asyncio.sleep(30.0)
            assert it.toy.at_rest
            assert not it.hub.devices
            assert all(moment.at_rest for moment in it.moments[since:])
            assert list(it.relays.owing) == []

    run_virtual(run())


def test_a_toy_that_leaves_while_it_runs_is_missing_until_it_was_stopped() -> None:
    async def run() -> None:
        async with world("Lovense Edge") as it:
            driving = asyncio.create_task(drive(it), name="driving")
            await asyncio.sleep(WARM_S)
            (relay,) = it.relays.relays.values()
            it.toy.vanish()
            await asyncio.sleep(1.0)
            stopped(it)
            assert [debt.address for debt in relay.debts] == [it.toy.address]
            assert not it.toy.at_rest
            it.toy.appear()
            await asyncio.sleep(15.0)
            driving.cancel()
            assert relay.debts == ()
            assert it.toy.at_rest

    run_virtual(run())
