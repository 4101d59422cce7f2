from __future__ import annotations

import asyncio
import logging
import os
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.debts.bounds import FLUSH_S
from relay.debts.record import Record, RecordedWrite
from relay.debts.records import Records

RECORD = Record(
    "AA:BB:CC:DD:EE:FF", "Hush", (RecordedWrite("s" * 36, "u" * 36, b"\x00\xff", 1),), 50, True
)


def with_records(folder: Path | None, body: Callable[[Records], Awaitable[None]]) -> None:
    async def main() -> None:
        records = Records(folder)
        running = asyncio.create_task(records.run())
        await body(records)
        running.cancel()
        records.flush()

    asyncio.run(main())


def test_what_is_put_is_read_by_the_next_start_until_it_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "devices"

    async def put(records: Records) -> None:
        records.put(RECORD)
        await records.written()
        assert Records(folder).load()[0][0] == RECORD
        assert records.get(RECORD.address) == RECORD

    with_records(folder, put)
    path = Records(folder).path(RECORD.address)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    async def drop(records: Records) -> None:
        assert [record for record, _ in records.load()] == [RECORD]
        records.drop(RECORD.address)
        await records.written()
        assert Records(folder).load() == []

    with_records(folder, drop)
    assert list(folder.iterdir()) == []


def test_the_newest_is_what_is_kept_and_nothing_is_lost_at_the_end(tmp_path: Path) -> None:
    async def body(records: Records) -> None:
        records.put(Record("AA"))
        records.put(RECORD)
        records.put(Record("AA", "named"))

    with_records(tmp_path, body)
    found = {record.address: record for record, _ in Records(tmp_path).load()}
    assert found == {"AA": Record("AA", "named"), RECORD.address: RECORD}


def test_what_is_no_news_is_not_written_again(tmp_path: Path) -> None:
    async def body(records: Records) -> None:
        path = records.path(RECORD.address)
        assert path is not None
        records.put(RECORD)
        await records.written()
        before = path.stat().st_ino
        for _ in range(3):
            records.put(RECORD)
            await records.written()
        assert path.stat().st_ino == before
        records.put(Record(RECORD.address, "else"))
        await records.written()
        assert path.stat().st_ino != before

    with_records(tmp_path, body)


@pytest.mark.parametrize("takes_s", [0.1, 2 * FLUSH_S])
def test_the_end_comes_behind_a_write_that_is_under_way_but_does_not_wait_for_ever(
    takes_s: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(tmp_path)
    records.put(RECORD)
    held = threading.Event()

    def disk() -> None:
        with records._writing:
            held.set()
            time.sleep(takes_s)

    slow = threading.Thread(target=disk)
    slow.start()
    held.wait()
    began = time.monotonic()
    records.flush()
    took = time.monotonic() - began
    slow.join()
    in_time = takes_s < FLUSH_S
    assert took < FLUSH_S + 0.2
    assert [record for record, _ in Records(tmp_path).load()] == ([RECORD] if in_time else [])
    assert ("takes too long" in caplog.text) != in_time


def test_a_record_says_how_old_it_is(tmp_path: Path) -> None:
    async def body(records: Records) -> None:
        records.put(RECORD)

    with_records(tmp_path, body)
    path = Records(tmp_path).path(RECORD.address)
    assert path is not None
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert Records(tmp_path).load()[0][1] == pytest.approx(100, abs=5)
    os.utime(path, (time.time() + 100, time.time() + 100))
    assert Records(tmp_path).load()[0][1] == 0.0


def test_a_folder_that_cannot_be_written_is_said_once_and_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")

    async def body(records: Records) -> None:
        for name in ("one", "two"):
            records.put(Record("AA", name))
            await records.written()
        records.drop("AA")
        await records.written()

    with_records(blocked / "devices", body)
    assert caplog.text.count("cannot be written") == 1
    assert "may be running" in caplog.text


@pytest.mark.parametrize("damage", [b"{", b'{"address": 3}', b"\xff\xfe", b""])
def test_a_damaged_record_is_said_and_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    async def body(records: Records) -> None:
        records.put(RECORD)
        records.put(Record("BB"))

    with_records(tmp_path, body)
    path = Records(tmp_path).path("BB")
    assert path is not None
    path.write_bytes(damage)
    with caplog.at_level(logging.ERROR):
        assert [record for record, _ in Records(tmp_path).load()] == [RECORD]
    assert str(path) in caplog.text


def test_odd_addresses_stay_inside_the_folder(tmp_path: Path) -> None:
    path = Records(tmp_path).path("../../etc/passwd")
    assert path is not None
    assert path.parent == tmp_path


def test_without_a_folder_nothing_is_kept() -> None:
    async def body(records: Records) -> None:
        records.put(RECORD)
        await records.written()
        assert records.load() == []
        assert not records.kept

    with_records(None, body)
