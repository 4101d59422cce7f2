"""Values become packets: a protocol that says what it is asked, over a recording peripheral."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import pytest

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.devices.bounds import READ_S, READ_TURN_S
from forwarder.devices.handshake_runner import Notifications
from forwarder.devices.packet_driver import PacketDriver
from forwarder.errors import DeviceError, HardwareError, Unsupported
from forwarder.hub.truth import FeatureValue, Truth
from forwarder.protocols.base import (
    KeptAlive,
    ProtocolError,
    Steps,
    WaitStep,
    WriteStep,
)
from relay.link.messages import Packet
from tests.doubles.clock import run_virtual
from tests.doubles.hardware import Call, RecordingHardware

VIBRATE, POSITION = OutputType.VIBRATE, OutputType.POSITION


class FakeProtocol:
    """One byte per value; feature 9 does not exist; ticks while `ticking`."""

    keepalive: KeptAlive | None = None
    listens = ("rx",)

    def __init__(self) -> None:
        self.ticking = 0
        self.stops: list[Collection[int] | None] = []
        self.fault: Exception | None = None
        self.kept: tuple[Packet, ...] = (Packet(1, b"stop"),)

    def handshake(self) -> Steps[None]:
        yield WriteStep("tx", b"hi")

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        if feature == 9:
            raise ProtocolError("there is no feature 9")
        return () if value == 99 else (Packet(1, bytes([feature, value])),)

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        if self.fault is not None:
            raise self.fault
        self.stops.append(features)
        self.ticking = 0
        return (Packet(1, b"stop"),)

    def armed(self) -> tuple[Packet, ...]:
        return self.kept

    def shares_packets(self, feature: int) -> bool:
        return feature == 1

    def read(self, feature: int, kind: InputType) -> Steps[int]:
        yield WriteStep("tx", b"battery?")
        answer = yield WaitStep("rx", 60_000)
        assert answer is not None
        return answer[0]

    def subscription(self, feature: int, kind: InputType) -> str:
        return "rx"

    def reading(self, feature: int, kind: InputType, data: bytes) -> int | None:
        return data[0] if data else None

    def heard(self, endpoint: str, data: bytes) -> tuple[Packet, ...]:
        return (Packet(1, b"settings"),) if data == b"ready" else ()

    @property
    def tick_ms(self) -> int | None:
        return 100 if self.ticking else None

    def tick(self) -> tuple[Packet, ...]:
        self.ticking -= 1
        return (Packet(1, b"tick"),)


class Bench:
    def __init__(self) -> None:
        self.hardware = RecordingHardware("tx", "rx")
        self.protocol = FakeProtocol()
        self.failed: list[DeviceError] = []
        self.notifications = Notifications(self.hardware)
        self.truth = Truth()
        self.driver = PacketDriver(
            "toy", self.hardware, self.protocol, self.notifications, self._failed, self.truth
        )

    def _failed(self, error: DeviceError) -> None:
        self.failed.append(error)
        self.driver.stop(None)

    def output(self, feature: int, kind: OutputType, value: int) -> None:
        """As a device does it: it also keeps the truth."""
        outcome = self.driver.output(feature, kind, value, 0)
        given = self.truth.give({feature: FeatureValue(kind, value)})
        outcome.add_done_callback(lambda _: self.truth.took(given))


def play(scene: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def main() -> Bench:
        bench = Bench()
        await scene(bench)
        return bench

    return run_virtual(main())


def test_the_hardware_learns_whether_anything_is_on() -> None:
    async def scene(bench: Bench) -> None:
        bench.output(0, VIBRATE, 5)
        bench.output(1, VIBRATE, 7)
        bench.output(0, VIBRATE, 0)
        bench.output(1, VIBRATE, 0)
        bench.output(2, POSITION, 50)

    assert play(scene).hardware.calls == [
        ("output", (b"\x00\x05",), False, False),
        ("output", (b"\x01\x07",), True, False),
        ("output", (b"\x00\x00",), False, False),
        ("output", (b"\x01\x00",), True, True),
        ("output", (b"\x02\x32",), False, True),
    ]


def test_what_the_device_says_may_make_packets_due() -> None:
    async def scene(bench: Bench) -> None:
        await bench.notifications.subscribe("rx", "a handshake")
        bench.hardware.listeners["rx"](b"?")
        bench.hardware.listeners["rx"](b"ready")

    assert play(scene).hardware.calls[1:] == [("output", (b"settings",), False, True)]


def test_a_stop_says_whether_it_is_for_everything() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.output(0, VIBRATE, 5, 0)
        bench.driver.stop({0})
        bench.driver.stop(None)

    assert play(scene).hardware.calls[1:] == [
        ("stop", (b"stop",), False),
        ("stop", (b"stop",), True),
    ]


@pytest.mark.parametrize("error", [ProtocolError("no"), KeyError("speed")])
def test_a_stop_that_the_protocol_cannot_make_is_what_was_armed(error: Exception) -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.output(0, VIBRATE, 5, 0)
        bench.protocol.fault = error
        await bench.driver.stop((0,))
        bench.driver.stopped()
        bench.driver.output(1, VIBRATE, 0, 0)
        assert bench.hardware.calls[-2:] == [
            ("stop", (b"stop",), True),
            ("output", (b"\x01\x00",), True, True),
        ]

    play(scene)


def test_a_toy_that_nothing_stops_is_said_to_be_one() -> None:
    async def main() -> None:
        hardware, protocol = RecordingHardware("tx", "rx"), FakeProtocol()
        protocol.fault, protocol.kept = ProtocolError("no"), ()
        driver = PacketDriver("toy", hardware, protocol, Notifications(hardware), print, Truth())
        with pytest.raises(HardwareError, match="toy cannot be stopped"):
            driver.stop(None)

    run_virtual(main())


def test_a_value_without_packets_is_done_at_once() -> None:
    async def scene(bench: Bench) -> None:
        await bench.driver.output(0, VIBRATE, 99, 0)

    assert play(scene).hardware.calls == []


def test_what_the_protocol_cannot_say_is_the_clients_fault() -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(Unsupported, match="no feature 9"):
            bench.driver.output(9, VIBRATE, 1, 0)

    play(scene)


def test_ticks_come_while_the_protocol_wants_them_and_end_with_a_stop() -> None:
    async def scene(bench: Bench) -> None:
        bench.protocol.ticking = 3
        bench.output(0, VIBRATE, 5)
        await asyncio.sleep(0.25)
        assert bench.hardware.calls.count(("output", (b"tick",), False, False)) == 2
        bench.driver.stop(None)
        await asyncio.sleep(1)

    assert play(scene).hardware.calls[-1] == ("stop", (b"stop",), True)


def test_a_reading_is_asked_for_and_one_query_waits_for_the_other() -> None:
    async def scene(bench: Bench) -> None:
        await bench.notifications.subscribe("rx", "a handshake")

        async def answer() -> None:
            for value in (80, 81):
                await asyncio.sleep(0.1)
                bench.hardware.listeners["rx"](bytes([value]))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer())
            reads = [tasks.create_task(bench.driver.read(2, InputType.BATTERY)) for _ in range(2)]
        assert [read.result() for read in reads] == [80, 81]

    play(scene)


def test_a_toy_that_does_not_answer_costs_a_few_seconds() -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(HardwareError, match="did not answer"):
            await bench.driver.read(2, InputType.BATTERY)
        assert asyncio.get_running_loop().time() == pytest.approx(READ_S)

    play(scene)


def test_subscribed_readings_arrive_until_unsubscribed_and_never_twice() -> None:
    async def scene(bench: Bench) -> None:
        heard: list[int] = []
        for _ in range(2):
            await bench.driver.subscribe(3, InputType.PRESSURE, heard.append)
        says = bench.hardware.listeners["rx"]
        says(b"\x07")
        says(b"")
        bench.driver.unsubscribe(3, InputType.PRESSURE)
        says(b"\x08")
        assert heard == [7]
        assert bench.hardware.calls == [("subscribe", "rx"), ("unsubscribe", "rx")]

    play(scene)


def test_inputs_of_one_characteristic_end_it_with_the_last_of_them() -> None:
    async def scene(bench: Bench) -> None:
        heard: list[int] = []
        for feature in (3, 4):
            await bench.driver.subscribe(feature, InputType.PRESSURE, heard.append)
        assert bench.driver.unsubscribe(3, InputType.PRESSURE) is None
        bench.hardware.listeners["rx"](b"\x05")
        assert bench.driver.unsubscribe(4, InputType.PRESSURE) is not None
        assert bench.driver.unsubscribe(4, InputType.PRESSURE) is None
        assert heard == [5]
        assert bench.hardware.calls == [("subscribe", "rx"), ("unsubscribe", "rx")]

    play(scene)


def test_what_the_handshake_began_outlives_inputs_and_queries() -> None:
    async def scene(bench: Bench) -> None:
        await bench.notifications.subscribe("rx", "a handshake")
        await bench.driver.subscribe(3, InputType.PRESSURE, lambda value: None)
        assert bench.driver.unsubscribe(3, InputType.PRESSURE) is None
        reading = asyncio.create_task(bench.driver.read(2, InputType.BATTERY))
        await asyncio.sleep(0.1)
        bench.hardware.listeners["rx"](b"\x50")
        assert await reading == 0x50
        assert ("unsubscribe", "rx") not in bench.hardware.calls

    play(scene)


def test_when_the_relay_stopped_it_the_protocol_forgets_what_was_on() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.output(0, VIBRATE, 5, 0)
        bench.driver.stopped()
        bench.driver.output(1, VIBRATE, 0, 0)

    bench = play(scene)
    assert bench.protocol.stops == [None]
    assert bench.hardware.calls[-1] == ("output", (b"\x01\x00",), True, True)


def test_closing_lets_the_hardware_go_and_ends_the_ticks() -> None:
    async def scene(bench: Bench) -> None:
        bench.protocol.ticking = 100
        bench.driver.output(0, VIBRATE, 5, 0)
        await bench.driver.close()
        await asyncio.sleep(1)

    assert play(scene).hardware.calls[-1] == ("disconnect",)


def test_a_value_that_could_not_leave_is_forgotten_by_the_protocol() -> None:
    async def scene(bench: Bench) -> None:
        bench.hardware.away = True
        with pytest.raises(HardwareError, match="away"):
            bench.driver.output(0, VIBRATE, 5, 0)
        bench.hardware.away = False
        bench.driver.output(1, VIBRATE, 0, 0)

    bench = play(scene)
    assert bench.protocol.stops == [(0,)], "or a packet of another feature would carry it"
    assert bench.hardware.calls == [("output", (b"\x01\x00",), True, True)]


@pytest.mark.parametrize("how", ["away", "failing"])
def test_a_tick_that_fails_stops_the_device_and_says_so(how: str) -> None:
    async def scene(bench: Bench) -> None:
        bench.protocol.ticking = 100
        bench.driver.output(0, VIBRATE, 5, 0)
        setattr(bench.hardware, how, True)
        await asyncio.sleep(1)

    bench = play(scene)
    assert bench.hardware.calls[-1] == ("stop", (b"stop",), True)
    assert len(bench.failed) == 1


def test_what_failed_is_forgotten_where_a_packet_of_another_feature_would_carry_it() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.recall(0, FeatureValue(VIBRATE, 3), again=True)
        assert bench.protocol.stops == [], "nothing else carries it"
        bench.driver.recall(1, FeatureValue(VIBRATE, 3), again=False)
        assert bench.protocol.stops == [(1,)]
        assert bench.hardware.calls == []
        bench.driver.recall(1, FeatureValue(VIBRATE, 3), again=True)
        bench.driver.recall(1, FeatureValue(VIBRATE, 0), again=True)

    calls = [("output", (b"\x01\x03",), True, False), ("output", (b"stop",), True, True)]
    assert play(scene).hardware.calls == calls


@pytest.mark.parametrize("response", [True, False])
def test_a_stop_that_is_a_request_waits_for_reads(response: bool) -> None:
    class Protocol(FakeProtocol):
        def armed(self) -> tuple[Packet, ...]:
            return (Packet(1, b"stop", response),)

    async def main() -> bool:
        hardware = RecordingHardware("tx")
        notifications = Notifications(hardware)
        driver = PacketDriver("toy", hardware, Protocol(), notifications, print, Truth())
        return driver.stop_waits_for_reads

    assert run_virtual(main()) is response


def test_a_query_waits_for_its_turn_but_not_for_ever() -> None:
    async def scene(bench: Bench) -> None:
        reads = [asyncio.create_task(bench.driver.read(2, InputType.BATTERY)) for _ in range(4)]
        answers = await asyncio.gather(*reads, return_exceptions=True)
        assert asyncio.get_running_loop().time() <= READ_TURN_S + READ_S
        assert "too many questions" in str(answers[-1])
        assert all(isinstance(answer, HardwareError) for answer in answers)

    play(scene)


def test_an_answer_that_makes_no_sense_is_the_devices_fault() -> None:
    async def scene(bench: Bench) -> None:
        await bench.notifications.subscribe("rx", "a handshake")
        asyncio.get_running_loop().call_later(0.1, lambda: bench.hardware.listeners["rx"](b""))
        with pytest.raises(HardwareError, match="makes no sense"):
            await bench.driver.read(2, InputType.BATTERY)

    play(scene)


class Toggle(FakeProtocol):
    """Its off is a button: nothing can be armed."""

    def armed(self) -> tuple[Packet, ...]:
        return None  # type: ignore[return-value]  # as the seam allows, unlike its parent


@pytest.mark.parametrize("fails", [False, True])
def test_a_toggle_is_pressed_in_its_turn_and_let_go_when_a_press_may_be_lost(fails: bool) -> None:
    async def main() -> list[Call]:
        hardware = RecordingHardware("tx", "rx")
        protocol, truth = Toggle(), Truth()
        driver = PacketDriver(
            "toy", hardware, protocol, Notifications(hardware), lambda _: None, truth
        )
        hardware.failing = fails
        outcome = driver.stop(None)
        await asyncio.sleep(0.1)
        assert outcome.done()
        assert outcome.exception() is None
        return hardware.calls

    # In its turn: what overtook presses would change what a press means.
    pressed = ("output", (b"stop",), False, True)
    assert run_virtual(main()) == ([pressed, ("own stop",)] if fails else [pressed])


def test_how_long_a_command_moves_something_goes_with_it() -> None:
    """A relay whose toy has no stop packets waits for that time, and lets go of what has none."""

    async def scene(bench: Bench) -> None:
        bench.driver.output(0, OutputType.HW_POSITION_WITH_DURATION, 5, 700)
        bench.driver.output(0, OutputType.POSITION, 5, 0)
        bench.driver.output(0, OutputType.VIBRATE, 0, 0)
        bench.output(0, OutputType.VIBRATE, 5)
        # The packet that switches this one off carries the other one on.
        bench.driver.output(1, OutputType.VIBRATE, 0, 0)
        assert bench.hardware.moves == [700, None, 0, None, None]

    play(scene)


def test_a_value_with_a_time_says_whether_it_is_an_off() -> None:
    async def scene(bench: Bench) -> None:
        bench.hardware.lead_s = 0.05
        assert bench.driver.lead() == 0.05
        for kind, value in ((VIBRATE, 5), (VIBRATE, 0), (POSITION, 0)):
            bench.driver.output(0, kind, value, 0, 7.5)
        bench.driver.output(0, VIBRATE, 6, 0)

    times = play(scene).hardware.times
    assert times == [(7.5, False), (7.5, True), (7.5, False), (None, False)]


def test_a_value_with_a_time_and_without_packets_is_done_at_once_too() -> None:
    async def scene(bench: Bench) -> None:
        assert bench.driver.output(0, VIBRATE, 99, 0, 7.5).done()

    assert play(scene).hardware.calls == []


def test_a_toggle_and_what_goes_on_by_the_clock_take_no_times() -> None:
    async def scene(bench: Bench) -> None:
        bench.hardware.lead_s = 0.05
        bench.protocol.ticking = 3
        assert bench.driver.lead() is None
        bench.driver.output(0, VIBRATE, 5, 0, 7.5)
        bench.driver.stop(None)
        bench.driver._armed = None
        assert bench.driver.lead() is None
        bench.driver.output(0, VIBRATE, 5, 0, 7.5)

    assert {at for at, _ in play(scene).hardware.times} == {None}
