"""Devices that dial in, played by the test, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from forwarder.access.admission import AdmissionRefused, Admitted, HttpVisitor
from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ForwarderError, HardwareError
from forwarder.hub.device import Device, Identity
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.protocols.base import KeptAlive
from forwarder.sources.base import HeldBack
from forwarder.sources.websocket_devices.bounds import HANDSHAKE_S, SEND_S
from forwarder.sources.websocket_devices.hardware import WebsocketHardware
from forwarder.sources.websocket_devices.source import DeviceGate, WebsocketDeviceSource
from forwarder.stop.person import Person
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed
from relay.link.messages import Counter, ErrorCode, Packet, StopCause
from relay.peripheral.limits import QUEUE_MOST
from tests.doubles.clock import VirtualLoop, run_virtual
from tests.doubles.hubs import outcome
from tests.forwarder.hub.test_hub import FakeClient

USER = UserConfig.from_tree(
    {
        "version": {"major": 4, "minor": 0},
        "user_configs": {
            "protocols": {
                "lovense": {"communication": [{"websocket": {"name": "LVSDevice"}}]},
                "aneros": {"communication": [{"websocket": {"name": "Plain toy"}}]},
            }
        },
    }
)
CATALOGUE = Catalogue.load(user=USER)


class Toy:
    """A toy that dials in: answers like a Lovense, and keeps what it was sent."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.written: list[str] = []

    async def greet(self, identifier: str = "LVSDevice", address: str = "8A3D9FAC2A45") -> None:
        hello = {"identifier": identifier, "address": address, "version": 0}
        await self.channel.send(json.dumps(hello))

    async def run(self) -> None:
        try:
            while True:
                frame = await self.channel.receive()
                assert isinstance(frame, bytes)
                text = frame.decode("latin-1")
                self.written.append(text)
                if text == "DeviceType;":
                    await self.channel.send(b"S:11:8A3D9FAC2A45;")
                elif text == "Battery;":
                    await self.channel.send("77;")
                elif text.endswith(";"):
                    await self.channel.send(b"OK;")
        except ChannelClosed:
            pass


class House:
    """A hub with nothing but the source of websocket devices."""

    def __init__(self) -> None:
        store = Store(None)
        self.hub = Hub(store)
        self.source = WebsocketDeviceSource(CATALOGUE, USER, self.hub, store.at)
        self.hub.sources.append(self.source)
        self.driving: list[asyncio.Task[None]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def dial(self) -> Toy:
        here, there = channel_pair()
        self.driving.append(asyncio.create_task(self.source.drive(there)))
        return Toy(here)

    async def toy(self, **says: str) -> Toy:
        toy = self.dial()
        await toy.greet(**says)
        self.tasks.append(asyncio.create_task(toy.run()))
        await asyncio.sleep(3)
        return toy

    @property
    def device(self) -> Device:
        (device,) = self.hub.devices.values()
        return device


def scenario(test: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        house = House()
        await test(house)
        for task in house.driving:
            task.cancel()
        await asyncio.gather(*house.driving, *house.tasks, return_exceptions=True)

    run_virtual(main())


def test_a_device_that_dials_in_is_opened_like_any_other() -> None:
    async def test(house: House) -> None:
        toy = await house.toy()
        assert house.device.identity == Identity("8A3D9FAC2A45", "lovense", "S")
        assert await outcome(house.device.output(0, OutputType.VIBRATE, 10)) == "done"
        battery = next(feature.feature_index for feature in house.device.features if feature.input)
        assert await house.device.read(battery, InputType.BATTERY) == 77
        assert await outcome(house.device.stop()) == "done"
        await asyncio.sleep(0)  # it is there; the device has its turn to read
        # Nobody knows what it did before: it is stopped before it is a device.
        opening, *driving = ["DeviceType;", "Vibrate:0;"], "Vibrate:10;", "Battery;", "Vibrate:0;"
        assert toy.written == [*opening, *driving]

    scenario(test)


def test_the_same_device_has_the_same_index_when_it_comes_back() -> None:
    async def test(house: House) -> None:
        other = await house.toy(identifier="Plain toy", address="one")
        toy = await house.toy()
        assert sorted(house.hub.devices) == [0, 1]
        await other.channel.close()
        await toy.channel.close()
        await asyncio.sleep(1)
        assert house.hub.devices == {}
        await house.toy()
        assert sorted(house.hub.devices) == [1]

    scenario(test)


def test_the_newest_connection_of_a_device_wins() -> None:
    async def test(house: House) -> None:
        first = await house.toy()
        assert await outcome(house.device.output(0, OutputType.VIBRATE, 10)) == "done"
        second = await house.toy()
        with pytest.raises(ChannelClosed):
            await first.channel.receive()
        assert sorted(house.hub.devices) == [0]
        assert await outcome(house.device.output(0, OutputType.VIBRATE, 4)) == "done"
        await asyncio.sleep(0)
        assert second.written[-1] == "Vibrate:4;"

    scenario(test)


def test_the_end_of_this_hub_stops_the_device_before_it_closes() -> None:
    async def test(house: House) -> None:
        toy = await house.toy()
        device = house.device
        assert await outcome(device.output(0, OutputType.VIBRATE, 10)) == "done"
        device.output(0, OutputType.VIBRATE, 20)
        house.driving[0].cancel()
        await asyncio.wait([house.driving[0], house.tasks[0]])
        assert toy.written[-1] == "Vibrate:0;"
        assert house.hub.devices == {}
        with pytest.raises(HardwareError):
            device.output(0, OutputType.VIBRATE, 1)

    scenario(test)


def test_a_device_that_goes_fails_what_waits_for_it() -> None:
    async def test(house: House) -> None:
        toy = await house.toy()
        device = house.device
        await toy.channel.close()
        await asyncio.sleep(1)
        assert house.hub.devices == {}
        with pytest.raises(HardwareError) as gone:
            device.output(0, OutputType.VIBRATE, 1)
        assert gone.value.reason is ErrorCode.GONE

    scenario(test)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("{}", "identifier: it is missing"),
        ("nonsense", "said what no device says"),
        (b"\x01\x02", "its first frame was binary"),
        ('{"identifier": "", "address": "a", "version": 0}', "identifier: it is empty"),
        ('{"identifier": "x", "address": "a", "version": -1}', "version"),
        ('{"identifier": "Unknown", "address": "a", "version": 0}', "no protocol in the user's"),
    ],
)
def test_what_is_no_device_is_turned_away_with_a_reason(frame: str | bytes, why: str) -> None:
    async def test(house: House) -> None:
        toy = house.dial()
        await toy.channel.send(frame)
        with pytest.raises(ForwarderError, match=why):
            await house.driving[0]
        assert house.hub.devices == {}

    scenario(test)


def test_a_connection_that_says_nothing_is_given_up() -> None:
    async def test(house: House) -> None:
        house.dial()
        start = asyncio.get_running_loop().time()
        with pytest.raises(ForwarderError, match="did not say within 5 s what it is"):
            await house.driving[0]
        assert asyncio.get_running_loop().time() - start == pytest.approx(HANDSHAKE_S)

    scenario(test)


def test_a_device_that_goes_while_it_is_opened_never_appears() -> None:
    async def test(house: House) -> None:
        toy = house.dial()
        await toy.greet()
        await asyncio.sleep(0.1)
        assert not house.driving[0].done()
        await toy.channel.close()
        async with asyncio.timeout(1):
            await house.driving[0]
        assert house.hub.devices == {}

    scenario(test)


def test_a_scan_ends_here_as_soon_as_it_began() -> None:
    async def test(house: House) -> None:
        person = FakeClient()
        house.hub.join(person)
        house.hub.start_scanning(person)
        assert person.told == []
        await asyncio.sleep(0)
        assert person.told == ["finished"]

    scenario(test)


def test_no_web_page_is_a_device() -> None:
    gate = DeviceGate()
    assert isinstance(gate.admit(HttpVisitor("192.168.1.20")), Admitted)
    assert isinstance(
        gate.admit(HttpVisitor("127.0.0.1", origin="http://localhost")), AdmissionRefused
    )


# --- the hardware alone ---------------------------------------------------------------------------


class Bench:
    """Hardware whose other end only notes when what came."""

    def __init__(self, bound: int = 256) -> None:
        self.here, there = channel_pair(bound=bound)
        self.slow_s = 0.0
        self.hardware = WebsocketHardware(there, "address", "Toy")
        self.came: list[tuple[float, bytes]] = []

    async def listen(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            frame = await self.here.receive()
            assert isinstance(frame, bytes)
            self.came.append((round(clock(), 3), frame))
            if self.slow_s:
                await asyncio.sleep(self.slow_s)

    @property
    def frames(self) -> list[bytes]:
        return [frame for _, frame in self.came]


def bench(test: Callable[[Bench], Awaitable[None]], bound: int = 256) -> None:
    async def main() -> None:
        on = Bench(bound)
        tasks = [asyncio.create_task(on.hardware.write_on()), asyncio.create_task(on.listen())]
        await on.hardware.arm([packet(b"stop")], gap_ms=0, keepalive=None)
        await asyncio.sleep(1)
        await test(on)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run_virtual(main())


def packet(data: bytes, *keys: str, after_ms: int = 0, counter: Counter | None = None) -> Packet:
    return Packet(
        1, data, keys=tuple(int(key, 36) for key in keys), after_ms=after_ms, counter=counter
    )


def test_without_a_gap_packets_are_written_at_once() -> None:
    async def test(on: Bench) -> None:
        for number in range(3):
            done = on.hardware.output([packet(bytes([number]), "0")], merge=False, at_rest=False)
            assert done.done()
        await asyncio.sleep(0)
        assert on.came == [(1.0, b"\x00"), (1.0, b"\x01"), (1.0, b"\x02")]

    bench(test)


def test_within_the_gap_the_newest_value_of_a_slot_wins() -> None:
    async def test(on: Bench) -> None:
        await on.hardware.arm([packet(b"stop")], gap_ms=100, keepalive=None)
        await asyncio.sleep(1)
        results = [
            on.hardware.output([packet(bytes([number]), key)], merge=False, at_rest=False)
            for number, key in enumerate("abaab")
        ]
        for result in results:
            assert await outcome(result) == "done"
        assert on.came == [(2.0, b"\x00"), (2.1, b"\x04"), (2.2, b"\x03")]

    bench(test)


def test_a_stop_overtakes_and_a_delayed_packet_does_not_hold_it_up() -> None:
    async def test(on: Bench) -> None:
        first = on.hardware.output(
            [packet(b"one", "a"), packet(b"two", "a", after_ms=5000)], merge=False, at_rest=False
        )
        await asyncio.sleep(0.5)
        stopped = on.hardware.stop([packet(b"stop", "a")], everything=True)
        assert await outcome(stopped) == "done"
        assert await outcome(first) == "done"
        await asyncio.sleep(10)
        assert on.came == [(1.0, b"one"), (1.5, b"stop")]

    bench(test)


def test_a_partial_stop_leaves_the_others_queued() -> None:
    async def test(on: Bench) -> None:
        await on.hardware.arm([packet(b"stop")], gap_ms=100, keepalive=None)
        for key in "cab":
            on.hardware.output([packet(key.encode(), key)], merge=False, at_rest=False)
        on.hardware.stop([packet(b"stop a", "a")], everything=False)
        await asyncio.sleep(1)
        assert on.frames == [b"c", b"stop a", b"b"]

    bench(test)


def test_a_keep_alive_repeats_what_was_written_last_while_something_runs() -> None:
    async def test(on: Bench) -> None:
        alive = KeptAlive(1000, only_running=True)
        await on.hardware.arm([packet(b"stop")], gap_ms=0, keepalive=alive)
        await asyncio.sleep(5)
        assert on.came == []
        on.hardware.output([packet(b"a", "a"), packet(b"b", "b")], merge=False, at_rest=False)
        await asyncio.sleep(2.5)
        assert on.frames == [b"a", b"b"] * 3
        on.hardware.stop([packet(b"stop", "a", "b")], everything=True)
        await asyncio.sleep(5)
        assert on.frames[6:] == [b"stop"]

    bench(test)


def test_what_ran_before_a_stop_is_never_repeated() -> None:
    async def test(on: Bench) -> None:
        await on.hardware.arm([packet(b"stop", "a")], gap_ms=0, keepalive=KeptAlive(1000))
        on.hardware.output([packet(b"a", "a"), packet(b"b", "b")], merge=False, at_rest=False)
        await asyncio.sleep(0.5)
        on.hardware.stop([packet(b"stop", "a")], everything=True)
        await asyncio.sleep(2.5)
        assert on.frames == [b"a", b"b", b"stop", b"stop", b"stop"]

    bench(test)


def test_running_numbers_go_on_and_their_checksum_with_them() -> None:
    async def test(on: Bench) -> None:
        counter = Counter(0, xor_at=1)
        for _ in range(3):
            numbered = packet(b"\xfe\x10", "a", counter=counter)
            await on.hardware.output([numbered], merge=False, at_rest=False)
        await asyncio.sleep(0)
        assert on.frames == [b"\xfe\x10", b"\xff\x11", b"\x00\xee"]

    bench(test)


def test_a_device_that_reads_nothing_is_stuck_not_waited_for() -> None:
    async def main() -> None:
        here, there = channel_pair(bound=1)
        hardware = WebsocketHardware(there, "address", "Toy")
        writing = asyncio.create_task(hardware.write_on())
        await hardware.arm([packet(b"stop")], gap_ms=0, keepalive=None)
        outcomes = [
            hardware.output([packet(b"x", f"{n}")], merge=False, at_rest=False)
            for n in range(QUEUE_MOST + 3)
        ]
        start = asyncio.get_running_loop().time()
        with pytest.raises(HardwareError, match="has read nothing for 3 s"):
            await writing
        assert asyncio.get_running_loop().time() - start == pytest.approx(SEND_S)
        assert await outcome(outcomes[0]) == "done"
        assert "writes already wait" in await outcome(outcomes[-1])
        assert "has read nothing" in await outcome(outcomes[-4])
        with pytest.raises(HardwareError, match="Toy"):
            hardware.output([packet(b"x")], merge=False, at_rest=False)
        assert here.peer

    run_virtual(main())


@pytest.mark.parametrize("slow_s", [0.0, 0.01])
@pytest.mark.parametrize("gap_ms", [0, 50])
def test_in_a_flood_every_stop_reaches_the_toy(gap_ms: int, slow_s: float) -> None:
    """The network takes a frame at a time; the game does not wait for it."""

    async def test(on: Bench) -> None:
        on.slow_s = slow_s
        await on.hardware.arm([packet(b"stop")], gap_ms=gap_ms, keepalive=None)
        values, stops = 0, []
        for n in range(900):
            on.hardware.output([packet(b"%d" % n, "a")], merge=False, at_rest=False)
            values += 1
            if n % 30 == 29:
                stops.append(on.hardware.stop([packet(b"stop")], everything=True))
            await asyncio.sleep(0.002)
        await asyncio.sleep(1)
        assert [await outcome(stop) for stop in stops] == ["done"] * 30
        assert on.frames.count(b"stop") >= 30
        for stop, _ in enumerate(stops):
            # Nothing that was sent before a stop comes after it.
            place = [n for n, frame in enumerate(on.frames) if frame == b"stop"][stop]
            late = on.frames[place + 1 :]
            sent_before = {b"%d" % n for n in range(stop * 30 + 30)}
            assert not sent_before & set(late)
        assert (len(on.frames) < values) == (gap_ms > 0 or slow_s > 0)

    bench(test, bound=1 if slow_s else 256)


def test_a_hub_that_stood_still_finds_the_toy_stopped_and_goes_on() -> None:
    async def test(on: Bench) -> None:
        stopped: list[StopCause] = []
        on.hardware.on_stopped = stopped.append
        on.hardware.output([packet(b"on", "a")], merge=False, at_rest=False)
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.stand_still(3)
        await asyncio.sleep(0.1)
        # Nobody acknowledges a frame, so that a stop of the machine's own comes twice.
        assert on.frames == [b"on", b"stop", b"stop"]
        assert stopped == [StopCause.STALL]
        assert (
            await outcome(on.hardware.output([packet(b"again", "a")], merge=False, at_rest=False))
            == "done"
        )

    bench(test)


def test_frames_before_a_subscription_are_nobodys() -> None:
    async def test(on: Bench) -> None:
        heard: list[bytes] = []
        on.hardware.heard_frame(b"early")
        await on.hardware.subscribe("rx", heard.append)
        on.hardware.heard_frame(b"in time")
        await on.hardware.unsubscribe("rx")
        on.hardware.heard_frame(b"late")
        assert heard == [b"in time"]
        with pytest.raises(HardwareError, match="cannot be read from"):
            await on.hardware.read("rx")

    bench(test)


def test_what_dials_in_while_everything_is_held_is_stopped_and_waits() -> None:
    async def test(house: House) -> None:
        first = await house.toy()
        await outcome(house.device.output(0, OutputType.VIBRATE, 10))
        await first.channel.close()
        await asyncio.sleep(1)
        Person(house.hub).stop("Dashboard")
        again = await house.toy()
        new = await house.toy(identifier="Plain toy", address="one")
        await asyncio.sleep(60)
        assert house.hub.devices == {}
        assert (again.written, new.written) == (["Vibrate:0;"], [])
        assert house.source.held_back == (
            HeldBack("8A3D9FAC2A45", "LVSDevice"),
            HeldBack("one", "Plain toy"),
        )
        Person(house.hub).resume("Dashboard")
        await asyncio.sleep(3)
        assert sorted(house.hub.devices) == [0, 1]
        assert not house.source.held_back

    scenario(test)


def test_one_that_is_being_greeted_when_the_person_stops_is_stopped_and_closed() -> None:
    async def test(house: House) -> None:
        toy = house.dial()
        await toy.greet()
        # It does not answer what it is asked, so that its handshake goes on.
        assert await toy.channel.receive() == b"DeviceType;"
        Person(house.hub).stop("Dashboard")
        with pytest.raises(ChannelClosed):
            await toy.channel.receive()
        await asyncio.wait(house.driving)
        assert "A person has stopped everything" in str(house.driving[0].exception())
        assert house.hub.devices == {}

    scenario(test)
