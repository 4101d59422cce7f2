"""The combinations that run in virtual time, and what has to come of them.

A fault that ends somebody's control has to stop the toy by itself. One that does not (a radio that
stutters, a full disk, a task that nothing depends on) has to leave the next stop as quick as ever:
such a row names the stop behind an arrow.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.config import AgentConfig
from relay.link.messages import ErrorCode
from relay.radio.simulated.faults import WRITES, Fault
from tests.faults import wire
from tests.faults.world import Outcome, World, observe, world

# Outputs are off this long (ms) after any fault.
LIMIT_MS = 1_000
# While only the way from relay to hub is broken, every stop still arrives; the hub leases nothing
# once an answer is 1.2 s late, gives the link up after 2 s, and the last lease ends 0.65 s later.
BLIND_MS = 3_000
# How long after the fault the toy is watched for writes that nothing has armed (s): the link is
# back by then, and what was late has arrived.
WATCH_S = 6.0

# Written without response, one motor; with response, two motors; two kinds of output.
TOYS = ("Lovense Hush", "WeVibe Sync", "Lovense Nora")

Inflict = Callable[[World], Coroutine[Any, Any, float | None]]


@dataclass(frozen=True, slots=True)
class Row:
    """`fault` at `place`; `then` is the stop that has to work under it, empty if none is needed.

    `records`: the relay writes down what it holds.
    """

    fault: str
    place: str
    detail: str
    inflict: Inflict
    then: str = ""
    disk: str = ""
    records: bool = False
    limit_ms: float = LIMIT_MS

    @property
    def name(self) -> str:
        arrow = f" → {self.then}" if self.then else ""
        return f"{self.fault} × {self.place}: {self.detail}{arrow}"


# --- stops that have to work while something else is broken --------------------------------------


async def _cut(it: World) -> None:
    await it.wire.cut()


async def _client_stops(it: World) -> None:
    await it.stop_by_client()


async def _pause(it: World) -> None:
    it.agent.pause()


async def _emergency(it: World) -> None:
    it.agent.emergency_stop()


async def _shutdown(it: World) -> None:
    it.agent.close()


async def _silence(it: World) -> None:
    it.wire.there = it.wire.back = wire.lost


STOPS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {
    "link cut": _cut,
    "link silent": _silence,
    "client stops": _client_stops,
    "wearer pauses": _pause,
    "emergency stop": _emergency,
    "relay ends": _shutdown,
}


def _under(break_it: Callable[[World], None], stop: str, after_s: float = 0.2) -> Inflict:
    """Break something, and a moment later run a stop, from which the time counts."""

    async def inflict(it: World) -> float:
        break_it(it)
        await asyncio.sleep(after_s)
        begun = it.loop.time()
        await STOPS[stop](it)
        return begun

    return inflict


def _simply(break_it: Callable[[World], None]) -> Inflict:
    async def inflict(it: World) -> None:
        break_it(it)

    return inflict


# --- the rows ------------------------------------------------------------------------------------


def _weather(
    *, there: wire.Weather = wire.fine, back: wire.Weather = wire.fine
) -> Callable[[World], None]:
    """`there` is from relay to hub."""

    def change(it: World) -> None:
        it.wire.there, it.wire.back = there, back

    return change


def _client_weather(*, there: wire.Weather, back: wire.Weather) -> Callable[[World], None]:
    def change(it: World) -> None:
        it.client_wire.there, it.client_wire.back = there, back

    return change


def _links() -> Iterator[Row]:
    lost, late, both = wire.lost, wire.late, _weather
    yield Row("half-open", "link", "nothing passes", _simply(both(there=lost, back=lost)))
    yield Row("half-open", "hub", "the hub's frames are lost", _simply(both(back=lost)))
    deaf = both(there=lost)
    detail = "the relay's frames are lost"
    yield Row("half-open", "relay", detail, _simply(deaf), limit_ms=BLIND_MS)
    for stop in ("client stops", "link cut", "wearer pauses"):
        yield Row("half-open", "relay", detail, _under(deaf, stop), stop)
    silent = _client_weather(there=lost, back=lost)
    yield Row("half-open", "client", "nothing passes", _simply(silent))
    deaf = _client_weather(there=lost, back=wire.fine)
    yield Row("half-open", "client", "its frames are lost", _simply(deaf))
    yield Row("delay", "link", "2 s both ways", _simply(both(there=late(2), back=late(2))))
    yield Row("delay", "hub", "its frames take 2 s", _simply(both(back=late(2))))
    slow = both(there=late(5))
    yield Row("delay", "relay", "its frames take 5 s", _simply(slow), limit_ms=BLIND_MS)
    yield Row("delay", "relay", "its frames take 5 s", _under(slow, "client stops"), "client stops")
    spike = both(there=wire.held(3), back=wire.held(3))
    yield Row("delay", "link", "all comes 3 s later at once", _simply(spike))
    slow = _client_weather(there=late(2), back=late(2))
    yield Row("delay", "client", "2 s both ways", _simply(slow))
    for stop in ("client stops", "link cut", "link silent", "wearer pauses"):
        steady = both(there=late(0.15), back=late(0.15))
        yield Row("delay", "link", "150 ms both ways", _under(steady, stop, 1.0), stop)
    for stop, after_s in itertools.product(("client stops", "link silent"), (0.5, 2.0, 4.0)):
        detail = f"hub to relay 0.6 s more each second, for {after_s:g} s"
        grows = both(back=wire.growing(0.6))
        yield Row("growing delay", "link", detail, _under(grows, stop, after_s), stop)
        detail = f"16 kbit/s, for {after_s:g} s"
        thin = both(there=wire.narrow(16_000), back=wire.narrow(16_000))
        yield Row("narrow link", "link", detail, _under(thin, stop, after_s), stop)
    yield Row("delay", "hub", "the value for an idle toy is 1.8 s late → client stops", _late_value)
    yield Row("duplicates", "hub", "its frames come twice", _simply(both(back=wire.twice)))
    yield Row("duplicates", "relay", "its frames come twice", _simply(both(there=wire.twice)))
    swapped = both(back=wire.swapped())
    yield Row("reordering", "hub", "two of its frames are swapped", _simply(swapped))
    swapped = both(there=wire.swapped())
    yield Row("reordering", "relay", "two of its frames are swapped", _simply(swapped))
    yield Row("damage", "hub", "one bit of a frame flips", _simply(both(back=wire.damaged)))
    yield Row("damage", "relay", "one bit of a frame flips", _simply(both(there=wire.damaged)))
    for place, cut in (("link", _cut), ("client", _client_gone)):
        yield Row("reset", place, "the connection breaks", _coroutine(cut))


async def _late_value(it: World) -> float:
    """The hub knows nothing of the delay yet when a client sets an idle toy going, and thinks
    better of it: the value must not be carried out after the stop was pressed."""
    await it.stop_by_client()
    await asyncio.sleep(3)
    assert it.toy.at_rest
    it.wire.back = wire.late(1.8)
    await it.value_by_client()
    await asyncio.sleep(0.5)
    begun = it.loop.time()
    await it.stop_by_client()
    return begun


def _coroutine(act: Callable[[World], Coroutine[Any, Any, None]]) -> Inflict:
    async def inflict(it: World) -> None:
        await act(it)

    return inflict


async def _client_gone(it: World) -> None:
    it.driving = False
    await it.client_wire.cut()


def _clocks() -> Iterator[Row]:
    for seconds in (0.3, 1, 5, 3600):

        async def inflict(it: World, by: float = seconds) -> float | None:
            it.jump(by)
            if by > 0.5:
                return it.loop.time()
            await asyncio.sleep(0.5)
            begun = it.loop.time()
            await _cut(it)
            return begun

        stop = "link cut" if seconds < 0.5 else ""
        yield Row("clock jump", "hub and relay", f"{seconds:g} s forward", inflict, stop)


def _radios() -> Iterator[Row]:
    def fails(it: World) -> None:
        it.toy.faults.fail(3)

    def hangs(it: World) -> None:
        it.toy.faults.stall(WRITES)
        it.loop.call_later(0.6, it.toy.faults.heal)

    def refuses(it: World) -> None:
        it.toy.faults.fail(None)
        it.loop.call_later(0.6, it.toy.faults.heal)

    def pretends(it: World) -> None:
        it.toy.faults.fail(3, fault=Fault(applied=True))

    def is_busy(it: World) -> None:
        it.toy.faults.fail(None, rate=0.5, fault=Fault(ErrorCode.BUSY, "in progress"))

    def is_slow(it: World) -> None:
        it.toy.faults.latency_s = 0.09

    kinds = {
        "3 writes fail": fails,
        "no write returns for 0.6 s": hangs,
        "every write fails for 0.6 s": refuses,
        "3 writes work and say that they failed": pretends,
        "half of the writes find it busy": is_busy,
        "each operation takes 90 ms": is_slow,
    }
    for detail, break_it in kinds.items():
        for stop in ("link cut", "client stops", "wearer pauses", "relay ends"):
            yield Row("radio error", "radio", detail, _under(break_it, stop), stop)


def _missing() -> Iterator[Row]:
    """The toy is lost while it runs, and comes back."""
    fault = "lost while running"
    yield Row(fault, "relay", "comes back to the same one", _lost(_nothing))
    yield Row(fault, "relay", "which is paused meanwhile", _lost(_pause))
    yield Row(fault, "relay", "which is stopped meanwhile", _lost(_emergency))
    yield Row(fault, "relay", "which is started anew meanwhile", _lost(_anew), records=True)
    yield Row(fault, "relay", "another one takes it", _lost(_another))
    yield Row(fault, "hub", "is gone when it comes back", _lost(_without_hub))
    yield Row(fault, "hub", "its clients are gone when it comes back", _lost(_client_gone))


def _lost(then: Callable[[World], Coroutine[Any, Any, None]]) -> Inflict:
    async def inflict(it: World) -> float:
        it.driving = False
        it.toy.vanish()
        assert not it.toy.at_rest
        await asyncio.sleep(1)
        await then(it)
        await asyncio.sleep(2)
        connected = it.toy.until(lambda toy: toy.connected)
        it.toy.appear()
        async with asyncio.timeout(60):
            await connected
        return it.loop.time()

    return inflict


async def _nothing(_: World) -> None:
    pass


async def _anew(it: World) -> None:
    """An update: it ends in order, and finds what it owes when it starts."""
    it.agent.close()
    await asyncio.sleep(3)
    assert it.join is not None
    it.join(it.agent.config.name, it.agent.config)


async def _another(it: World) -> None:
    """The one that lost it is switched off; its hub looks for the toy with the other one."""
    it.agent.close()
    assert it.join is not None
    it.join("cellar", AgentConfig())


async def _without_hub(it: World) -> None:
    it.task("relays").cancel()
    it.task("uplink").cancel()
    await _silence(it)


def _disks() -> Iterator[Row]:
    for disk in ("trace", "audit log", "switches"):
        for stop in ("link cut", "client stops", "wearer pauses", "emergency stop", "relay ends"):
            nothing = _under(lambda _: None, stop)
            yield Row("full disk", "relay", f"its {disk}", nothing, stop, disk)


def _tasks() -> Iterator[Row]:
    """Tasks that are named here are all that a hub and a relay with one toy have."""
    ends = {
        "client": ["client served"],
        "hub": ["hub end of the link"],
        "relay": ["agent", "uplink", "peripheral "],
        "link": ["RelayLink._write", "RelayLink._beat"],
    }
    for place, names in ends.items():
        for name in names:
            yield Row("cancelled task", place, name.strip(), _cancel(name))
    writer = "LinkDriver._write"
    yield Row("cancelled task", "link", writer, _cancel(writer), limit_ms=BLIND_MS)
    goes_on = {
        "client": ["ClientDriver._write", "ClientDriver._watch"],
        "hub": ["RelaySource.run"],
        "relay": ["Scanner.run", "Scanner.watch", "Agent._count"],
        "link": [writer],
    }
    for place, names in goes_on.items():
        for name in names:
            for stop in ("client stops", "link cut", "relay ends"):
                yield Row("cancelled task", place, name, _cancel(name, stop), stop)


def _cancel(name: str, stop: str = "") -> Inflict:
    async def inflict(it: World) -> float:
        it.task(name).cancel()
        if stop:
            await asyncio.sleep(0.2)
        begun = it.loop.time()
        if stop:
            await STOPS[stop](it)
        return begun

    return inflict


ROWS: tuple[Row, ...] = (
    *_links(), *_clocks(), *_radios(), *_missing(), *_disks(), *_tasks(),
)  # fmt: skip


async def play(row: Row, toy: str, folder: Path) -> Outcome:
    """Run one row with one toy, in virtual time."""
    full = Path("/dev/full")
    audit = folder / "audit.log"
    if row.disk == "audit log":
        audit.symlink_to(full)
    state = folder / "nowhere" / "wearer.json" if row.disk == "switches" else None
    async with world(
        toy,
        trace=full if row.disk == "trace" else None,
        state=state,
        audit=audit,
        records=folder / "devices" if row.records else None,
    ) as it:
        return await observe(it, row.inflict, WATCH_S)


def verdict(row: Row, outcome: Outcome) -> str:
    """Empty if all is well, else what is not."""
    if outcome.off_ms is None:
        return "never off"
    if outcome.off_ms > row.limit_ms:
        return f"off after {outcome.off_ms:.0f} ms"
    if outcome.violations:
        return f"{len(outcome.violations)} writes after the stop that nothing had armed"
    return ""
