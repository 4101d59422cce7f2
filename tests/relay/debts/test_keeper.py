"""What is written down about a peripheral, from the first word on it to the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from relay.debts.bounds import KEEPER_LOOK_S, REST_S
from relay.debts.keeper import RecordKeeper
from relay.debts.locks import Locks
from relay.debts.record import Record
from relay.debts.records import Records
from relay.supervision.holds import HeldWrite, StopOrder
from tests.doubles.clock import run_virtual
from tests.doubles.radio import RecordingConnection


@dataclass
class Toy:
    """A connected peripheral; `number` is the running number that its stop has next."""

    address: str = "AA"
    name: str = "Hush"
    connection: RecordingConnection = field(default_factory=RecordingConnection)
    runs: bool = False
    number: int = 1

    def hold(self) -> StopOrder:
        return StopOrder(self.address, (HeldWrite(1, bytes([self.number]), True),))


class Shelf:
    """A keeper of one toy, and what the next start would find."""

    def __init__(self, folder: Path) -> None:
        self.toy = Toy()
        self._folder = folder / "devices"
        self.records = Records(self._folder)
        self.locks = Locks(folder / "locks")
        self.keeper = RecordKeeper(self.records, self.locks, lambda kept: self.toy.runs)

    def found(self) -> Record | None:
        records = [record for record, _ in Records(self._folder).load()]
        assert len(records) <= 1
        return records[0] if records else None


def keep(folder: Path, body: Callable[[Shelf], Awaitable[None]]) -> None:
    async def main() -> None:
        shelf = Shelf(folder)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(shelf.records.run()),
                group.create_task(shelf.keeper.watch([shelf.toy])),
            ]
            await body(shelf)
            for task in tasks:
                task.cancel()
        shelf.keeper.close()

    run_virtual(main())


def test_the_address_is_on_disk_before_a_connection_is_asked_for(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        assert await shelf.keeper.asked_for("AA", "Hush")
        assert shelf.found() == Record("AA", "Hush")

    keep(tmp_path, body)


def test_what_drives_it_is_on_disk_as_that_and_a_rest_only_after_a_while(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        await shelf.keeper.asked_for("AA", "Hush")
        shelf.keeper.driven(shelf.toy)
        await shelf.records.written()
        driven = shelf.found()
        assert driven is not None
        assert driven.runs
        assert [kept.data for kept in driven.stop] == [b"\x01"]
        await asyncio.sleep(REST_S - 1)
        assert shelf.found() == driven
        await asyncio.sleep(2 * KEEPER_LOOK_S + 1)
        rested = shelf.found()
        assert rested is not None
        assert not rested.runs

    keep(tmp_path, body)


def test_what_runs_without_being_told_is_noticed_and_running_numbers_go_on(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        await shelf.keeper.asked_for("AA", "Hush")
        shelf.toy.runs, shelf.toy.number = True, 9
        await asyncio.sleep(KEEPER_LOOK_S + 0.1)
        found = shelf.found()
        assert found is not None
        assert (found.runs, found.stop[0].data) == (True, b"\x09")

    keep(tmp_path, body)


def test_one_that_was_looked_for_in_vain_is_free_and_its_record_as_it_was(tmp_path: Path) -> None:
    """Killed while it looks, a start must not make of a toy at rest one that may run."""

    async def body(shelf: Shelf) -> None:
        await shelf.keeper.asked_for("AA", "Hush")
        before = shelf.found()
        assert before is not None
        shelf.keeper.free("AA")
        await shelf.records.written()
        assert shelf.found() == before
        assert Locks(tmp_path / "locks").take("AA")

    keep(tmp_path, body)


def test_what_is_gone_leaves_neither_record_nor_lock_unless_it_owes(tmp_path: Path) -> None:
    async def body(shelf: Shelf) -> None:
        other = Locks(tmp_path / "locks")
        await shelf.keeper.asked_for("AA", "Hush")
        assert not other.take("AA")
        shelf.keeper.owes(shelf.keeper.record(shelf.toy))
        assert other.take("AA"), "whoever finds it stops it"
        await shelf.records.written()
        owed = shelf.found()
        assert owed is not None
        assert owed.runs
        assert not await shelf.keeper.asked_for("AA", "Hush")
        other.close()
        assert await shelf.keeper.asked_for("AA", "Hush")
        shelf.keeper.gone("AA")
        assert other.take("AA")

    keep(tmp_path, body)
    assert Records(tmp_path / "devices").load() == []
