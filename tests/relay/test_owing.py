"""A toy that may run and is not connected is the relay's own affair: it finds and stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from relay.config import AgentConfig
from relay.debts.locks import Locks
from relay.debts.record import Record
from relay.debts.records import Records
from relay.link.messages import (
    Advertisements,
    Connect,
    Connected,
    Debt,
    Debts,
    Disconnect,
    Done,
    ErrorCode,
    Failed,
    Forget,
    Hello,
    Scan,
)
from relay.peripherals.bounds import OFFER_S
from relay.radio.simulated.faults import WRITES, FaultPoint
from relay.radio.simulated.toy import Toy, ToyOperation
from tests.doubles.clock import VirtualLoop, run_virtual
from tests.relay.test_agent import Bed, bed, level, now, play, running, writes

OFF = b"\xf1\x00"
R = TypeVar("R")


def lost(toy: Toy) -> None:
    """Its link is gone, and it goes on with what it was told."""
    toy.vanish()
    assert not toy.at_rest


async def come_back(toy: Toy, within_s: float) -> float:
    """Return how long it takes from now on until it was stopped and let go."""
    toy.appear()
    since = now()
    async with asyncio.timeout(within_s):
        await toy.until(lambda it: it.at_rest)
        await toy.until(lambda it: not it.connected)
    return now() - since


def debts(it: Bed) -> list[tuple[Debt, ...]]:
    return [m.items for m in it.hub.heard if isinstance(m, Debts)]


@pytest.mark.parametrize("what", ["nothing", "link", "pause", "emergency"])
def test_a_toy_that_was_lost_while_it_ran_is_stopped_whatever_else_is(what: str) -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        await asyncio.sleep(1)
        match what:
            case "link":
                await it.channel.close()
            case "pause":
                it.agent.pause()
            case "emergency":
                it.agent.emergency_stop()
        await asyncio.sleep(2)
        assert await come_back(toy, 5) < 3
        assert it.agent.status().debts == ()
        assert writes(toy)[-1] == OFF

    play(body)


def test_the_hub_hears_of_every_debt_and_of_its_end() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        assert debts(it) == []
        lost(toy)
        await it.hub.hear(Debts)
        assert debts(it) == [(Debt(toy.address, toy.advertisement.name or "", 0),)]
        await it.channel.close()
        await asyncio.sleep(7)
        hub = await it.relink()
        told = await hub.hear(Debts)
        assert told.items[0].lost_s == 7
        await come_back(toy, 5)
        await hub.wait(lambda: Debts(()) in hub.heard)

    async def scanned(it: Bed) -> None:
        it.agent._scanner._sighted(it.toy().advertisement)
        await body(it)

    play(scanned)


def test_without_debts_the_hub_hears_nothing_of_them() -> None:
    async def body(it: Bed) -> None:
        await running(it)
        await asyncio.sleep(5)
        assert debts(it) == []

    play(body)


def test_a_person_who_says_that_it_is_off_ends_the_search() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        await it.hub.hear(Debts)
        it.hub.tell(Forget(77, toy.address))
        assert await it.hub.reply(77) == Done(77)
        await it.hub.wait(lambda: Debts(()) in it.hub.heard)
        it.hub.tell(Forget(78, "nobody"))
        assert await it.hub.reply(78) == Done(78)
        toy.appear()
        await asyncio.sleep(300)
        assert not toy.connected

    play(body)


def test_one_that_is_said_to_be_off_while_it_is_being_connected_is_let_go() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        toy.faults.latency_s = 3
        toy.appear()
        await asyncio.sleep(2)
        it.agent.forget(toy.address)
        await asyncio.sleep(10)
        assert not toy.connected
        assert it.agent.status().peripherals == ()

    play(body)


def test_a_hub_that_asks_for_it_gets_it_stopped() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        await asyncio.sleep(0.5)
        toy.appear()
        answer = await it.hub.connect(2, toy.address)
        assert isinstance(answer, Connected)
        assert not answer.resumed
        assert toy.at_rest
        assert it.agent.status().debts == ()
        await it.hub.arm(2, level(toy, 0))
        assert isinstance(await it.hub.output(2, level(toy, 9)), Done)

    play(body)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_hub_that_looks_for_it_is_offered_what_was_stopped(wanted: bool) -> None:
    """It need not be let go, which takes BlueZ two seconds, and be found again."""

    async def body(it: Bed) -> None:
        it.hub.tell(Scan(True))
        await it.hub.hear(Advertisements)
        toy = await running(it)
        it.hub.tell(Scan(False))
        lost(toy)
        await asyncio.sleep(1)
        it.hub.tell(Scan(wanted))
        heard = len(it.hub.heard)
        toy.appear()
        async with asyncio.timeout(5):
            await toy.until(lambda it: it.at_rest)
        await asyncio.sleep(0.5)
        assert toy.connected == wanted
        told = any(isinstance(m, Advertisements) for m in it.hub.heard[heard:])
        assert told == wanted
        if wanted:
            answer = await it.hub.connect(2, toy.address)
            assert isinstance(answer, Connected)
            assert not answer.resumed
            await asyncio.sleep(60)
            assert toy.connected
        connects = [each for each in toy.record if each.op is FaultPoint.CONNECT]
        assert len(connects) == 2

    play(body)


def test_what_was_offered_and_not_taken_is_let_go_soon() -> None:
    async def body(it: Bed) -> None:
        it.hub.tell(Scan(True))
        await it.hub.hear(Advertisements)
        toy = await running(it)
        lost(toy)
        await asyncio.sleep(1)
        toy.appear()
        async with asyncio.timeout(5):
            await toy.until(lambda it: it.at_rest)
        await asyncio.sleep(OFFER_S + 1)
        assert not toy.connected

    play(body)


def test_one_that_takes_no_stop_is_let_go_told_as_missing_and_tried_again() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        await asyncio.sleep(0.5)
        toy.faults.stall(WRITES)
        toy.appear()
        answer = await it.hub.connect(2, toy.address)
        assert isinstance(answer, Failed)
        assert "may be running" in answer.text
        await asyncio.sleep(0.01)  # whoever waits is told at once, and not once it has been let go
        assert not toy.connected
        assert it.agent.status().debts
        toy.faults.heal()
        async with asyncio.timeout(10):
            await toy.until(lambda it: it.at_rest)

    play(body)


def test_one_that_its_hub_gave_up_while_it_was_being_stopped_is_nobodys() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        await asyncio.sleep(0.5)
        toy.faults.stall(WRITES)
        toy.appear()
        it.hub.tell(Connect(70, 2, toy.address))
        await asyncio.sleep(1)
        assert toy.connected
        it.hub.tell(Disconnect(71, 2))
        assert await it.hub.reply(71) == Done(71)
        toy.faults.heal()
        assert isinstance(await it.hub.reply(70), Failed)
        async with asyncio.timeout(10):
            await toy.until(lambda it: it.at_rest and not it.connected)
        assert it.agent.status().peripherals == ()

    play(body)


def test_what_is_looked_for_takes_no_place_from_what_is_wanted() -> None:
    async def body(it: Bed) -> None:
        toy, other = await running(it), it.radio.toys[1]
        lost(toy)
        toy.faults.latency_s = 3
        toy.appear()
        await asyncio.sleep(2)
        assert isinstance(await it.hub.connect(2, other.address), Connected)

    play(body, "Aneros Vivi,Aneros Vivi", AgentConfig("attic", max_peripherals=1))


def test_during_an_emergency_stop_it_is_let_go_again_and_nothing_else_is_connected() -> None:
    async def body(it: Bed) -> None:
        toy, other = await running(it), it.radio.toys[1]
        it.agent.emergency_stop()
        refused = await it.hub.connect(2, other.address)
        assert isinstance(refused, Failed)
        assert refused.code is ErrorCode.GATE
        assert not other.record, "nobody even tries"
        assert toy.connected, "it took its stop"

    play(body, "Aneros Vivi,Aneros Vivi")


def test_one_that_was_being_connected_when_stop_was_pressed_is_let_go() -> None:
    async def body(it: Bed) -> None:
        toy = it.toy()
        toy.faults.latency_s = 3
        it.hub.tell(Connect(70, 1, toy.address))
        await asyncio.sleep(1)
        it.agent.emergency_stop()
        answer = await it.hub.reply(70)
        assert isinstance(answer, Failed)
        assert answer.code is ErrorCode.GATE
        await asyncio.sleep(5)
        toy.faults.latency_s = 0  # Until now it took longer to go than it was given.
        await asyncio.sleep(5)
        assert not toy.connected
        assert it.agent.status().peripherals == ()

    play(body)


def test_one_that_did_not_take_its_emergency_stop_is_looked_for_until_it_does() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        toy.faults.stall(WRITES)
        it.agent.emergency_stop()
        await asyncio.sleep(5)
        assert not toy.at_rest
        assert [each.address for each in it.agent.status().debts] == [toy.address]
        toy.faults.heal()
        async with asyncio.timeout(10):
            await toy.until(lambda it: it.at_rest and not it.connected)
        await asyncio.sleep(60)
        assert not toy.connected
        it.agent.resume()
        assert isinstance(await it.hub.connect(3, toy.address), Connected)

    play(body)


def test_pressing_stop_looks_at_once_for_what_is_only_looked_for_now_and_then() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        lost(toy)
        await asyncio.sleep(600)
        await toy_not_looked_for(it)
        it.agent.emergency_stop()
        assert await come_back(toy, 5) < 2.5

    play(body)


async def toy_not_looked_for(it: Bed) -> None:
    """Just behind a look: the next one is a while away."""
    owed = it.agent._table.chaser.get(it.toy().address)
    assert owed is not None
    await asyncio.sleep(max(0.0, owed.due(now()) - now()) + 0.1)
    assert owed.due(now()) - now() > 20


def test_a_toy_that_rested_or_whose_link_was_its_only_life_owes_nothing() -> None:
    async def body(it: Bed) -> None:
        toy = await running(it)
        await it.hub.stop(1, level(toy, 0))
        toy.vanish()
        await asyncio.sleep(1)
        assert it.agent.status().debts == ()

    play(body)


# --- after a crash -------------------------------------------------------------------------------


def config(folder: Path) -> AgentConfig:
    return AgentConfig("attic", records=folder / "devices", locks=folder / "locks")


def crash(folder: Path, *, rest: bool = False, armed: bool = True) -> Record:
    """A relay drives a toy and is gone, leaving its record; return that."""
    found: list[Record] = []

    async def main() -> None:
        async with bed(config=config(folder)) as it:
            toy = it.toy()
            if armed:
                await running(it)
                if rest:
                    await it.hub.stop(1, level(toy, 0))
                    await asyncio.sleep(15)
            else:
                await it.hub.connect(1, toy.address)
            await asyncio.sleep(0.1)
            await it.agent._table.keeper.records.written()
            found.append(Records(folder / "devices").load()[0][0])

    run_virtual(main())
    assert Records(folder / "devices").load() == [], "an orderly end leaves nothing"
    record = found[0]
    _leave(folder, record)
    return record


class SlowDisk(VirtualLoop):
    """Whatever goes to a thread, such as writing a file, happens a tenth of a second later."""

    def run_in_executor(
        self, executor: object, func: Callable[..., R], *args: object
    ) -> asyncio.Future[R]:
        future: asyncio.Future[R] = self.create_future()
        self.call_later(0.1, lambda: future.set_result(func(*args)))
        return future


def test_whenever_the_radio_has_a_value_the_disk_says_how_to_stop_it(tmp_path: Path) -> None:
    """A kill at any moment leaves nothing behind that the next start does not know, on a slow disk
    as well."""
    seen: list[tuple[bool, bool]] = []
    toys: list[Toy] = []

    def look(operation: ToyOperation) -> None:
        if operation.op in WRITES and not toys[0].at_rest:
            (record, _), *_ = Records(tmp_path / "devices").load()
            seen.append((record.runs, bool(record.stop)))

    async def main() -> None:
        async with bed(config=config(tmp_path)) as it:
            toys.append(it.toy())
            toys[0].watch(look)
            await running(it)
            await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=SlowDisk) as runner:
        runner.run(main())
    assert seen
    assert set(seen) == {(True, True)}


def _leave(folder: Path, record: Record) -> None:
    async def main() -> None:
        records = Records(folder / "devices")
        records.put(record)
        records.flush()

    asyncio.run(main())


def test_what_a_relay_drives_is_on_disk_with_its_stop(tmp_path: Path) -> None:
    record = crash(tmp_path)
    assert record.runs
    assert [kept.data for kept in record.stop] == [OFF]
    assert not crash(tmp_path / "rest", rest=True).runs
    assert crash(tmp_path / "new", armed=False).stop == ()


@pytest.mark.parametrize("emergency", [False, True])
def test_the_next_start_stops_and_releases_it_before_anything_else(
    tmp_path: Path, emergency: bool
) -> None:
    crash(tmp_path)

    async def main() -> None:
        wanted = replace(config(tmp_path), state=tmp_path / "wearer.json")
        async with bed(config=wanted) as it:
            if emergency:
                it.agent.emergency_stop()
            toy = it.toy()
            async with asyncio.timeout(2):
                await toy.until(lambda it: any(each.data == OFF for each in it.record))
                await toy.until(lambda it: not it.connected)
            assert toy.record[0].op is FaultPoint.CONNECT
            assert it.agent.status().debts == ()
        assert Records(tmp_path / "devices").load() == []

    run_virtual(main())


def test_what_was_left_at_rest_is_released_if_it_is_there_and_forgotten_if_not(
    tmp_path: Path,
) -> None:
    crash(tmp_path, rest=True)

    async def main() -> None:
        async with bed(config=config(tmp_path), away=True) as it:
            assert it.agent.status().debts == (), "nobody need worry"
            await asyncio.sleep(30)
            it.toy().appear()
            await asyncio.sleep(300)
            assert not [each for each in it.toy().record if each.op is FaultPoint.CONNECT]
        assert Records(tmp_path / "devices").load() == []

    run_virtual(main())


def test_one_that_another_living_relay_has_is_left_to_that_one(tmp_path: Path) -> None:
    record = crash(tmp_path)
    other = Locks(tmp_path / "locks")
    assert other.take(record.address)

    async def main() -> None:
        async with bed(config=config(tmp_path)) as it:
            await asyncio.sleep(60)
            assert not it.toy().record
            assert it.agent.status().debts == ()
            answer = await it.hub.connect(1, it.toy().address)
            assert isinstance(answer, Failed)
            assert "another relay" in answer.text
            other.close()
            assert isinstance(await it.hub.connect(1, it.toy().address), Connected)

    run_virtual(main())


def test_a_relay_that_cannot_write_records_works_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")

    async def main() -> None:
        async with bed(config=config(blocked)) as it:
            toy = await running(it)
            await it.hub.stop(1, level(toy, 0))

    run_virtual(main())
    assert "cannot be written" in caplog.text


def test_with_nothing_recorded_a_start_asks_the_radio_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with bed(config=config(tmp_path)) as it:
            await asyncio.sleep(60)
            assert not it.toy().record

    run_virtual(main())


def test_a_debt_survives_a_restart_until_it_is_forgotten(tmp_path: Path) -> None:
    async def first() -> None:
        async with bed(config=config(tmp_path)) as it:
            lost(await running(it))
            await asyncio.sleep(5)
            assert it.agent.status().debts

    async def second() -> None:
        async with bed(config=config(tmp_path), away=True) as it:
            await asyncio.sleep(5)
            told = await it.hub.hear(Debts)
            it.hub.tell(Forget(5, told.items[0].address))
            await it.hub.reply(5)

    async def third() -> None:
        async with bed(config=config(tmp_path)) as it:
            await asyncio.sleep(5)
            assert it.agent.status().debts == ()

    run_virtual(first())
    run_virtual(second())
    run_virtual(third())


def test_the_hello_says_that_simulated_toys_end_with_the_relay() -> None:
    async def body(it: Bed) -> None:
        assert "supervised" in (await it.hub.hear(Hello)).capabilities

    play(body)
