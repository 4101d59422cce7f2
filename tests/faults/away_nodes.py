"""Two nodes of a meeting point behind one name, hub at one and relay at the other, and what joins
them broken while a toy is driven: processes and sockets, in real time.

    client, hub -- door -- node -- NATS -- node -- door -- relay, toy

Each door leads to its own node first and to the other one when that is gone.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.away import LIMIT_MS, WARM_S, Moments, driven_toy, off_at
from tests.forwarder.meet.one_name import Nats, nats_server, one_name
from tests.system.processes import Program, free_ports, until

# From the fault until the toy is driven again: the pauses of hub and relay, and a handshake.
AGAIN_S = 10.0
# NATS is away for so long (s).
AWAY_S = 2.0


@dataclass
class NodesWorld:
    by_hub: Program
    by_relay: Program
    nats: Nats
    moments: Moments


@dataclass(frozen=True, slots=True)
class NodesRow:
    """`back`: what mends it, a while later."""

    fault: str
    place: str
    inflict: Callable[[NodesWorld], object]
    back: Callable[[NodesWorld], Awaitable[object]] | None = None

    @property
    def name(self) -> str:
        return f"{self.fault} × {self.place}"


async def _thaw(it: NodesWorld) -> None:
    it.nats.process.send_signal(signal.SIGCONT)


ROWS = (
    NodesRow("kill -9", "node of the hub", lambda it: it.by_hub.send(signal.SIGKILL)),
    NodesRow("kill -9", "node of the relay", lambda it: it.by_relay.send(signal.SIGKILL)),
    NodesRow("kill -9", "NATS", lambda it: it.nats.process.kill(), lambda it: it.nats.start()),
    NodesRow("SIGSTOP", "NATS", lambda it: it.nats.process.send_signal(signal.SIGSTOP), _thaw),
)


@asynccontextmanager
async def nodes_world(folder: Path) -> AsyncIterator[NodesWorld]:
    """The toy is driven when the block begins."""
    ports = free_ports(5)
    name, way_of_relay, first, second, link = ports
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server())
        nodes = [
            Program(
                "forwarder",
                [
                    "meet", "--host", "127.0.0.1", "--port", str(port),
                    "--public-url", f"http://localhost:{name}", "--nats", nats.url,
                ],
                folder,
                f"node-{port}",
            )
            for port in (first, second)
        ]  # fmt: skip
        for node in nodes:
            await node.start()
            stack.push_async_callback(node.end)
            await node.until_said("Meeting point at")
        await stack.enter_async_context(one_name(name, (first, second)))
        await stack.enter_async_context(one_name(way_of_relay, (second, first)))
        _, moments = await stack.enter_async_context(
            driven_toy(folder, f"http://localhost:{name}", f"http://localhost:{way_of_relay}", link)
        )
        by_hub, by_relay = nodes
        yield NodesWorld(by_hub, by_relay, nats, moments)


@dataclass(frozen=True, slots=True)
class NodesOutcome:
    """Times (ms) from the fault; `again_ms` from what mended it, if anything did."""

    off_ms: float | None
    again_ms: float | None


async def play(row: NodesRow, folder: Path) -> NodesOutcome:
    async with nodes_world(folder) as it:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(WARM_S)
        since = clock()
        row.inflict(it)
        await until(lambda: off_at(it.moments, since) is not None, "the stop", AGAIN_S)
        off = off_at(it.moments, since)
        assert off is not None
        mended = since
        if row.back is not None:
            await asyncio.sleep(AWAY_S)
            mended = clock()
            assert all(rest for at, rest in it.moments if at > off), "driven without a way"
            await row.back(it)

        def again() -> float | None:
            return next((at for at, rest in it.moments if at > max(off, mended) and not rest), None)

        await until(lambda: again() is not None, "it is driven again", AGAIN_S)
        at = again()
        return NodesOutcome((off - since) * 1000, None if at is None else (at - mended) * 1000)


def verdict(outcome: NodesOutcome) -> str:
    """What is wrong with it; "" if nothing is."""
    if outcome.off_ms is None or outcome.off_ms > LIMIT_MS:
        return f"off after {outcome.off_ms} ms"
    return "" if outcome.again_ms is not None else "never driven again"
