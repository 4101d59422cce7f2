"""Looks for the peripherals that owe a stop, one task for each, until none does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from relay.debts.debts import DebtTable, Owed
from relay.debts.keeper import RecordKeeper
from relay.debts.record import Record
from relay.debts.settling import settle
from relay.link.messages import Advertisement, Debt
from relay.radio.base import Connection, RadioError

log = logging.getLogger(__name__)

# Connects the address within so many seconds and pays its debt; returns however that ended.
Look = Callable[[str, float], Awaitable[None]]


class Chaser:
    """Owns the debts, and calls `look` for each when it is due; `run` must be running for that.

    `changed` is called when what people see of the debts has changed.
    """

    def __init__(self, keeper: RecordKeeper, look: Look, changed: Callable[[], None]) -> None:
        self._keeper = keeper
        self._look = look
        self._debts = DebtTable(changed)
        self._group: asyncio.TaskGroup | None = None
        self._wakes: dict[str, asyncio.Event] = {}
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; begins with what an earlier relay left behind."""
        for record, age_s in self._keeper.records.load():
            known = "may be running" if record.runs else "was connected"
            log.warning("%s %s when this relay ended", _called(record), known)
            self._debts.add(record, _now(), lost_s=age_s, certain=record.runs)
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for owed in self._debts:
                    self._begin(owed.address)
                if not self._wakes:
                    self._idle.set()
                await asyncio.Event().wait()
            finally:
                self._group = None

    async def idle(self) -> None:
        """Wait until nothing is looked for, what an earlier relay left behind included."""
        await self._idle.wait()

    # --- what is owed --------------------------------------------------------------------------

    def get(self, address: str) -> Owed | None:
        return self._debts.get(address)

    def items(self) -> tuple[Debt, ...]:
        """What may be running and is not connected."""
        return self._debts.items(_now())

    def lost(self, record: Record, advertisement: Advertisement | None = None) -> None:
        """This peripheral may be running, and is not connected any more."""
        owed = self._debts.add(record, _now())
        if owed is None:
            log.error("%s may be running, and there are too many to look for", _called(record))
            return
        owed.advertisement = advertisement
        log.warning("%s may be running: looking for it", _called(record))
        self._begin(record.address)

    def forget(self, address: str) -> bool:
        """It is off, or another's. Returns whether it owed anything."""
        if self._debts.remove(address) is None:
            return False
        self._keeper.records.drop(address)
        self._wake(address)
        return True

    async def pay(self, owed: Owed, connection: Connection) -> None:
        """Stop a peripheral that has been connected again. Raises RadioError: it still owes it."""
        try:
            await settle(connection, owed.record)
        except RadioError as error:
            log.error("%s did not take its stop: %s", _called(owed.record), error.text)
            raise
        if self._debts.get(owed.address) is owed:
            self._debts.remove(owed.address)
        log.warning("%s had been left as it was: stopped now", _called(owed.record))

    # --- when to look --------------------------------------------------------------------------

    def urge(self) -> None:
        """Somebody pressed stop: look for all of them at once."""
        self._debts.urge(_now())
        self._wake()

    def sighted(self, address: str) -> None:
        """It was heard: if it owes a stop, now is the time."""
        owed = self._debts.get(address)
        if owed is not None:
            owed.heard(_now())
            self._wake(address)

    def _begin(self, address: str) -> None:
        # While the program ends, nothing begins: its next start reads the record.
        if self._group is not None and address not in self._wakes:
            self._wakes[address] = asyncio.Event()
            self._idle.clear()
            self._group.create_task(self._chase(address), name=f"debt {address}")

    def _wake(self, address: str | None = None) -> None:
        for each, wake in self._wakes.items():
            if address in (None, each):
                wake.set()

    async def _chase(self, address: str) -> None:
        wake = self._wakes[address]
        try:
            while (owed := self._debts.get(address)) is not None:
                now = _now()
                due = owed.due(now)
                if due <= now:
                    await self._look(address, owed.look_s(now))
                    self._tried(owed)
                    continue
                wake.clear()
                try:
                    async with asyncio.timeout_at(due):
                        await wake.wait()
                except TimeoutError:
                    continue
        finally:
            del self._wakes[address]
            if not self._wakes:
                self._idle.set()

    def _tried(self, owed: Owed) -> None:
        owed.tried(_now())
        if not owed.certain and self._debts.get(owed.address) is owed:
            # Nothing holds it: its connection ended with the relay that had it.
            self.forget(owed.address)


def _called(record: Record) -> str:
    return record.name or record.address


def _now() -> float:
    return asyncio.get_running_loop().time()
