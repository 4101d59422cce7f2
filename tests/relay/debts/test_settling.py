from __future__ import annotations

import asyncio

import pytest

from relay.debts.bounds import SETTLING_WRITE_S, TRY_S
from relay.debts.record import Record, RecordedWrite, record_of
from relay.debts.settling import settle
from relay.link.messages import ErrorCode, Service
from relay.radio.base import RadioError
from relay.supervision.holds import HeldWrite, StopOrder
from tests.doubles.clock import run_virtual
from tests.doubles.radio import SERVICES, RecordingConnection, gone, refused

SERVICE, FIRST = SERVICES[0].uuid, SERVICES[0].characteristics[0].uuid


def kept(data: bytes, *, response: bool = True, delay_ms: int = 0) -> RecordedWrite:
    return RecordedWrite(SERVICE, FIRST, data, response=response, delay_ms=delay_ms)


def settled(connection: RecordingConnection, *stop: RecordedWrite, gap_ms: int = 0) -> float:
    """Settle; return how long it took."""

    async def main() -> float:
        await settle(connection, Record("AA", stop=stop, gap_ms=gap_ms))
        return asyncio.get_running_loop().time()

    return run_virtual(main())


def test_every_packet_is_written_in_order_with_its_pause() -> None:
    connection = RecordingConnection()
    took = settled(connection, kept(b"1"), kept(b"2", delay_ms=200))
    assert connection.written == [b"1", b"2"]
    assert took == pytest.approx(0.2, abs=0.01)


def test_what_nobody_acknowledges_is_written_twice() -> None:
    connection = RecordingConnection()
    settled(connection, kept(b"1", response=False), kept(b"2"), gap_ms=50)
    assert connection.written == [b"1", b"2", b"1"]
    assert connection.took[2].at == pytest.approx(0.05, abs=0.01)


def test_a_further_try_goes_on_behind_what_was_taken() -> None:
    connection = RecordingConnection(failures=[None, refused(), refused()])
    settled(connection, kept(b"1"), kept(b"2"))
    assert connection.written == [b"1", b"2", b"2", b"2"]


def test_a_slow_radio_gets_its_time_for_each_packet() -> None:
    connection = RecordingConnection(takes_s=0.6)
    settled(connection, *(kept(bytes([n])) for n in range(12)))
    assert connection.written == [bytes([n]) for n in range(12)]


@pytest.mark.parametrize("takes_s", [0.0, None])
def test_a_radio_that_takes_none_is_given_up_after_three_seconds(takes_s: float | None) -> None:
    connection = RecordingConnection(takes_s=takes_s, broken=refused())

    async def main() -> None:
        with pytest.raises(RadioError):
            await settle(connection, Record("AA", stop=(kept(b"1"),)))
        assert TRY_S - SETTLING_WRITE_S < asyncio.get_running_loop().time() <= TRY_S + 0.01

    run_virtual(main())
    assert len(connection.written) >= 2


def test_a_device_that_goes_meanwhile_is_gone_at_once() -> None:
    connection = RecordingConnection(failures=[gone()])
    with pytest.raises(RadioError) as error:
        settled(connection, kept(b"1"))
    assert error.value.code is ErrorCode.GONE
    assert connection.written == [b"1"]


def test_a_record_finds_its_characteristic_by_uuid_not_by_handle() -> None:
    hold = StopOrder("AA", (HeldWrite(1, b"off", True, 20),), gap_ms=70)
    record = record_of("Hush", hold, SERVICES, runs=True)
    assert record == Record("AA", "Hush", (kept(b"off", delay_ms=20),), 70, True)
    moved = tuple(
        Service(
            each.uuid,
            tuple(
                type(one)(one.handle + 40, one.uuid, one.properties) for one in each.characteristics
            ),
        )
        for each in SERVICES
    )
    connection = RecordingConnection(services=moved)
    handles: list[int] = []
    connection.write = _noting(handles)  # type: ignore[method-assign]
    settled(connection, *record.stop)
    assert handles == [41]


def _noting(handles: list[int]):  # type: ignore[no-untyped-def]
    async def write(handle: int, data: bytes, response: bool) -> None:
        handles.append(handle)

    return write


def test_of_characteristics_that_are_named_alike_the_right_one_is_found() -> None:
    one = SERVICES[0].characteristics[0]
    twins = (Service(SERVICE, (one, type(one)(7, one.uuid, one.properties))),)
    record = record_of("", StopOrder("AA", (HeldWrite(7, b"off", True),)), twins, runs=False)
    assert record.stop[0].nth == 1


def test_a_device_without_the_characteristic_cannot_be_stopped() -> None:
    connection = RecordingConnection(services=())
    with pytest.raises(RadioError, match="no characteristic"):
        settled(connection, kept(b"1"))
    assert connection.written == []
