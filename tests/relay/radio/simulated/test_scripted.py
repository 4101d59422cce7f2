from __future__ import annotations

import asyncio

import pytest

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.scripted import ScriptedToy
from tests.doubles.clock import run_virtual

SERVICES = {
    "00001900-0000-1000-8000-00805f9b34fb": {
        "tx": "00001902-0000-1000-8000-00805f9b34fb",
        "rx": "00001903-0000-1000-8000-00805f9b34fb",
    },
    "a0d70001-4c16-4ba7-977a-d394920e13a3": {"tx": "a0d70002-4c16-4ba7-977a-d394920e13a3"},
}


def toy() -> ScriptedToy:
    return ScriptedToy(SERVICES, "AA:BB:CC:DD:EE:FF", name="Toy")


def test_the_first_of_two_services_with_a_role_has_it() -> None:
    services = toy().services
    assert [service.uuid[:8] for service in services] == ["00001900"]
    assert [one.uuid[:8] for one in services[0].characteristics] == ["00001902", "00001903"]


def test_the_script_answers_reads_in_order_and_records_everything() -> None:
    async def main() -> None:
        one = toy()
        connection = await SimulatedRadio([one]).connect(one.address, lambda _: None)
        tx, rx = one.handles
        heard: list[bytes] = []
        one.push_read("rx", b"1")
        one.push_read("rx", b"2")
        assert await connection.read(rx) == b"1"
        await connection.subscribe(rx, heard.append)
        await connection.write(tx, b"x", response=True)
        one.notify("rx", b"n")
        await connection.unsubscribe(rx)
        assert await connection.read(rx) == b"2"
        assert heard == [b"n"]
        ops = [(entry.op, entry.role) for entry in one.record]
        assert ops == [
            (FaultPoint.CONNECT, ""),
            (FaultPoint.READ, "rx"),
            (FaultPoint.SUBSCRIBE, "rx"),
            (FaultPoint.WRITE, "tx"),
            (FaultPoint.NOTIFY, "rx"),
            (FaultPoint.UNSUBSCRIBE, "rx"),
            (FaultPoint.READ, "rx"),
        ]

    run_virtual(main())


def test_a_read_waits_a_moment_for_the_script() -> None:
    async def main() -> None:
        one = toy()
        connection = await SimulatedRadio([one]).connect(one.address, lambda _: None)
        rx = list(one.handles)[1]
        asyncio.get_running_loop().call_later(0.04, one.push_read, "rx", b"late")
        assert await connection.read(rx) == b"late"
        with pytest.raises(RadioError) as caught:
            await connection.read(rx)
        assert caught.value.code is ErrorCode.TIMEOUT

    run_virtual(main())


def test_an_answer_for_another_characteristic_fails_the_read_and_is_used_up() -> None:
    async def main() -> None:
        one = toy()
        connection = await SimulatedRadio([one]).connect(one.address, lambda _: None)
        rx = list(one.handles)[1]
        one.push_read("tx", b"wrong")
        one.push_read("rx", b"right")
        with pytest.raises(RadioError) as caught:
            await connection.read(rx)
        assert caught.value.code is ErrorCode.REFUSED
        assert await connection.read(rx) == b"right"

    run_virtual(main())
