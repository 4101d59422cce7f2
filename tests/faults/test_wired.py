"""Devices by cable and network under the faults of the matrix: a relay's process, a hub that a test
plays, and a toy with a record of its own. Real time, real terminals and sockets.

`pytest -s tests/faults/test_wired.py` prints how long each took, for docs/faults.md.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.link.messages import (
    Advertisements,
    Connected,
    Disconnected,
    Packet,
    Scan,
    Stopped,
    Wearer,
)
from relay.radio.wired.radio import TX
from tests.doubles.linkhub import LinkHub
from tests.doubles.relay_process import Hub, relay
from tests.doubles.tcode_toy import Firmware, PtyToy
from tests.system.processes import until

pytestmark = pytest.mark.timeout(120)

DSTOP = Packet(TX, b"DSTOP\n", k=(1,))
# A move that takes half a minute: by itself it would be far from over.
SLOW = Packet(TX, b"L09999I30000\n", k=(1,))
LIMIT_S = 1.0


@dataclass
class House:
    """`toys`: by the port or address that the relay was given for them."""

    hub: LinkHub
    relay: Process
    toy: PtyToy

    @property
    def firmware(self) -> Firmware:
        return self.toy.firmware

    async def off(self, since: float, limit_s: float = LIMIT_S) -> float:
        """Wait until the toy is at rest by its own record; return after how many ms that was."""
        await until(lambda: not self.firmware.running(), "the stop", limit_s + 2)
        stop = min(at for at in self.firmware.stops if at >= since)
        took_s = stop - since
        assert took_s < limit_s
        # And nothing sets it going again.
        await asyncio.sleep(1)
        assert not self.firmware.running()
        return took_s * 1000


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A relay with one stroker on a terminal, which is on its way."""
    toy = PtyToy(tmp_path / "ttyTOY")
    toy.plug()
    state = tmp_path / "state"
    async with Hub().listen() as hub, relay(hub, state, "--serial", f"{toy.path}=tcode") as process:
        link = await hub.links.get()
        await drive(link)
        await toy.firmware.until(Firmware.running)
        await asyncio.sleep(0.5)
        yield House(link, process, toy)
    toy.pull()


async def drive(link: LinkHub) -> None:
    await link.hear(Wearer)
    link.tell(Scan(True))
    address = (await link.hear(Advertisements)).items[0].address
    connected = await link.connect(1, address)
    assert isinstance(connected, Connected)
    await link.arm(1, DSTOP)
    await link.output(1, SLOW)


async def _killed(it: House) -> None:
    os.kill(it.relay.pid, signal.SIGKILL)


async def _frozen(it: House) -> None:
    os.kill(it.relay.pid, signal.SIGSTOP)


async def _ended(it: House) -> None:
    os.kill(it.relay.pid, signal.SIGTERM)


async def _silent_hub(it: House) -> None:
    it.hub.beating = False


async def _link_cut(it: House) -> None:
    await it.hub.channel.close()


async def _paused(it: House) -> None:
    os.kill(it.relay.pid, signal.SIGUSR1)


FAULTS: dict[str, Callable[[House], Awaitable[None]]] = {
    "kill -9 × relay": _killed,
    "SIGSTOP × relay": _frozen,
    "SIGTERM × relay": _ended,
    "silence × hub": _silent_hub,
    "reset × link": _link_cut,
    "pause × relay": _paused,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_stroker_stops_in_time(fault: str, tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        since = time.monotonic()
        await FAULTS[fault](it)
        print(f"serial: {fault}: {await it.off(since):.0f} ms")
        if fault == "SIGSTOP × relay":
            os.kill(it.relay.pid, signal.SIGCONT)


async def test_a_stroker_that_was_pulled_while_it_ran_is_stopped_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as it:
        it.toy.pull()
        await it.hub.hear(Disconnected)
        # It has power of its own, and goes on; the relay looks for it by itself.
        since = time.monotonic()
        it.toy.plug()
        took_ms = await it.off(since, limit_s=3.0)
        print(f"serial: pulled, and plugged in again: {took_ms:.0f} ms")


async def test_the_wearers_pause_is_told(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        os.kill(it.relay.pid, signal.SIGUSR1)
        assert (await it.hub.hear(Stopped)).ok
