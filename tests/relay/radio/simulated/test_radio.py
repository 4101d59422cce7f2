from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay.link.messages import Advertisement, ErrorCode
from relay.radio.base import RadioError
from relay.radio.simulated.catalogue import model_of, toys_by_name
from relay.radio.simulated.faults import WRITES, Fault, FaultPoint
from relay.radio.simulated.radio import SimulatedConnection, SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import VirtualLoop, run_virtual


def ignore(reason: str) -> None:
    """For links whose end is not what the test is about."""


def handle(toy: Toy, role: str) -> int:
    return next(number for number, one in toy.handles.items() if one == role)


class Bench:
    """One simulated toy on a radio in virtual time."""

    def __init__(self, names: str = "Lovense Edge", slots: int | None = None) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.radio = SimulatedRadio(toys_by_name(names), slots=slots, clock=loop.time_ns)
        self.toy = self.radio.toys[0]
        self.gone: list[str] = []

    async def connect(self) -> SimulatedConnection:
        return await self.radio.connect(self.toy.address, self.gone.append)


def virtually(test: Callable[[Bench], Awaitable[None]], names: str = "Lovense Edge") -> None:
    async def main() -> None:
        await test(Bench(names))

    run_virtual(main())


async def code_of(doing: Awaitable[object]) -> ErrorCode:
    with pytest.raises(RadioError) as caught:
        await doing
    return caught.value.code


def test_a_scan_reports_toys_again_and_again_until_they_vanish_or_are_connected() -> None:
    async def test(bench: Bench) -> None:
        heard: list[Advertisement] = []
        scan = asyncio.create_task(bench.radio.scan(heard.append))
        await asyncio.sleep(0.95)
        assert [one.name for one in heard] == ["LVS-P011"] * 10
        bench.toy.vanish()
        await asyncio.sleep(1)
        assert len(heard) == 10
        bench.toy.appear()
        connection = await bench.connect()
        await asyncio.sleep(1)
        assert len(heard) == 10
        await connection.disconnect()
        await asyncio.sleep(0.5)
        assert len(heard) == 15
        scan.cancel()

    virtually(test)


def test_lovense_answers_its_questions() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        heard: list[bytes] = []
        await connection.subscribe(handle(bench.toy, "rx"), heard.append)
        tx = handle(bench.toy, "tx")
        bench.toy.battery = 61
        for question in (b"DeviceType;", b"Battery;", b"Vibrate1:20;"):
            await connection.write(tx, question, response=False)
            await asyncio.sleep(0)
        mac = bench.toy.address.replace(":", "").encode()
        assert heard == [b"P:11:" + mac + b";", b"61;", b"OK;"]

    virtually(test)


def test_the_toy_knows_whether_it_is_at_rest_motor_by_motor() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        tx = handle(bench.toy, "tx")
        assert bench.toy.at_rest
        await connection.write(tx, b"Vibrate1:10;", response=False)
        await connection.write(tx, b"Vibrate2:0;", response=False)
        assert bench.toy.levels == {"vibrate 1": 0.5, "vibrate 2": 0.0}
        assert bench.toy.words == "vibrate 1 50%, vibrate 2 off"
        await connection.write(tx, b"Vibrate1:0;", response=False)
        assert bench.toy.at_rest

    virtually(test)


def test_motors_go_on_when_the_link_is_lost_unless_the_toy_says_otherwise() -> None:
    async def test(bench: Bench) -> None:
        for stops in (False, True):
            bench.toy.stops_when_disconnected = stops
            connection = await bench.connect()
            await connection.write(handle(bench.toy, "tx"), b"Vibrate1:5;", response=False)
            bench.toy.drop()
            assert bench.toy.at_rest is stops
        assert len(bench.gone) == 2

    virtually(test)


def test_the_record_holds_what_happened_in_order_with_times() -> None:
    async def test(bench: Bench) -> None:
        bench.toy.faults.latency_s = 0.01
        connection = await bench.connect()
        await connection.write(handle(bench.toy, "tx"), b"Vibrate1:1;", response=True)
        await connection.disconnect()
        ops = [(one.op, one.role, one.data) for one in bench.toy.record]
        assert ops == [
            (FaultPoint.CONNECT, "", b""),
            (FaultPoint.WRITE, "tx", b"Vibrate1:1;"),
            (FaultPoint.DISCONNECT, "", b""),
        ]
        milliseconds = [round(one.t_ns / 1e6) for one in bench.toy.record]
        assert milliseconds == [10, 20, 30]
        assert bench.gone == []

    virtually(test)


def test_the_next_writes_fail_and_then_it_works() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        tx = handle(bench.toy, "tx")
        bench.toy.faults.fail(2)
        for _ in range(2):
            code = await code_of(connection.write(tx, b"Vibrate:3;", response=False))
            assert code is ErrorCode.RADIO
        assert bench.toy.writes == []
        await connection.write(tx, b"Vibrate:3;", response=False)
        assert bench.toy.writes == [b"Vibrate:3;"]

    virtually(test)


def test_a_lost_answer_and_a_lost_write_are_different_faults() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        tx = handle(bench.toy, "tx")
        bench.toy.faults.fail(1, fault=Fault(ErrorCode.TIMEOUT, applied=True))
        assert await code_of(connection.write(tx, b"a", response=True)) is ErrorCode.TIMEOUT
        assert bench.toy.writes == [b"a"]
        bench.toy.faults.fail(1, fault=Fault(silent=True))
        await connection.write(tx, b"b", response=True)
        assert bench.toy.writes == [b"a"]

    virtually(test)


def test_random_faults_repeat_with_their_seed() -> None:
    async def failures(bench: Bench) -> list[bool]:
        connection = await bench.connect()
        bench.toy.faults.fail(None, rate=0.3, seed=7)
        failed = []
        for _ in range(50):
            try:
                await connection.write(handle(bench.toy, "tx"), b"x", response=False)
            except RadioError:
                failed.append(True)
            else:
                failed.append(False)
        return failed

    async def main() -> list[bool]:
        return await failures(Bench())

    first = run_virtual(main())
    assert first == run_virtual(main())
    assert 5 < sum(first) < 25


def test_a_stalled_write_never_returns_until_healed() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        bench.toy.faults.stall(WRITES)
        write = asyncio.create_task(connection.write(handle(bench.toy, "tx"), b"x", response=False))
        await asyncio.sleep(1000)
        assert not write.done()
        bench.toy.faults.heal()
        await write
        assert bench.toy.writes == [b"x"]

    virtually(test)


def test_losing_the_link_ends_a_stalled_write_and_says_so_once() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        bench.toy.faults.stall()
        write = asyncio.create_task(connection.write(handle(bench.toy, "tx"), b"x", response=False))
        await asyncio.sleep(1)
        bench.toy.vanish()
        assert await code_of(write) is ErrorCode.GONE
        assert bench.gone == ["the simulated toy went out of range"]
        assert await code_of(connection.read(handle(bench.toy, "tx"))) is ErrorCode.GONE
        await connection.disconnect()
        assert bench.gone == ["the simulated toy went out of range"]

    virtually(test)


def test_a_cancelled_write_reaches_nobody_and_leaves_the_connection_usable() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        tx = handle(bench.toy, "tx")
        bench.toy.faults.latency_s = 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await connection.write(tx, b"slow", response=False)
        bench.toy.faults.heal()
        await connection.write(tx, b"quick", response=False)
        assert bench.toy.writes == [b"quick"]

    virtually(test)


def test_two_operations_at_once_are_refused() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        tx = handle(bench.toy, "tx")
        bench.toy.faults.latency_s = 1
        write = asyncio.create_task(connection.write(tx, b"first", response=False))
        await asyncio.sleep(0.5)
        assert await code_of(connection.write(tx, b"second", response=False)) is ErrorCode.BUSY
        await write

    virtually(test)


def test_disconnecting_ends_an_operation_that_hangs() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        bench.toy.faults.stall(WRITES)
        write = asyncio.create_task(connection.write(handle(bench.toy, "tx"), b"x", response=False))
        await asyncio.sleep(1)
        await connection.disconnect()
        assert await code_of(write) is ErrorCode.GONE
        assert bench.gone == []
        assert not bench.toy.connected

    virtually(test)


def test_connecting_fails_for_strangers_the_absent_the_connected_and_when_slots_run_out() -> None:
    async def main() -> None:
        bench = Bench("Lovense Edge,Lovense Hush,Lovense Lush", slots=1)
        first, second, absent = bench.radio.toys
        absent.vanish()
        connect = bench.radio.connect
        assert await code_of(connect("00:00:00:00:00:00", ignore)) is ErrorCode.NOT_FOUND
        assert await code_of(connect(absent.address, ignore)) is ErrorCode.NOT_FOUND
        await connect(first.address, ignore)
        assert bench.radio.info.slots == 0
        assert await code_of(connect(first.address, ignore)) is ErrorCode.BUSY
        assert await code_of(connect(second.address, ignore)) is ErrorCode.BUSY
        first.drop()
        second.faults.refuse_connections(1)
        assert await code_of(connect(second.address, ignore)) is ErrorCode.REFUSED
        await connect(second.address, ignore)

    run_virtual(main())


def test_a_cancelled_connect_leaves_nothing_connected() -> None:
    async def test(bench: Bench) -> None:
        bench.toy.faults.stall({FaultPoint.CONNECT})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await bench.connect()
        bench.toy.faults.heal()
        await asyncio.sleep(1)
        assert not bench.toy.connected
        await bench.connect()

    virtually(test)


def test_switching_the_radio_off_loses_every_link_and_ends_the_scan() -> None:
    async def test(bench: Bench) -> None:
        await bench.connect()
        scan = asyncio.create_task(bench.radio.scan(lambda _: None))
        await asyncio.sleep(0.5)
        bench.radio.switch(on=False)
        assert bench.gone == ["the simulated radio was switched off"]
        assert not bench.radio.info.on
        assert bench.radio.info.text
        assert await code_of(scan) is ErrorCode.RADIO
        assert await code_of(bench.connect()) is ErrorCode.RADIO
        bench.radio.switch(on=True)
        await bench.connect()

    virtually(test)


def test_notifications_need_a_subscription_and_end_with_it() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        heard: list[bytes] = []
        rx = handle(bench.toy, "rx")
        assert not bench.toy.notify("rx", b"lost")
        await connection.subscribe(rx, heard.append)
        assert bench.toy.notify("rx", b"heard")
        await connection.unsubscribe(rx)
        assert not bench.toy.notify("rx", b"lost")
        assert heard == [b"heard"]

    virtually(test)


def test_model_reads_are_answered_and_others_refused() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        assert await connection.read(handle(bench.toy, "rxblemodel")) == (10160).to_bytes(4, "big")
        assert await code_of(connection.read(handle(bench.toy, "tx"))) is ErrorCode.REFUSED
        assert bench.toy.advertisement.manufacturer == {93: (10160).to_bytes(4, "big")}

    virtually(test, "Satisfyer Double Desire")


def test_a_write_that_the_link_cannot_carry_is_refused() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        write = connection.write(handle(bench.toy, "tx"), bytes(245), response=False)
        assert await code_of(write) is ErrorCode.REFUSED

    virtually(test)


def test_until_waits_for_what_the_record_shows() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        waiting = asyncio.create_task(bench.toy.until(lambda toy: not toy.at_rest))
        await asyncio.sleep(1)
        assert not waiting.done()
        await connection.write(handle(bench.toy, "tx"), b"Vibrate1:1;", response=False)
        await waiting

    virtually(test)


@pytest.mark.parametrize(
    ("advertised", "model"),
    [
        ("Massage Demo", "Aneros Vivi"),
        ("LVS-Z011", "Lovense Hush"),
        ("LVS-Edge77", "Lovense Edge"),
        # Fifteen models say so: they are of one kind.
        ("HISMITH S1", "hismith-mini device"),
        # No toy of these can be simulated by such a name.
        ("ALMiB0123", "umove device"),
        ("FM-Q", "fmachine device"),
        ("Lioness2", "lioness device"),
        ("BT05", None),
        ("Television", None),
        ("", None),
    ],
)
def test_a_model_is_told_by_what_it_advertises_and_a_chip_is_none(
    advertised: str, model: str | None
) -> None:
    assert model_of(advertised) == model


def test_a_calm_toy_takes_a_write_at_once_and_one_in_trouble_does_not() -> None:
    async def test(bench: Bench) -> None:
        connection = await bench.connect()
        tx = handle(bench.toy, "tx")
        assert connection.write_now(tx, b"Vibrate1:5;", False)
        assert bench.toy.writes == [b"Vibrate1:5;"]
        for trouble in (bench.toy.faults.fail, bench.toy.faults.stall):
            trouble()
            assert not connection.write_now(tx, b"Vibrate1:0;", False)
            bench.toy.faults.heal()
        bench.toy.faults.latency_s = 0.01
        assert not connection.write_now(tx, b"Vibrate1:0;", False)
        bench.toy.faults.heal()
        bench.toy.drop()
        with pytest.raises(RadioError) as error:
            connection.write_now(tx, b"Vibrate1:0;", False)
        assert error.value.code is ErrorCode.GONE
        assert bench.toy.writes == [b"Vibrate1:5;"]

    virtually(test)
