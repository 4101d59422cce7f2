"""Devices of another server, mostly with a real hub as that server, in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from forwarder.buttplug.client import HANDSHAKE_TIMEOUT
from forwarder.buttplug.messages import (
    InputCmd,
    InputCommand,
    InputType,
    OutputCmd,
    OutputType,
    OutputValue,
    StopCmd,
)
from forwarder.definitions.model import Definition, UserDevice
from forwarder.devices.driver import Outcome
from forwarder.errors import HardwareError, HeldByPerson
from forwarder.hub.bounds import HUB_SCAN_S, MAX_HUBS
from forwarder.hub.device import Device, Identity
from forwarder.hub.loop_guard import marked
from forwarder.sources.base import HeldBack
from forwarder.sources.upstream.bounds import ANSWER_S, MAX_DEVICES
from forwarder.sources.upstream.source import UpstreamSource
from forwarder.stop.person import Person
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed
from relay.link.messages import ErrorCode
from tests.doubles.clock import run_virtual
from tests.doubles.driver import NORA, STROKER
from tests.doubles.hubs import SomeHub, connected, outcome
from tests.forwarder.hub.test_hub import FakeClient, output


class Two:
    """A near hub that takes its devices from a far one."""

    def __init__(self, *toys: Definition) -> None:
        self.far, self.near = SomeHub("far"), SomeHub("near")
        for toy in toys or (NORA,):
            self.far.add_toy(toy)
        self.source = self.near.upstream("attic")
        self.person = FakeClient()
        self.near.hub.join(self.person)

    async def connect(self) -> None:
        self.channel = await self.far.server.open()
        self.driving = await connected(self.source, self.channel)

    def device(self, index: int = 0) -> Device:
        return self.near.hub.devices[index]


def scenario(test: Callable[[Two], Awaitable[None]], *toys: Definition) -> None:
    """Run `test` with two connected hubs; whatever it leaves behind is cancelled at the end."""

    async def main() -> None:
        two = Two(*toys)
        serving = asyncio.create_task(two.far.server.run(two.far.serve))
        await two.connect()
        await test(two)
        two.driving.cancel()
        serving.cancel()
        await asyncio.wait([serving, two.driving])

    run_virtual(main())


# --- devices --------------------------------------------------------------------------------------


def test_devices_of_the_other_server_appear_as_they_are_there() -> None:
    async def test(two: Two) -> None:
        assert two.near.names == {0: "Lovense Nora", 1: "Stroker"}
        there = two.far.hub.devices[0].info().device_features
        here = two.device().info().device_features
        assert here == there
        assert two.device().gap_ms == 50
        assert two.device().identity == Identity("attic/0", "upstream", "Lovense Nora")
        assert two.device().source == "attic"

    scenario(test, NORA, STROKER)


def test_values_arrive_at_the_toy_and_failures_come_back() -> None:
    async def test(two: Two) -> None:
        toy = two.far.toys[0]
        assert await outcome(two.device().output(0, OutputType.VIBRATE, 7)) == "done"
        assert await outcome(two.device().output(1, OutputType.ROTATE, -3)) == "done"
        assert toy.calls == [("output", 0, "Vibrate", 7, 0), ("output", 1, "Rotate", -3, 0)]
        toy.broken = True
        assert await outcome(two.device().output(0, OutputType.VIBRATE, 8)) == "the radio said no"

    scenario(test)


def test_positions_keep_their_duration() -> None:
    async def test(two: Two) -> None:
        moved = two.device().output(0, OutputType.HW_POSITION_WITH_DURATION, 40, 250)
        assert await outcome(moved) == "done"
        assert two.far.toys[0].calls == [("output", 0, "HwPositionWithDuration", 40, 250)]

    scenario(test, STROKER)


def test_a_slow_server_gets_the_newest_value_instead_of_a_backlog() -> None:
    async def test(two: Two) -> None:
        toy = two.far.toys[0]
        toy.slow = True
        results = [two.device().output(0, OutputType.VIBRATE, value) for value in range(1, 11)]
        await asyncio.sleep(0.05)
        assert [call[3] for call in toy.calls] == [1]
        toy.finish()
        await asyncio.sleep(0.05)
        toy.finish()
        assert [await outcome(result) for result in results] == ["done"] * 10
        assert [call[3] for call in toy.calls] == [1, 10]

    scenario(test)


def test_a_lost_answer_holds_the_next_value_up_for_half_a_second_only() -> None:
    async def test(two: Two) -> None:
        toy = two.far.toys[0]
        toy.slow = True
        two.device().output(0, OutputType.VIBRATE, 1)
        two.device().output(0, OutputType.VIBRATE, 2)
        await asyncio.sleep(ANSWER_S + 0.05)
        assert [call[3] for call in toy.calls] == [1, 2]

    scenario(test)


def test_inputs_are_read_and_subscribed_to() -> None:
    async def test(two: Two) -> None:
        hub, toy = two.near.hub, two.far.toys[0]
        read = InputCmd(
            id=1, device_index=0, feature_index=2, type=InputType.BATTERY, command=InputCommand.READ
        )
        assert await hub.read(two.person, read) == 87
        squeeze = InputCmd(
            id=1,
            device_index=0,
            feature_index=3,
            type=InputType.PRESSURE,
            command=InputCommand.SUBSCRIBE,
        )
        await hub.subscribe(two.person, squeeze)
        toy.listeners[3, InputType.PRESSURE](412)
        await asyncio.sleep(0.05)
        assert (0, 3, InputType.PRESSURE, 412) in two.person.told
        ending = hub.unsubscribe(two.person, squeeze)
        assert ending is not None
        await ending
        assert toy.listeners == {}

    scenario(test)


@pytest.mark.parametrize("how", ["leaves", "stops"])
def test_the_last_one_that_goes_ends_an_input_at_the_server(how: str) -> None:
    async def test(two: Two) -> None:
        hub, toy = two.near.hub, two.far.toys[0]
        squeeze = InputCmd(
            id=1,
            device_index=0,
            feature_index=3,
            type=InputType.PRESSURE,
            command=InputCommand.SUBSCRIBE,
        )
        await hub.subscribe(two.person, squeeze)
        if how == "leaves":
            hub.leave(two.person)
        else:
            hub.stop(two.person, StopCmd(id=1))
        await asyncio.sleep(0.05)
        assert ("unsubscribe", 3, "Pressure") in toy.calls

    scenario(test)


def test_names_limits_and_new_devices_follow_those_of_the_server() -> None:
    async def test(two: Two) -> None:
        there = two.far.hub.devices[0]
        there.display_name = "Left"
        two.far.hub.changed(there)
        two.far.add_toy(STROKER)
        await asyncio.sleep(0.15)
        assert two.device().shown_name == "Left"
        assert two.near.names == {0: "Lovense Nora", 1: "Stroker"}
        two.far.hub.remove(there, "switched off")
        await asyncio.sleep(0.15)
        assert two.near.names == {1: "Stroker"}

    scenario(test, NORA)


def test_the_users_limits_hold_for_devices_from_elsewhere() -> None:
    async def main() -> None:
        far, near = SomeHub("far"), SomeHub("near")
        far.add_toy()
        settings = {"Lovense Nora": UserDevice("upstream", "attic/0", display_name="Mine")}
        source = UpstreamSource(
            "attic", near.hub, settings=lambda identity: settings.get(str(identity.identifier))
        )
        serving = asyncio.create_task(far.server.run(far.serve))
        await connected(source, await far.server.open())
        assert near.hub.devices[0].shown_name == "Mine"
        serving.cancel()

    run_virtual(main())


def test_a_device_that_the_user_denied_does_not_appear() -> None:
    async def main() -> None:
        far, near = SomeHub("far"), SomeHub("near")
        far.add_toy()
        denied = UserDevice("upstream", "attic/0", deny=True)
        source = UpstreamSource("attic", near.hub, settings=lambda _: denied)
        serving = asyncio.create_task(far.server.run(far.serve))
        await connected(source, await far.server.open())
        assert near.names == {}
        serving.cancel()

    run_virtual(main())


# --- stops ----------------------------------------------------------------------------------------


def test_a_stop_overtakes_what_is_queued_and_nothing_follows_it() -> None:
    async def test(two: Two) -> None:
        toy = two.far.toys[0]
        toy.slow = True
        first = two.device().output(0, OutputType.VIBRATE, 5)
        await asyncio.sleep(0.05)
        queued = two.device().output(0, OutputType.VIBRATE, 20)
        stopped = two.device().stop()
        await asyncio.sleep(0.05)
        toy.slow = False
        toy.finish()
        for result in (first, queued, stopped):
            assert await outcome(result) == "done"
        await asyncio.sleep(1)
        assert toy.calls == [("output", 0, "Vibrate", 5, 0), ("stop", None)]

    scenario(test)


def test_a_value_and_a_stop_at_once_leave_the_toy_off() -> None:
    async def test(two: Two) -> None:
        queued = two.device().output(0, OutputType.VIBRATE, 20)
        stopped = two.device().stop()
        later = two.device().output(0, OutputType.VIBRATE, 3)
        for result in (queued, stopped, later):
            assert await outcome(result) == "done"
        assert two.far.toys[0].calls == [("stop", None), ("output", 0, "Vibrate", 3, 0)]

    scenario(test)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_was_commanded_a_stop_leaves_its_features_at_rest(seed: int) -> None:
    rng = random.Random(seed)

    async def test(two: Two) -> None:
        toy, device = two.far.toys[0], two.device()
        told: dict[int, int] = {}
        for _ in range(200):
            toy.slow = rng.random() < 0.3
            feature, kind = rng.choice([(0, OutputType.VIBRATE), (1, OutputType.ROTATE)])
            match rng.randrange(8):
                case 0:
                    device.stop()
                    told = dict.fromkeys((0, 1), 0)
                case 1:
                    device.stop({feature})
                    told[feature] = 0
                case 2:
                    toy.finish()
                case 3:
                    await asyncio.sleep(rng.choice((0, 0.01, 0.2, ANSWER_S)))
                case _:
                    told[feature] = rng.randint(0, 20)
                    device.output(feature, kind, told[feature])
        for _ in range(10):
            toy.finish()
            await asyncio.sleep(ANSWER_S)
        assert settled(toy.calls) == told

    scenario(test)


def settled(calls: list[tuple[object, ...]]) -> dict[int, int]:
    """Where the features of a toy are after these calls."""
    levels: dict[int, int] = {}
    for call in calls:
        match call:
            case ("output", int(feature), _, int(value), _):
                levels[feature] = value
            case ("stop", None):
                levels = dict.fromkeys((0, 1), 0)
            case ("stop", tuple(features)):
                levels |= dict.fromkeys(features, 0)
    return levels


def test_the_scope_of_a_stop_is_exact() -> None:
    async def test(two: Two) -> None:
        hub = two.near.hub
        for result in hub.stop(two.person, StopCmd(id=1, device_index=0, feature_index=1)):
            assert await outcome(result) == "done"
        assert two.far.toys[0].calls == [("stop", (1,))]
        assert two.far.toys[1].calls == []

    scenario(test, NORA, NORA)


def test_when_a_client_leaves_its_toys_are_stopped_over_there() -> None:
    async def test(two: Two) -> None:
        vibrate = {OutputType.VIBRATE: OutputValue(value=9)}
        command = OutputCmd(id=1, device_index=0, feature_index=0, command=vibrate)
        assert await outcome(two.near.hub.output(two.person, command)) == "done"
        for result in two.near.hub.leave(two.person):
            assert await outcome(result) == "done"
        assert two.far.toys[0].calls[-1] == ("stop", None)

    scenario(test)


def test_a_lost_connection_stops_the_toys_over_there_and_takes_them_away_here() -> None:
    async def test(two: Two) -> None:
        device = two.device()
        assert await outcome(device.output(0, OutputType.VIBRATE, 9)) == "done"
        two.far.toys[0].slow = True
        under_way = device.output(1, OutputType.ROTATE, 9)
        await asyncio.sleep(0.05)
        await two.channel.close()
        await asyncio.sleep(0.05)
        assert two.far.toys[0].calls[-1] == ("stop", None)
        assert two.near.names == {}
        assert "closed" in await outcome(under_way)
        with pytest.raises(HardwareError) as gone:
            device.output(0, OutputType.VIBRATE, 1)
        assert gone.value.reason is ErrorCode.GONE

    scenario(test)


def test_the_return_of_the_server_brings_the_same_indexes() -> None:
    async def test(two: Two) -> None:
        before = two.near.names
        assert before == {0: "Lovense Nora", 1: "Stroker"}
        await two.channel.close()
        await asyncio.sleep(0.05)
        two.near.add_toy()
        await two.connect()
        assert two.near.names == {**before, 2: "Lovense Nora"}

    scenario(test, NORA, STROKER)


def test_a_newer_connection_takes_the_place_of_the_older() -> None:
    async def test(two: Two) -> None:
        older = two.driving
        await two.connect()
        await asyncio.wait([older], timeout=1)
        assert older.done()
        assert two.near.names == {0: "Lovense Nora"}
        assert await outcome(two.device().output(0, OutputType.VIBRATE, 9)) == "done"
        assert len(two.far.hub.clients) == 1

    scenario(test)


def test_the_end_of_this_hub_ends_the_conversation() -> None:
    async def test(two: Two) -> None:
        two.driving.cancel()
        await asyncio.wait([two.driving])
        assert two.near.names == {}
        with pytest.raises(ChannelClosed):
            await two.channel.receive()

    scenario(test)


# --- scanning -------------------------------------------------------------------------------------


class Scanner:
    """A source of the far hub that only notes what it is told."""

    name = "scanner"

    def __init__(self) -> None:
        self.scans: list[bool] = []

    def scan(self, on: bool) -> None:
        self.scans.append(on)

    def hold_changed(self) -> None:
        pass

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return ()


def test_scanning_is_passed_on_and_so_is_its_end() -> None:
    async def test(two: Two) -> None:
        scanner = Scanner()
        two.far.hub.sources.append(scanner)
        two.near.hub.start_scanning(two.person)
        await asyncio.sleep(0.05)
        assert scanner.scans == [True]
        two.far.hub.scan_ended(scanner)
        await asyncio.sleep(0.05)
        assert "finished" in two.person.told

    scenario(test)


def test_a_server_that_comes_while_somebody_scans_is_told_to() -> None:
    async def test(two: Two) -> None:
        await two.channel.close()
        await asyncio.sleep(0.05)
        scanner = Scanner()
        two.far.hub.sources.append(scanner)
        two.near.hub.sources.append(Scanner())
        two.near.hub.start_scanning(two.person)
        await two.connect()
        assert scanner.scans == [True]
        two.near.hub.stop_scanning(two.person)
        await asyncio.sleep(0.05)
        assert scanner.scans == [True, False]

    scenario(test)


def test_a_server_that_is_away_does_not_keep_a_scan_from_ending() -> None:
    async def test(two: Two) -> None:
        await two.channel.close()
        await asyncio.sleep(0.05)
        two.near.hub.start_scanning(two.person)
        assert "finished" not in two.person.told
        await asyncio.sleep(0.05)
        assert "finished" in two.person.told

    scenario(test)


# --- circles --------------------------------------------------------------------------------------


async def ring(*hubs: SomeHub) -> list[asyncio.Task[None]]:
    """Make each hub a source of the next one, and the last one of the first."""
    tasks = [asyncio.create_task(hub.server.run(hub.serve)) for hub in hubs]
    for far, near in zip(hubs, (*hubs[1:], hubs[0]), strict=True):
        tasks.append(await connected(near.upstream(far.name), await far.server.open()))
    await asyncio.sleep(5)
    return tasks


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_hubs_in_a_ring_see_every_device_once(count: int) -> None:
    async def main() -> None:
        hubs = [SomeHub(f"hub {number}") for number in range(count)]
        for hub in hubs:
            hub.add_toy()
        tasks = await ring(*hubs)
        for hub in hubs:
            assert len(hub.hub.devices) == count
        hubs[0].add_toy(STROKER)
        await asyncio.sleep(5)
        for hub in hubs:
            assert len(hub.hub.devices) == count + 1
        await end(tasks)

    run_virtual(main())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hubs_in_a_ring_do_not_keep_each_other_scanning(count: int) -> None:
    async def main() -> None:
        hubs = [SomeHub(f"hub {number}") for number in range(count)]
        scanners = [Scanner() for _ in hubs]
        for hub, scanner in zip(hubs, scanners, strict=True):
            hub.hub.sources.append(scanner)
        tasks = await ring(*hubs)
        person = FakeClient()
        hubs[0].hub.join(person)
        hubs[0].hub.start_scanning(person)
        await asyncio.sleep(5)
        assert [scanner.scans for scanner in scanners] == [[True]] * count
        hubs[0].hub.stop_scanning(person)
        await asyncio.sleep(HUB_SCAN_S + 5)
        assert [scanner.scans[-1] for scanner in scanners] == [False] * count
        assert not any(hub.hub.scanning for hub in hubs)
        await end(tasks)

    run_virtual(main())


def test_a_device_passes_through_several_hubs_on_its_way() -> None:
    async def main() -> None:
        hubs = [SomeHub(f"hub {number}") for number in range(4)]
        hubs[0].add_toy()
        tasks = [asyncio.create_task(hub.server.run(hub.serve)) for hub in hubs]
        for far, near in pairwise(hubs):
            tasks.append(await connected(near.upstream(far.name), await far.server.open()))
        device = hubs[-1].hub.devices[0]
        assert device.via == tuple(hub.hub.id for hub in reversed(hubs[:-1]))
        assert await outcome(device.output(0, OutputType.VIBRATE, 4)) == "done"
        assert await outcome(device.stop({0})) == "done"
        assert hubs[0].toys[0].calls == [("output", 0, "Vibrate", 4, 0), ("stop", (0,))]
        await end(tasks)

    run_virtual(main())


# --- servers of other makes -----------------------------------------------------------------------


class Script:
    """A server played by the test: it answers Ok to everything but what is said here."""

    def __init__(self, version: int = 4, *, max_ping_ms: int = 0) -> None:
        self.version = version
        self.max_ping_ms = max_ping_ms
        self.silent_about: set[str] = set()
        self.refuses: set[str] = set()
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.devices: dict[str, Any] = {}
        self.client_name = ""
        self.reads = asyncio.Event()
        self.reads.set()

    async def serve(self, channel: Channel) -> None:
        try:
            while True:
                await self.reads.wait()
                for message in json.loads(await channel.receive()):
                    for name, fields in message.items():
                        if (answer := self.answer(name, fields)) is not None:
                            await channel.send(json.dumps([answer]))
        except ChannelClosed:
            pass

    def answer(self, name: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        id = fields["Id"]
        if name == "RequestServerInfo":
            return self.greet(id, fields)
        if name == "RequestDeviceList":
            return {"DeviceList": {"Id": id, "Devices": self.devices}}
        self.heard.append((name, fields))
        if name in self.silent_about:
            return None
        if name in self.refuses:
            return {"Error": {"Id": id, "ErrorCode": 4, "ErrorMessage": "no"}}
        return {"Ok": {"Id": id}}

    def greet(self, id: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        self.client_name = fields["ClientName"]
        asked = fields.get("ProtocolVersionMajor", fields.get("MessageVersion"))
        if asked != self.version:
            return None  # like the reference server, which says nothing to what it cannot read
        info = {"Id": id, "ServerName": "Other", "MaxPingTime": self.max_ping_ms}
        if self.version == 4:
            return {"ServerInfo": info | {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}}
        return {"ServerInfo": info | {"MessageVersion": self.version}}

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


def device_info(index: int, outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "DeviceIndex": index,
        "DeviceName": f"Toy {index}",
        "DeviceMessageTimingGap": 100,
        "DeviceFeatures": {
            str(number): {
                "FeatureIndex": number,
                "FeatureDescription": "",
                "Output": {kind: range},
            }
            for number, (kind, range) in enumerate(outputs.items())
        },
    }


VIBRATOR = {"Vibrate": {"Value": [0, 10]}}
BOTH = {
    "Vibrate": {"Value": [0, 10]},
    "HwPositionWithDuration": {"Value": [0, 100], "Duration": [0, 5000]},
}


def played(
    script: Script,
    test: Callable[[SomeHub, UpstreamSource], Awaitable[None]],
    *,
    bound: int = 256,
) -> None:
    """Run `test` with a hub that is a client of `script`."""

    async def main() -> None:
        near = SomeHub("near")
        source = near.upstream("other")
        here, there = channel_pair(bound=bound)
        serving = asyncio.create_task(script.serve(there))
        driving = await connected(source, here)
        await test(near, source)
        script.reads.set()
        driving.cancel()
        await asyncio.wait([driving])
        await serving

    run_virtual(main())


def two_toys(outputs: dict[str, Any]) -> Script:
    script = Script()
    script.devices = {str(index): device_info(index, outputs) for index in (0, 1)}
    return script


def test_one_toy_of_a_server_that_stops_all_at_once_is_stopped_by_zeros() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        one, other = near.hub.devices.values()
        assert await outcome(one.output(0, OutputType.VIBRATE, 5)) == "done"
        assert await outcome(other.output(0, OutputType.VIBRATE, 5)) == "done"
        script.heard.clear()
        assert await outcome(one.stop()) == "done"
        ((name, fields),) = script.heard
        assert (name, fields["DeviceIndex"]) == ("OutputCmd", 0)
        assert fields["Command"] == {"Vibrate": {"Value": 0}}
        # The last one that runs is stopped by all means.
        script.heard.clear()
        assert await outcome(other.stop()) == "done"
        assert script.names == ["StopCmd", "OutputCmd"]

    script = two_toys(VIBRATOR)
    played(script, test)


def test_a_position_has_no_zero_so_rather_too_much_is_stopped() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        one, other = near.hub.devices.values()
        assert await outcome(other.output(0, OutputType.VIBRATE, 5)) == "done"
        script.heard.clear()
        assert await outcome(one.stop()) == "done"
        assert script.names == ["StopCmd", "OutputCmd"]

    script = two_toys(BOTH)
    played(script, test)


def test_a_value_that_could_not_leave_never_comes_behind_a_stop() -> None:
    """The network stands still for a moment; later values are no reason to forget earlier ones."""

    async def test(near: SomeHub, source: UpstreamSource) -> None:
        one, other = near.hub.devices.values()
        await asyncio.sleep(0.1)
        script.reads.clear()
        script.silent_about = {"OutputCmd"}
        for value in range(1, 7):
            one.output(0, OutputType.VIBRATE, value)
            other.output(0, OutputType.VIBRATE, value)
            await asyncio.sleep(ANSWER_S / 2 + 0.1)
        script.silent_about = set()
        stops = [one.stop(), other.stop()]
        script.reads.set()
        for stop in stops:
            assert await outcome(stop) == "done"
        await asyncio.sleep(5)
        left = [
            fields["DeviceIndex"]
            for name, fields in script.heard[-2:]
            if name == "StopCmd" or fields["Command"]["Vibrate"]["Value"] == 0
        ]
        assert len(left) == 2, script.heard

    script = two_toys(VIBRATOR)
    played(script, test, bound=1)


@pytest.mark.parametrize("answers", [True, False])
def test_in_a_flood_no_stop_is_lost_and_all_are_answered(answers: bool) -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        one, other = near.hub.devices.values()
        assert await outcome(other.output(0, OutputType.VIBRATE, 5)) == "done"
        script.silent_about = set() if answers else {"OutputCmd"}
        script.heard.clear()
        stops = []
        for n in range(1500):
            with suppress(HardwareError):  # too many at once, while nothing is answered
                one.output(0, OutputType.VIBRATE, n % 10 + 1)
            stops.append(one.stop())
            await asyncio.sleep(0.002)
        script.silent_about = set()
        with suppress(HardwareError):
            one.output(0, OutputType.VIBRATE, 3)
        await asyncio.sleep(ANSWER_S)
        stops.append(one.stop())
        assert await outcome(stops[-1]) == "done"
        answered = [await outcome(stop) for stop in stops]
        assert len(answered) == 1501
        if answers:
            assert set(answered) == {"done"}
        else:
            assert all("no" in each or each == "done" for each in answered)
        name, fields = script.heard[-1]
        assert name == "OutputCmd"
        assert fields["Command"]["Vibrate"]["Value"] == 0

    script = two_toys(VIBRATOR)
    played(script, test)


def test_the_same_stop_with_nothing_in_between_is_asked_once() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        one, other = near.hub.devices.values()
        assert await outcome(other.output(0, OutputType.VIBRATE, 5)) == "done"
        assert await outcome(one.output(0, OutputType.VIBRATE, 5)) == "done"
        script.heard.clear()
        stops = [one.stop() for _ in range(100)]
        assert [await outcome(stop) for stop in stops] == ["done"] * 100
        assert script.names == ["OutputCmd"]

    script = two_toys(VIBRATOR)
    played(script, test)


def test_a_stop_that_is_asked_for_as_another_one_ends_is_answered_too() -> None:
    async def test(two: Two) -> None:
        later: list[Outcome] = []
        first = two.device().stop()
        first.then(lambda _: later.append(two.device().stop()))
        await first
        assert await outcome(later[0]) == "done"

    scenario(test)


def test_a_stop_that_fails_is_tried_again_and_then_reported() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        script.refuses = {"StopCmd", "OutputCmd"}
        assert await outcome(near.hub.devices[0].stop()) == "no"
        assert script.names == ["StopCmd", "OutputCmd"] * 3
        script.refuses = {"StopCmd"}
        stopping = near.hub.devices[0].stop()
        await asyncio.sleep(0.1)
        script.refuses = set()
        assert await outcome(stopping) == "done"

    script = two_toys(VIBRATOR)
    played(script, test)


def test_a_server_of_spec_v3_is_reached_at_the_second_attempt() -> None:
    async def main() -> None:
        near, script = SomeHub("near"), Script(3)
        script.devices = [  # type: ignore[assignment]
            {
                "DeviceIndex": 3,
                "DeviceName": "Old toy",
                "DeviceMessages": {
                    "ScalarCmd": [
                        {"FeatureDescriptor": "", "ActuatorType": "Vibrate", "StepCount": 20}
                    ],
                    "StopDeviceCmd": {},
                },
            }
        ]
        source = near.upstream("old")
        start = asyncio.get_running_loop().time()
        here, there = channel_pair()
        serving = asyncio.create_task(script.serve(there))
        await source.drive(here)
        assert asyncio.get_running_loop().time() - start == pytest.approx(HANDSHAKE_TIMEOUT)
        await serving
        here, there = channel_pair()
        serving = asyncio.create_task(script.serve(there))
        driving = await connected(source, here)
        assert near.names == {0: "Old toy"}
        moved = near.hub.devices[0].output(0, OutputType.VIBRATE, 20)
        assert await outcome(moved) == "done"
        assert script.heard[-1][1]["Scalars"][0]["Scalar"] == 1
        assert await outcome(near.hub.devices[0].stop()) == "done"
        assert script.names[-2:] == ["StopDeviceCmd", "ScalarCmd"]
        driving.cancel()
        await asyncio.wait([driving, serving])

    run_virtual(main())


def test_a_server_that_wants_pings_gets_them() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        await asyncio.sleep(10)
        assert set(script.names) == {"Ping"}
        assert 10 <= len(script.heard) <= 25

    script = Script(max_ping_ms=1000)
    played(script, test)


def test_values_stay_in_the_range_that_the_server_offers() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        device = near.hub.devices[0]
        assert await outcome(device.output(0, OutputType.ROTATE, -20)) == "done"
        assert script.heard[-1][1]["Command"] == {"Rotate": {"Value": -5}}

    script = Script()
    script.devices = {"0": device_info(0, {"Rotate": {"Value": [-5, 20]}})}
    played(script, test)


def test_a_server_that_does_not_answer_fails_requests_and_keeps_nobody_waiting() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        script.silent_about = {"OutputCmd", "StopCmd"}
        clock = asyncio.get_running_loop().time
        start = clock()
        assert "no answer" in await outcome(near.hub.devices[0].output(0, OutputType.VIBRATE, 5))
        assert clock() - start < 15

    script = two_toys(VIBRATOR)
    played(script, test)


def test_more_devices_than_anybody_has_are_left_out() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        assert len(near.hub.devices) == MAX_DEVICES

    script = Script()
    script.devices = {str(i): device_info(i, VIBRATOR) for i in range(MAX_DEVICES + 10)}
    played(script, test)


def test_a_device_that_was_here_before_is_left_out_whatever_the_server_thinks() -> None:
    async def main() -> None:
        near, script = SomeHub("near"), two_toys(VIBRATOR)
        feature = script.devices["1"]["DeviceFeatures"]["0"]
        feature["Via"] = ["0" * 16, near.hub.id]
        here, there = channel_pair()
        serving = asyncio.create_task(script.serve(there))
        driving = await connected(near.upstream("other"), here)
        assert near.names == {0: "Toy 0"}
        driving.cancel()
        await asyncio.wait([driving, serving])

    run_virtual(main())


def test_a_device_that_came_through_too_many_hubs_is_left_out() -> None:
    async def test(near: SomeHub, source: UpstreamSource) -> None:
        assert near.names == {0: "Toy 0"}
        assert script.client_name == marked("near", near.hub.id)

    script = two_toys(VIBRATOR)
    for index, hubs in ((0, MAX_HUBS - 1), (1, MAX_HUBS)):
        feature = script.devices[str(index)]["DeviceFeatures"]["0"]
        feature["Via"] = [f"{number:016x}" for number in range(hubs)]
    played(script, test)


# --- the person's stop ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "mute"])
def test_a_stop_at_the_other_hub_holds_against_everybody_behind_this_one(how: str) -> None:
    async def test(two: Two) -> None:
        person = Person(two.far.hub)
        assert await outcome(two.device().output(0, OutputType.VIBRATE, 5)) == "done"
        if how == "stop":
            person.stop("Dashboard")
        else:
            # One switch for all apps there: the hub between is the app here.
            person.mute("near", "Dashboard")
        held = list(two.far.toys[0].calls)
        assert held[-1][0] == "stop"
        for value in range(6, 12):
            said = await outcome(two.device().output(0, OutputType.VIBRATE, value))
            assert "by Dashboard on" in said
        await asyncio.sleep(5)
        assert two.far.toys[0].calls == held
        person.resume("Dashboard")
        if how == "mute":
            person.unmute("near", "Dashboard")
        assert await outcome(two.device().output(0, OutputType.VIBRATE, 5)) == "done"

    scenario(test)


def test_a_stop_here_takes_back_what_waits_for_the_other_hub() -> None:
    async def test(two: Two) -> None:
        app = FakeClient("game")
        two.near.hub.join(app)
        two.far.toys[0].slow = True
        for value in range(1, 8):
            two.near.hub.output(app, output(0, value))
        await asyncio.sleep(0.1)
        # One is under way at the toy, the newest of the others waits here for its answer.
        Person(two.near.hub).stop("Dashboard")
        with pytest.raises(HeldByPerson):
            two.near.hub.output(app, output(0, 9))
        await asyncio.sleep(0.1)
        two.far.toys[0].finish()
        await asyncio.sleep(3)
        assert [call[0] for call in two.far.toys[0].calls][-1] == "stop"
        assert ("output", 0, "Vibrate", 7, 0) not in two.far.toys[0].calls

    scenario(test)


def test_a_toy_of_another_hub_that_comes_while_held_is_stopped_there() -> None:
    async def test(two: Two) -> None:
        Person(two.near.hub).stop("Dashboard")
        two.far.add_toy(NORA)
        await asyncio.sleep(1)
        assert len(two.near.hub.devices) == 2
        assert [call[0] for call in two.far.toys[1].calls] == ["stop"]

    scenario(test)


def test_while_everything_is_held_that_server_is_not_asked_to_find_anything() -> None:
    """It connects what it finds, and a handshake may move a toy."""

    async def test(two: Two) -> None:
        scanner = Scanner()
        two.far.hub.sources.append(scanner)
        two.near.hub.sources.append(Scanner())
        two.near.hub.start_scanning(two.person)
        await asyncio.sleep(0.05)
        person = Person(two.near.hub)
        person.stop("Dashboard")
        await asyncio.sleep(0.05)
        assert scanner.scans == [True, False]
        two.near.hub.stop_scanning(two.person)
        two.near.hub.start_scanning(two.person)
        # A new connection meanwhile knows it as well.
        await two.channel.close()
        await asyncio.sleep(0.05)
        await two.connect()
        assert scanner.scans == [True, False]
        person.resume("Dashboard")
        await asyncio.sleep(0.05)
        assert scanner.scans == [True, False, True]
        assert "finished" not in two.person.told

    scenario(test)
