"""BlueZ with simulated toys as a process of its own, which outlives the relay under test.

    python -m tests.doubles.fake_bluez --names "Lovense Hush" --record FILE [--toys toys.json]

Tests start it with `tests.doubles.fake_bluez_process`.

It prints `DBUS_SYSTEM_BUS_ADDRESS=…` and takes commands, one per line: `drop`, `vanish`, `appear`,
`stall`, `heal`, `fail`, each followed by a toy's device name, advertised name or address, and
`power on`, `power off`. Each is answered by `ok` or `error: …`. The end of its input ends it.
FILE gets one JSON line per operation that reached a toy: t_ns (CLOCK_MONOTONIC), address,
characteristic, op, data (hex), at_rest (after it), connected.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.models import decode
from relay.radio.simulated.toy import Toy, ToyOperation
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_daemon import FakeBluez


def recorder(toy: Toy, file: TextIO) -> Callable[[ToyOperation], None]:
    """Return a watcher that writes a line per operation, at once."""

    def write(operation: ToyOperation) -> None:
        line = {
            "t_ns": operation.t_ns,
            "address": toy.address,
            "characteristic": operation.characteristic,
            "op": operation.op.value,
            "data": operation.data.hex(),
            "at_rest": toy.at_rest,
            "connected": toy.connected,
        }
        file.write(json.dumps(line) + "\n")
        file.flush()

    return write


def obey(bluez: FakeBluez, line: str) -> None:
    """Carry out one command. Raises ValueError for one that is none."""
    verb, _, rest = line.partition(" ")
    if verb == "power" and rest in ("on", "off"):
        bluez.power(on=rest == "on")
        return
    wanted = (toy for toy in bluez.toys if rest in (toy.name, toy.address, toy.advertisement.name))
    toy = next(wanted, None)
    if toy is None:
        raise ValueError(f"no toy {rest!r}")
    commands: dict[str, Callable[[], None]] = {
        "drop": toy.drop,
        "vanish": toy.vanish,
        "appear": toy.appear,
        "stall": toy.faults.stall,
        "heal": toy.faults.heal,
        "fail": toy.faults.fail,
    }
    if verb not in commands:
        raise ValueError(f"no command {verb!r}")
    commands[verb]()


async def commands(bluez: FakeBluez) -> None:
    """Obey standard input until it ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            obey(bluez, line.decode().strip())
        except ValueError as error:
            print(f"error: {error}", flush=True)
        else:
            print("ok", flush=True)


async def run(toys: Sequence[Toy], record: TextIO) -> None:
    for toy in toys:
        toy.watch(recorder(toy, record))
    async with private_bus() as address, FakeBluez.on(address, toys) as bluez:
        print(f"DBUS_SYSTEM_BUS_ADDRESS={address}", flush=True)
        await commands(bluez)


def main() -> None:
    parser = argparse.ArgumentParser(prog="fake_bluez")
    parser.add_argument("--names", required=True, help="toys, comma separated")
    parser.add_argument("--toys", type=Path, help="a toys.json instead of the relay's own")
    parser.add_argument("--record", type=Path, required=True, help="JSON lines go there")
    options = parser.parse_args()
    models = decode(options.toys.read_bytes()) if options.toys else None
    with options.record.open("w") as record:
        asyncio.run(run(toys_by_name(options.names, models), record))


if __name__ == "__main__":
    main()
