"""A peripheral over the link: arming, leases, stops and requests, with a scripted relay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.devices.driver import Fate
from forwarder.errors import Denied, HardwareError
from forwarder.hub import truth
from forwarder.hub.truth import Given, Truth
from forwarder.protocols.base import KeptAlive
from forwarder.sources.relays.hardware import RelayHardware
from forwarder.sources.relays.link_driver import RelayLink
from relay.link import messages as wire
from relay.link.channel import channel_pair
from relay.link.errors import LinkError
from relay.link.messages import (
    Arm,
    Beat,
    Connect,
    Connected,
    Disconnect,
    Done,
    ErrorCode,
    Failed,
    FromRelay,
    Notification,
    Output,
    Packet,
    Request,
    Stop,
    StopCause,
    Stopped,
    Subscribe,
    Value,
)
from relay.radio.simulated.catalogue import toys_by_name
from tests.doubles.clock import run_virtual
from tests.doubles.scripted_relay import ScriptedRelay

OFF = (Packet(1, b"off"),)
ON = (Packet(1, b"on"),)
RUN = truth.FeatureValue(OutputType.VIBRATE, 5)


class Bench:
    def __init__(self) -> None:
        here, there = channel_pair(1024)
        (toy,) = toys_by_name("Lovense Hush")
        self.relay = ScriptedRelay(there, toy)
        self.hardware = RelayHardware(1, toy.address, 50, "attic")
        self.link = RelayLink(
            here, "hub", leases=self.leases, running=lambda: self.hardware.running
        )
        self._channel = here
        self.truth = Truth()
        self.silent = 0

    def detach(self) -> None:
        def stopped() -> None:
            self.silent += 1
            self.truth.rested({0: None})

        self.hardware.detach(stopped)

    def on(self) -> Given:
        """The device was told to run."""
        return self.truth.give({0: RUN})

    def leases(self) -> dict[int, int]:
        return {1: 900 if self.hardware.running else 10_000} if self.hardware.armed else {}

    def heard(self, message: FromRelay) -> None:
        """What RelaySource does with news of this peripheral."""
        if isinstance(message, Notification):
            self.hardware.heard(message.handle, message.data)
        elif isinstance(message, Stopped):
            self.hardware.stopped(message)

    async def run(self) -> None:
        await self.link.greet()
        try:
            await self.link.run(self.heard)
        except LinkError:
            self.detach()
        finally:
            await self._channel.close()

    async def connect(self) -> None:
        await self.hardware.connect(self.link)
        handles = {role: h for h, role in self.relay.toy.handles.items()}
        self.hardware.bind(lambda services: handles if services else {})


def play(scene: Callable[[Bench], Awaitable[None]], *, connected: bool = True) -> None:
    async def main() -> None:
        bench = Bench()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(bench.relay.run()), tasks.create_task(bench.run())]
            await bench.relay.hears(wire.Welcome)
            if connected:
                await bench.connect()
            await scene(bench)
            for task in running:
                task.cancel()

    run_virtual(main())


async def armed(bench: Bench) -> None:
    """It has been opened, so that somebody knows what it does."""
    bench.hardware.follow(bench.truth)
    await bench.hardware.arm(OFF, gap_ms=50, keepalive=None)


def test_arming_hands_over_the_stop_and_leases_at_once() -> None:
    async def scene(bench: Bench) -> None:
        alive = KeptAlive(100, Packet(1, b"alive", counter=wire.Counter(1, 2)))
        await bench.hardware.arm(OFF, gap_ms=50, keepalive=alive)
        arm = await bench.relay.hears(Arm)
        assert [packet.data for packet in arm.stop or ()] == [b"off"]
        assert (arm.gap_ms, arm.seen) == (50, 0)
        assert arm.keepalive is not None
        assert arm.keepalive.packet is not None
        assert arm.keepalive.packet.counter == wire.Counter(1, 2)
        place = bench.relay.heard.index(arm)
        beat = await bench.relay.hears(Beat, after=place)
        # Nobody knows yet what it does, so that it counts as running.
        assert beat.leases == {1: 900}

    play(scene)


@pytest.mark.parametrize(("stop", "said"), [(None, None), ((), ())])
def test_a_stop_without_packets_says_what_it_is(
    stop: tuple[Packet, ...] | None, said: tuple[wire.Packet, ...] | None
) -> None:
    async def scene(bench: Bench) -> None:
        await bench.hardware.arm(stop, gap_ms=0, keepalive=None)
        assert (await bench.relay.hears(Arm)).stop == said

    play(scene)


def test_at_rest_is_said_by_the_message() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        two = (Packet(1, b"1", keys=(0,)), Packet(1, b"2", keys=(1, 0)))
        await bench.hardware.output(two, merge=True, at_rest=True)
        output = await bench.relay.hears(Output)
        assert output.merge
        assert output.rest
        assert [(p.data, p.keys) for p in output.packets] == [(b"1", (0,)), (b"2", (1, 0))]

    play(scene)


def test_an_output_brings_active_leases_and_the_stop_ends_them() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        bench.truth.took(bench.on())
        await bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        before = len(bench.relay.heard)
        await asyncio.sleep(0.6)
        beats = [each for each in bench.relay.heard[before:] if isinstance(each, Beat)]
        assert len(beats) >= 2
        assert all(beat.leases == {1: 900} for beat in beats)
        await bench.hardware.stop(OFF, everything=True)
        assert (await bench.relay.hears(Stop)).all
        before = len(bench.relay.heard)
        await asyncio.sleep(0.6)
        beats = [each for each in bench.relay.heard[before:] if isinstance(each, Beat)]
        assert beats, "a stop that was not confirmed counts as running"
        assert all(beat.leases == {1: 900} for beat in beats)
        bench.truth.rested({0: None})
        before = len(bench.relay.heard)
        await asyncio.sleep(2.6)
        assert (await bench.relay.hears(Beat, after=before)).leases == {1: 10_000}

    play(scene)


@pytest.mark.parametrize("moves", [False, True])
def test_behind_a_write_the_hub_says_rest_unless_something_was_set_going_meanwhile(
    moves: bool,
) -> None:
    """Else the relay dropped that value, or believed for ten seconds that nothing ran."""

    async def scene(bench: Bench) -> None:
        await armed(bench)
        bench.truth.rested({0: None})
        bench.relay.instead = lambda request: [] if isinstance(request, wire.Write) else None
        writing = asyncio.create_task(bench.hardware.write("tx", b"battery?", False))
        write = await bench.relay.hears(wire.Write)
        if moves:
            bench.on()
            bench.hardware.output(ON, merge=False, at_rest=False)
        await bench.relay.say(Done(write.id))
        await writing
        await asyncio.sleep(0.01)
        rests = [each for each in bench.relay.heard if isinstance(each, Output) and each.rest]
        assert len(rests) == (0 if moves else 1)
        assert bench.hardware.running is moves

    play(scene)


def test_after_a_stop_of_the_relays_own_the_next_arm_knows_of_it() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        await bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        await bench.relay.say(Stopped(1, StopCause.STALL, number=3))
        await asyncio.sleep(0.01)
        assert not bench.hardware.armed
        before = len(bench.relay.heard)
        bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        await asyncio.sleep(0.01)
        kinds = [type(each) for each in bench.relay.heard[before:]]
        assert kinds.index(Arm) < kinds.index(Beat) < kinds.index(Output)
        assert (await bench.relay.hears(Arm, after=before)).seen == 3

    play(scene)


def test_a_gate_that_was_shut_without_a_word_is_armed_again_with_the_next_output() -> None:
    """A stop that found it without a lease shuts it, and its answer is all that says so."""

    async def scene(bench: Bench) -> None:
        await armed(bench)

        def shut(request: Request) -> list[FromRelay] | None:
            refused = isinstance(request, Output)
            return [Failed(request.id, ErrorCode.GATE, "not armed")] if refused else None

        bench.relay.instead = shut
        with pytest.raises(HardwareError):
            await bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        bench.relay.instead = lambda request: None
        before = len(bench.relay.heard)
        await bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        await bench.relay.hears(Arm, after=before)

    play(scene)


def test_a_refused_arm_is_tried_again_with_the_next_output() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)

        def shut(request: Request) -> list[FromRelay] | None:
            refused = isinstance(request, Arm | Output)
            return [Failed(request.id, ErrorCode.GATE, "stopping")] if refused else None

        bench.relay.instead = shut
        await bench.relay.say(Stopped(1, StopCause.STALL, number=1))
        await asyncio.sleep(0.01)
        for _ in range(3):
            before = len(bench.relay.heard)
            with pytest.raises(HardwareError):
                await bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
            await bench.relay.hears(Arm, after=before)
        bench.relay.instead = lambda request: None
        await bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        assert bench.hardware.armed

    play(scene)


def test_while_the_wearer_forbids_it_nothing_is_sent_but_stops() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        bench.hardware.blocked = "The wearer has paused attic."
        with pytest.raises(Denied, match="paused"):
            bench.hardware.output((Packet(1, b"on"),), merge=False, at_rest=False)
        await bench.hardware.stop(OFF, everything=True)
        assert not any(isinstance(each, Output) for each in bench.relay.heard)

    play(scene)


async def silences(bench: Bench, *, supervised: bool) -> tuple[float, asyncio.Future[Fate]]:
    """It runs, its link dies, it is stopped: when that was answered, and how."""
    loop = asyncio.get_running_loop()
    bench.hardware.supervised = supervised
    await armed(bench)
    bench.truth.took(bench.on())
    await bench.hardware.output(ON, merge=False, at_rest=False)
    bench.relay.mute.add(Stop)
    under_way = bench.hardware.stop(OFF, everything=True)
    await asyncio.sleep(0.1)
    began = loop.time()
    bench.link.fail_all("the link broke")
    bench.detach()
    behind = bench.hardware.stop(OFF, everything=True)
    assert not behind.done()
    await asyncio.wait([behind, under_way])
    took = loop.time() - began
    later = bench.hardware.stop(OFF, everything=True)
    assert later.done(), "there is nothing to wait for any more"
    assert (later.exception() is None) == (behind.exception() is None)
    return took, under_way


def test_a_stop_that_a_lost_link_leaves_open_is_done_when_the_last_lease_has_run_out() -> None:
    async def scene(bench: Bench) -> None:
        took, stopped = await silences(bench, supervised=True)
        assert 0 < took <= 1
        assert stopped.result() is Fate.BY_ITSELF
        assert not bench.hardware.running

    play(scene)


def test_a_relay_that_may_itself_have_died_has_stopped_nothing_as_far_as_anybody_knows() -> None:
    async def scene(bench: Bench) -> None:
        took, stopped = await silences(bench, supervised=False)
        assert 0 < took <= 1
        with pytest.raises(HardwareError, match=r"may be running: its relay attic .* by hand"):
            stopped.result()
        assert bench.hardware.running
        assert bench.silent == 0
        with pytest.raises(HardwareError, match="away; the device may still run"):
            bench.hardware.output(ON, merge=False, at_rest=False)

    play(scene)


def test_a_link_that_is_back_before_the_lease_ran_out_takes_nothing_for_granted() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        bench.truth.took(bench.on())
        bench.detach()
        stopped = bench.hardware.stop(OFF, everything=True)
        await bench.hardware.connect(bench.link)
        await asyncio.wait([stopped])
        assert bench.silent == 0
        assert isinstance(stopped.exception(), HardwareError)

    play(scene)


def test_a_stop_of_what_is_known_to_rest_is_no_failure_without_a_link() -> None:
    async def scene(bench: Bench) -> None:
        bench.hardware.supervised = False
        await armed(bench)
        bench.detach()
        assert await bench.hardware.stop(OFF, everything=True) is Fate.BY_ITSELF

    play(scene)


def test_without_a_link_everything_but_a_stop_fails_at_once_and_says_why() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        bench.detach()
        with pytest.raises(HardwareError, match="away"):
            bench.hardware.output(OFF, merge=False, at_rest=False)
        for request in (
            bench.hardware.write("tx", b"?", False),
            bench.hardware.read("tx"),
        ):
            with pytest.raises(HardwareError, match="away"):
                await request
        with pytest.raises(HardwareError, match="away"):
            bench.hardware.subscribe("rx", print)
        with pytest.raises(HardwareError, match="away"):
            bench.hardware.unsubscribe("rx")
        await bench.hardware.disconnect()
        assert not any(isinstance(each, Disconnect) for each in bench.relay.heard)

    play(scene)


def test_notifications_reach_who_subscribed_and_go_on_after_a_resume() -> None:
    async def scene(bench: Bench) -> None:
        heard: list[bytes] = []
        await bench.hardware.subscribe("rx", heard.append)
        h = (await bench.relay.hears(Subscribe)).handle
        await bench.relay.say(Notification(1, h, b"one"))
        await bench.relay.say(Notification(1, h + 1, b"not ours"))
        bench.relay.instead = lambda request: (
            [Connected(request.id, bench.relay.toy.services, resumed=True)]
            if isinstance(request, Connect)
            else None
        )
        bench.detach()
        assert await bench.hardware.connect(bench.link)
        await bench.relay.say(Notification(1, h, b"two"))
        await asyncio.sleep(0.01)
        assert heard == [b"one", b"two"]
        await bench.hardware.unsubscribe("rx")
        await bench.relay.say(Notification(1, h, b"three"))
        await asyncio.sleep(0.01)
        assert heard == [b"one", b"two"]

    play(scene)


class Resuming:
    """Makes the scripted relay keep the connection; `refused`: what it fails instead."""

    def __init__(self, bench: Bench, *refused: type[Request]) -> None:
        self.refused = refused
        self._bench = bench
        bench.relay.instead = self

    def __call__(self, request: Request) -> list[wire.FromRelay] | None:
        if isinstance(request, Connect):
            return [Connected(request.id, self._bench.relay.toy.services, resumed=True)]
        if isinstance(request, self.refused):
            return [Failed(request.id, ErrorCode.RADIO, "no")]
        return None


def changes(bench: Bench) -> list[str]:
    return [
        type(each).__name__
        for each in bench.relay.heard
        if isinstance(each, wire.Subscribe | wire.Unsubscribe)
    ]


def test_what_nobody_listens_to_any_more_ends_when_the_relay_is_back() -> None:
    async def scene(bench: Bench) -> None:
        await bench.hardware.subscribe("rx", print)
        Resuming(bench)
        bench.detach()
        with pytest.raises(HardwareError, match="away"):
            bench.hardware.unsubscribe("rx")
        assert await bench.hardware.connect(bench.link)
        await asyncio.sleep(0.01)
        assert changes(bench) == ["Subscribe", "Unsubscribe"]
        # Once: it is confirmed.
        bench.detach()
        assert await bench.hardware.connect(bench.link)
        await asyncio.sleep(0.01)
        assert len(changes(bench)) == 2

    play(scene)


def test_a_beginning_that_failed_is_ended_when_the_relay_is_back() -> None:
    async def scene(bench: Bench) -> None:
        resuming = Resuming(bench, Subscribe)
        with pytest.raises(HardwareError):
            await bench.hardware.subscribe("rx", print)
        resuming.refused = ()
        bench.detach()
        assert await bench.hardware.connect(bench.link)
        await asyncio.sleep(0.01)
        assert changes(bench) == ["Subscribe", "Unsubscribe"]

    play(scene)


def test_an_end_that_failed_is_told_again_before_the_next_beginning() -> None:
    async def scene(bench: Bench) -> None:
        resuming = Resuming(bench, wire.Unsubscribe)
        await bench.hardware.subscribe("rx", print)
        with pytest.raises(HardwareError):
            await bench.hardware.unsubscribe("rx")
        resuming.refused = ()
        await bench.hardware.subscribe("rx", print)
        assert changes(bench) == ["Subscribe", "Unsubscribe", "Unsubscribe", "Subscribe"]
        await bench.hardware.unsubscribe("rx")
        await bench.hardware.subscribe("rx", print)
        assert len(changes(bench)) == 6

    play(scene)


def test_answers_of_the_wrong_kind_are_faults_of_the_relay() -> None:
    async def scene(bench: Bench) -> None:
        bench.relay.instead = lambda request: [Done(request.id)]
        with pytest.raises(HardwareError, match="wrong answer"):
            await bench.hardware.connect(bench.link)
        with pytest.raises(HardwareError, match="wrong answer"):
            await bench.hardware.read("rx")
        bench.relay.instead = lambda request: [Value(request.id, b"7")]
        assert await bench.hardware.read("rx") == b"7"
        await bench.hardware.stop(OFF, everything=True)

    play(scene)


def test_an_endpoint_that_is_not_there_is_named() -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(HardwareError, match="no endpoint firmware"):
            await bench.hardware.write("firmware", b"", False)

    play(scene)


def test_a_connection_whose_link_ended_meanwhile_is_none() -> None:
    """The answer came, and before anybody looked at it the link was gone."""

    async def scene(bench: Bench) -> None:
        connecting = asyncio.create_task(bench.hardware.connect(bench.link))
        await asyncio.sleep(0)
        (waiting,) = bench.link._waiting.values()
        waiting.settle(Connected(1, ()))
        bench.link.fail_all("it broke")
        with pytest.raises(HardwareError, match="it broke"):
            await connecting
        assert bench.hardware.link is None

    play(scene, connected=False)


def test_a_stop_told_right_behind_the_connection_counts() -> None:
    async def scene(bench: Bench) -> None:
        bench.relay.instead = lambda request: (
            [Connected(request.id, bench.relay.toy.services), Stopped(1, StopCause.RADIO, number=1)]
            if isinstance(request, Connect)
            else None
        )
        await bench.connect()
        await armed(bench)
        assert (await bench.relay.hears(Arm)).seen == 1

    play(scene, connected=False)


def test_a_link_that_is_lost_twice_is_waited_for_from_the_second_time() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        bench.truth.took(bench.on())
        bench.detach()
        await asyncio.sleep(0.5)
        await bench.hardware.connect(bench.link)
        await armed(bench)
        await bench.hardware.output(ON, merge=False, at_rest=False)
        bench.detach()
        await asyncio.sleep(0.6)
        assert bench.silent == 0, "the second lease has not run out"
        await asyncio.sleep(0.5)
        assert bench.silent == 1

    play(scene)


def test_after_a_fresh_connect_the_relays_stops_are_counted_anew() -> None:
    async def scene(bench: Bench) -> None:
        await armed(bench)
        await bench.relay.say(Stopped(1, StopCause.LINK, number=3))
        await asyncio.sleep(0.1)
        bench.hardware.link = None
        before = len(bench.relay.heard)
        await bench.connect()
        await armed(bench)
        assert (await bench.relay.hears(Arm, after=before)).seen == 0

    play(scene)
