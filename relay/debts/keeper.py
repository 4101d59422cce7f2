"""Keeps the records and locks of the peripherals that this relay has, as things are.

asked for      the lock of its address, and a record of the address
armed          how to stop it, with the running number that is next
driven         that it may run, from the message on that drives it; on the disk before the radio has
               the value, so that a kill at any moment finds it
at rest        after a while, that it does not: a change of that kind costs a write
gone           the record is removed, unless it owes a stop; the lock is free
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec.structs import replace

from relay.debts.bounds import KEEPER_LOOK_S, RECORD_S, REST_S
from relay.debts.locks import Locks
from relay.debts.record import Record, record_of
from relay.debts.records import Records
from relay.link.messages import Name
from relay.radio.base import Connection
from relay.supervision.holds import StopOrder


class KeptPeripheral(Protocol):
    """A connected peripheral."""

    @property
    def address(self) -> str: ...

    @property
    def connection(self) -> Connection: ...

    @property
    def name(self) -> Name: ...

    def hold(self) -> StopOrder: ...


class RecordKeeper:
    """`running`: the addresses whose record says that they may run. `may_run` knows if they do."""

    def __init__(
        self, records: Records, locks: Locks, may_run: Callable[[KeptPeripheral], bool]
    ) -> None:
        self.running: set[str] = set()
        self.records = records
        self._locks = locks
        self._may_run = may_run
        self._rested: dict[str, float] = {}

    async def asked_for(self, address: str, name: str) -> bool:
        """A connection is about to be asked for. False: another relay of this machine has it."""
        if not self._locks.take(address):
            return False
        if self.records.get(address) is None:
            self.records.put(Record(address, name))
        await self.records.written()
        return True

    async def recorded(self) -> None:
        """Everything that was noted until now is written, or that takes longer than RECORD_S."""
        await self.records.written(RECORD_S)

    def driven(self, peripheral: KeptPeripheral) -> None:
        """A message goes through that may set it going."""
        self.running.add(peripheral.address)
        self._rested.pop(peripheral.address, None)
        self.note(peripheral)

    def note(self, peripheral: KeptPeripheral) -> None:
        """Write down how it is stopped, as things are now."""
        if self.records.kept:
            self.records.put(self.record(peripheral))

    def record(self, peripheral: KeptPeripheral) -> Record:
        address = peripheral.address
        runs, services = address in self.running, peripheral.connection.services
        return record_of(peripheral.name, peripheral.hold(), services, runs=runs)

    def owes(self, record: Record) -> None:
        """It is gone, and owes this stop."""
        self.records.put(replace(record, runs=True))
        self.free(record.address)

    def gone(self, address: str) -> None:
        """It is not connected, and owes nothing."""
        self.records.drop(address)
        self.free(address)

    def free(self, address: str) -> None:
        """It is not connected; its record stays."""
        self.running.discard(address)
        self._rested.pop(address, None)
        self._locks.drop(address)

    async def watch(self, peripherals: Iterable[KeptPeripheral]) -> None:
        """Until cancelled, bring the records of `peripherals` up to date now and then."""
        while self.records.kept:
            await asyncio.sleep(KEEPER_LOOK_S)
            now = asyncio.get_running_loop().time()
            for peripheral in peripherals:
                self._look(peripheral, now)

    def _look(self, peripheral: KeptPeripheral, now: float) -> None:
        address = peripheral.address
        if self._may_run(peripheral):
            self.running.add(address)
            self._rested.pop(address, None)
        elif address in self.running and now - self._rested.setdefault(address, now) >= REST_S:
            self.running.discard(address)
        self.note(peripheral)

    def close(self) -> None:
        """The program ends: write what is left, free what is held."""
        self.records.flush()
        self._locks.close()
