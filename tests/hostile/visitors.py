"""Peers at a meeting point that mean harm, while a good pair goes on: `python -m
tests.hostile.visitors [--peers N] [--rate HZ] [--seconds N] [KIND …]` prints a table.

Each says by X-Forwarded-For that it has an address of its own, as a botnet would: the bounds per
address are no help then, and those per hub, per share and in all have to do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import ClientSession

from relay.link.security.meeting import HUB_PATH, JOIN_PATH, VISIT_PATH, derived_id, hub_id
from relay.link.security.noise import KeyPair
from tests.benchmarks.meet import address, cpu_s, meeting_point, percentile
from tests.benchmarks.start import resident_kib
from tests.hostile import raw
from tests.hostile.pace import Target
from tests.hostile.strangers import frame, upgrade
from tests.system.processes import Program

# The hub that `python -m tests.benchmarks.meet` plays, and a share of it.
KEY = KeyPair(bytes(range(32))).public
SEED = bytes(16)
OWN, SHARE = hub_id(KEY), derived_id(KEY, SEED)
GOOD_HZ = 20.0
PEERS, RATE_HZ = 1_000, 10.0


def _from(number: int) -> bytes:
    return f"X-Forwarded-For: {address(number % 60_000)}\r\n".encode()


def _at(path: Callable[[int], str], said: bytes = b"", more: bytes | None = None) -> raw.Kind:
    """Websockets there, that say something at once, and again at each turn if there is `more`."""
    then = None if more is None else (lambda _: more)
    return raw.Kind(lambda _: _PORT[0], lambda n: upgrade(path(n), _from(n)) + said, then)


_PORT = [0]
KINDS: dict[str, Callable[[], raw.Kind]] = {
    # Whoever has a share's link may come by it.
    "share flood": lambda: _at(lambda _: VISIT_PATH + SHARE, frame(b"x" * 96)),
    "hub flood": lambda: _at(lambda _: VISIT_PATH + OWN, frame(b"x" * 96)),
    "nobody there": lambda: _at(lambda n: f"{VISIT_PATH}{n:026x}".replace("0", "a")[:30]),
    "false hubs": lambda: _at(lambda _: HUB_PATH, frame(secrets.token_bytes(32))),
    "silent": lambda: _at(lambda _: HUB_PATH, b"", b""),
    "tickets": lambda: _at(lambda _: JOIN_PATH + secrets.token_urlsafe(24)),
    "large frames": lambda: _at(lambda _: VISIT_PATH + SHARE, frame(bytes(70_000))),
}


@dataclass(frozen=True, slots=True)
class PointFigures:
    """Of the good pair: answers that did not come (`lost`), and how long they took. Of the meeting
    point: what share of a core, MiB more than before, and what it said."""

    lost: int
    p50_ms: float
    p99_ms: float
    acts_s: float
    cpu: float
    grew_mib: float
    said: str


async def attacked(
    folder: Path, kind: str, *, peers: int, rate_hz: float, seconds: float
) -> PointFigures:
    async with meeting_point(folder) as (point, port):
        hub = Program("tests.benchmarks.meet", [str(port), "share"], folder, f"hub-{port}")
        await hub.start()
        try:
            await hub.until_said("registered")
            url = f"ws://127.0.0.1:{port}{VISIT_PATH}{OWN}"
            async with (
                ClientSession() as session,
                session.ws_connect(url, headers={"X-Forwarded-For": "198.51.100.1"}) as ws,
            ):
                # It has proven itself before they come, as a relay has within a tenth of a second.
                await ws.send_bytes(b"x" * 120)
                await ws.receive_bytes()
                aim = Target(0, port, 0, 0, 0, "", peers, rate_hz)
                attack = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tests.hostile.visitors", "--attack", kind,
                    "--seconds", str(seconds + 1), "--target", msgspec.json.encode(aim).decode(),
                    stdout=PIPE,
                )  # fmt: skip
                assert attack.stdout is not None
                await attack.stdout.readline()
                await asyncio.sleep(0.5)
                pid = point.process.pid
                before, memory, begun = cpu_s(pid), resident_kib(pid), time.monotonic()
                times: list[float] = []
                lost = most = 0
                for _ in range(int(seconds * GOOD_HZ)):
                    sent = time.monotonic()
                    try:
                        await ws.send_bytes(b"x" * 120)
                        async with asyncio.timeout(2.0):
                            await ws.receive_bytes()
                        times.append((time.monotonic() - sent) * 1000)
                    except (TimeoutError, TypeError, OSError):
                        lost += 1
                    most = max(most, resident_kib(pid) - memory)
                    await asyncio.sleep(1 / GOOD_HZ)
                used = (cpu_s(pid) - before) / (time.monotonic() - begun)
                acts = (await attack.communicate())[0].split()[-1]
            # A relay that comes now is let in: what they took they have given back.
            async with asyncio.timeout(10):
                async with ClientSession() as session:
                    await _comes(session, url)
        finally:
            await hub.end()
    return PointFigures(
        lost, statistics.median(times or [9e9]), percentile(times or [9e9], 0.99),
        int(acts) / (seconds + 1), used, most / 1024, point.text,
    )  # fmt: skip


async def _comes(session: ClientSession, url: str) -> None:
    while True:
        try:
            async with session.ws_connect(url, headers={"X-Forwarded-For": "198.51.100.2"}) as ws:
                await ws.send_bytes(b"here")
                assert await ws.receive_bytes() == b"here"
                return
        except TypeError:
            await asyncio.sleep(0.5)  # the places of that minute are used up


def attack(kind: str, seconds: float, target: Target) -> None:
    os.nice(10)
    _PORT[0] = target.link
    print("ready", flush=True)
    raw.crowd(KINDS[kind](), target, seconds)
    print(target.acts, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.visitors", description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--peers", type=int, default=PEERS)
    parser.add_argument("--rate", type=float, default=RATE_HZ)
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack is not None:
        aim = msgspec.json.decode(options.target, type=Target)
        attack(options.attack, options.seconds, aim)
        return 0
    print(f"{'at a meeting point':<20}  acts/s   cpu    p50     p99  lost    MiB")
    wrong = 0
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            it = asyncio.run(
                attacked(
                    Path(folder), kind, peers=options.peers, rate_hz=options.rate,
                    seconds=options.seconds,
                )
            )  # fmt: skip
        print(
            f"{kind:<20}{it.acts_s:>8.0f}{it.cpu:>6.2f}{it.p50_ms:>7.1f}{it.p99_ms:>8.1f}{it.lost:>6}"
            f"{it.grew_mib:>7.1f}",
            flush=True,
        )
        wrong += it.lost > 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
