"""How long hub and relay take to be there, and what they hold of the memory when nothing happens;
the same of the libraries alone, which no code of ours can go below. Modules are compiled before, as
whoever installs them has them."""

from __future__ import annotations

import asyncio
import compileall
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from tests.benchmarks.row import Row
from tests.system.processes import Program, free_ports, until

ROOT = Path(__file__).resolve().parents[2]
_ROUNDS = 5
# What starts late is there by then.
_REST_S = 3.0
_LIBRARIES = {
    "hub": "asyncio, uvloop, msgspec, msgpack, aiohttp.web, cryptography.x509",
    "relay": "asyncio, uvloop, msgspec, msgpack, aiohttp",
}
_RESIDENT = """
import {names}
import cryptography.hazmat.primitives.ciphers.aead
from cryptography.hazmat.primitives.asymmetric import x25519
print(next(line for line in open("/proc/self/status") if line.startswith("VmRSS:")).split()[1])
"""


def resident_kib(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def processor_s(process: int) -> float:
    """Of the system's accounting: user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listens(port: int) -> bool:
    listening = f":{port:04X} 00000000:0000 0A"
    return any(listening in line for line in Path("/proc/net/tcp").read_text().splitlines())


def environment() -> dict[str, str]:
    """That of this process, in which compiled modules are used."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONUNBUFFERED": "1"}


async def _round(folder: Path) -> dict[str, float]:
    """One hub and one relay, from nothing."""
    client, link, https = free_ports(3)
    ports = ["--port", str(client), "--link-port", str(link), "--https-port", str(https)]
    state = folder / "state"
    hub = _program("forwarder", ["run", *ports, "--state", str(state)], folder)
    dial = ["--hub", f"ws://127.0.0.1:{link}", "--simulate", "Lovense Edge"]
    relay = _program("relay", ["run", *dial, "--state", str(folder / "relay")], folder)
    took: dict[str, float] = {}
    async with AsyncExitStack() as running:
        begun = time.monotonic()
        await hub.start()
        running.push_async_callback(hub.end)
        await until(lambda: listens(client), "the hub listens")
        took["hub s"] = time.monotonic() - begun
        took["hub processor s"] = processor_s(hub.process.pid)
        begun = time.monotonic()
        await relay.start()
        running.push_async_callback(relay.end)
        await until(lambda: "; ready" in relay.text, "the relay is linked")
        took["relay s"] = time.monotonic() - begun
        took["relay processor s"] = processor_s(relay.process.pid)
        await asyncio.sleep(_REST_S)
        took["hub MiB"] = resident_kib(hub.process.pid) / 1024
        took["relay MiB"] = resident_kib(relay.process.pid) / 1024
    return took


def _program(name: str, arguments: list[str], folder: Path) -> Program:
    started = Program(name, arguments, folder, name)
    started.environment = environment()
    return started


def help_s() -> float:
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "forwarder", "--help"], check=True, capture_output=True,
        env=environment(),
    )  # fmt: skip
    return time.monotonic() - begun


def libraries_mib(names: str) -> float:
    said = subprocess.run(
        [sys.executable, "-c", _RESIDENT.format(names=names)], check=True, capture_output=True,
        env=environment(),
    )  # fmt: skip
    return int(said.stdout) / 1024


async def rows(folder: Path) -> list[Row]:
    """For the table of `make bench`: the least of some rounds."""
    for package in ("forwarder", "relay"):
        compileall.compile_dir(ROOT / package, quiet=1)
    rounds = []
    for number in range(_ROUNDS):
        place = folder / f"start-{number}"
        place.mkdir()
        rounds.append(await _round(place))
    least = {name: min(each[name] for each in rounds) for name in rounds[0]}
    aid = min(help_s() for _ in range(_ROUNDS))
    made = [Row("`forwarder --help`", f"{aid:.2f} s", "0.25 s", clock=True)]
    for who, what, goal in (("hub", "listening", "50 MiB"), ("relay", "linked", "40 MiB")):
        spent = f"{least[f'{who} s']:.2f} s ({least[f'{who} processor s']:.2f} s of a processor)"
        made.append(Row(f"{who}: start to {what}", spent, "0.5 s", clock=True))
        made.append(Row(f"{who}: resident when idle", f"{least[f'{who} MiB']:.1f} MiB", goal))
        alone = libraries_mib(_LIBRARIES[who])
        made.append(Row("  of it its libraries alone", f"{alone:.1f} MiB"))
    return made
