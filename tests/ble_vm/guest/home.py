"""A hub and a relay as processes in the machine, and toys that this process puts on the air."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.toy import Toy, ToyOperation
from tests.ble_vm.guest.air import KernelAir, kernel_air
from tests.system.processes import Program, free_ports, hub_program, until

# Two programs start on one slow processor.
LINKED_S = 30.0


@dataclass(slots=True)
class Home:
    """`relay` uses this machine's BlueZ; the toys' records are kept in this process."""

    hub: Program
    relay: Program
    air: KernelAir
    url: str

    @property
    def toy(self) -> Toy:
        return self.air.toys[0]

    async def restart_relay(self) -> None:
        await self.relay.end()
        await self.relay.start()


@asynccontextmanager
async def home(folder: Path, names: str) -> AsyncIterator[Home]:
    """A linked hub and relay, and the toys `names` in range of its radio."""
    client_port, link_port = free_ports(2)
    hub = hub_program(folder, client_port, link_port)
    options = ["--hub", f"ws://127.0.0.1:{link_port}", "--state", str(folder / "relay")]
    relay = Program("relay", ["run", "-v", *options], folder, "relay")
    async with kernel_air(toys_by_name(names)) as air:
        try:
            await hub.start()
            await relay.start()
            linked = "a relay's link"
            await until(lambda: "relay" in hub.text and "connected (" in hub.text, linked, LINKED_S)
            yield Home(hub, relay, air, f"ws://127.0.0.1:{client_port}")
        finally:
            for program in (relay, hub):
                if program.process.returncode is None:
                    program.send(signal.SIGTERM)
                    with contextlib.suppress(TimeoutError):
                        await program.wait(3.0)
                await program.end()


async def until_operation(toy: Toy, data: bytes, since_ns: int, timeout_s: float) -> ToyOperation:
    """The first write of `data` to `toy` after `since_ns`."""

    def found(toy: Toy) -> ToyOperation | None:
        for one in toy.record:
            if one.t_ns >= since_ns and one.data == data:
                return one
        return None

    async with asyncio.timeout(timeout_s):
        await toy.until(lambda toy: found(toy) is not None)
    operation = found(toy)
    assert operation is not None
    return operation
