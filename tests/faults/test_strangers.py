"""A thousand strangers at the link port of a hub, over real sockets: what they cost, whom they keep
out. Figures with `pytest -s`; revocation of a live link is timed here as well."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from forwarder.access.relay_keys import HubTrust
from relay.link.bounds import HANDSHAKE_S
from relay.link.channel import Channel
from relay.link.errors import LinkError
from relay.link.messages import VERSION, Hello
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_relay
from relay.link.session import RelaySession
from relay.link.websocket import dial
from tests.system.processes import Program, free_ports, hub_program, until

resource = pytest.importorskip("resource", reason="Windows limits open files otherwise")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and 127.0.0.0/8")

STRANGERS = 1_000
ROOT = Path(__file__).resolve().parents[2]
KEY = KeyPair(b"g" * 32)
DELAY_MS = 100


@dataclass(slots=True)
class Site:
    """A hub that knows one relay, `KEY`."""

    hub: Program
    client_port: int
    link_port: int
    hub_key: bytes
    state: Path

    def resident(self) -> int:
        status = Path(f"/proc/{self.hub.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    async def open_link(self) -> tuple[Channel, float]:
        """Dial and prove oneself, as the paired relay does; returns how long it took (ms)."""
        started = time.perf_counter()
        channel = await dial(f"ws://127.0.0.1:{self.link_port}/link")
        secure, _ = await secure_as_relay(channel, KEY, hub_key=self.hub_key)
        return secure, (time.perf_counter() - started) * 1000

    async def greet(self) -> float:
        """Connect as a Buttplug client does; returns how long it took (ms)."""
        started = time.perf_counter()
        channel = await dial(f"ws://127.0.0.1:{self.client_port}")
        hello = {"Id": 1, "ClientName": "good", "ProtocolVersionMajor": 4}
        await channel.send(json.dumps([{"RequestServerInfo": hello | {"ProtocolVersionMinor": 0}}]))
        assert "ServerInfo" in str(await channel.receive())
        took = (time.perf_counter() - started) * 1000
        await channel.close()
        return took


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * STRANGERS:
        pytest.skip(f"this system allows {hard} open files per process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * STRANGERS), hard))
    state = folder / "hub"
    state.mkdir(mode=0o700)
    trust = HubTrust.open(state, "desk")
    trust.book.add(KEY.public, "attic")
    client_port, link_port = free_ports(2)
    hub = hub_program(folder, client_port, link_port)
    it = Site(hub, client_port, link_port, trust.key.public, state)
    try:
        await hub.start()
        await until(lambda: str(link_port) in hub.text, "the hub listens")
        await it.greet()
        yield it
    finally:
        await hub.end()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def strangers_at(it: Site, count: int, places: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.strangers",
        str(it.link_port), str(count), str(places), stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize("places", [1, 1_000], ids=["one address", "a thousand addresses"])
async def test_a_thousand_strangers_cost_little_and_keep_nobody_out(
    places: int, tmp_path: Path
) -> None:
    async with site(tmp_path) as it:
        channel, alone_ms = await it.open_link()
        await channel.close()
        # What the program needs once, for the first strangers, is not what each of them costs.
        await (await strangers_at(it, 50, 50)).wait()
        before = most = it.resident()
        strangers = await strangers_at(it, STRANGERS, places)
        talking = asyncio.create_task(strangers.communicate())
        links: list[float] = []
        greetings: list[float] = []
        refused = 0
        while not talking.done():
            most = max(most, it.resident())
            try:
                channel, took = await it.open_link()
            except LinkError:
                refused += 1
            else:
                links.append(took)
                await channel.close()
            greetings.append(await it.greet())
            await asyncio.wait([talking], timeout=0.25)
        answer, _ = talking.result()
        count, longest = answer.split()
        each_kib = (most - before) / STRANGERS / 1024
        print(
            f"\n{count.decode()} of {STRANGERS} strangers from {places} places hung up on, the last"
            f" after {float(longest):.1f} s; {each_kib:.1f} KiB each at most;"
            f" a paired relay: {alone_ms:.0f} ms alone, {_times(links)} meanwhile,"
            f" {refused} refused; a client: {_times(greetings)}"
        )
        assert int(count) == STRANGERS
        assert float(longest) <= HANDSHAKE_S + 4
        assert each_kib <= 4
        assert refused == 0
        assert sorted(links)[len(links) // 2] <= alone_ms + DELAY_MS
        assert sorted(greetings)[len(greetings) // 2] <= DELAY_MS


async def test_a_revoked_relay_loses_its_live_link_within_a_second(tmp_path: Path) -> None:
    async with site(tmp_path) as it:
        channel, _ = await it.open_link()
        session = RelaySession(0.0)
        await channel.send(session.send(Hello(VERSION, "attic")))
        session.receive(await channel.receive(), 0.0)
        command = Program(
            "forwarder", ["revoke", "attic", "--state", str(it.state)], tmp_path, "revoke"
        )
        await command.start()
        cut = asyncio.create_task(_cut_at(channel))
        assert await command.wait() == 0, command.text
        over = time.monotonic()
        async with asyncio.timeout(5):
            late_s = await cut - over
        await channel.close()
        print(f"\ncut {late_s * 1000:+.0f} ms after `forwarder revoke` had ended")
        assert late_s <= 1
        with pytest.raises(LinkError):
            await it.open_link()


async def _cut_at(channel: Channel) -> float:
    """When the channel ended."""
    try:
        while True:
            await channel.receive()
    except LinkError:
        return time.monotonic()


def _times(ms: list[float]) -> str:
    ordered = sorted(ms) or [float("nan")]
    return f"{ordered[len(ordered) // 2]:.0f} ms (at most {ordered[-1]:.0f}, {len(ms)} times)"
