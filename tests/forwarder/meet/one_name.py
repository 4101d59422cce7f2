"""Several meeting points behind one name: NATS between them, and a door to whichever is there."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.needs import missing
from tests.system.processes import free_ports, until

# Where Debian has it, also for who is no root.
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/bin"


class Nats:
    """One nats-server, alone."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process: Process

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        program = shutil.which("nats-server", path=PROGRAMS)
        if program is None:
            missing("nats-server")
        assert program is not None
        self.process = await asyncio.create_subprocess_exec(
            program, "-a", "127.0.0.1", "-p", str(self.port), stdout=DEVNULL, stderr=DEVNULL
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                except OSError:
                    await asyncio.sleep(0.05)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def nats_server() -> AsyncIterator[Nats]:
    nats = Nats(free_ports(1)[0])
    await nats.start()
    try:
        yield nats
    finally:
        await nats.kill()


@asynccontextmanager
async def one_name(port: int, nodes: Sequence[int]) -> AsyncIterator[None]:
    """A door at `port` that leads each connection to the first of the ports `nodes` where somebody
    listens, like a name with several addresses."""
    inside: set[asyncio.StreamWriter] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside.add(writer)
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        except OSError:
            pass
        inside.discard(writer)
        writer.close()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for node in nodes:
            try:
                there, back = await asyncio.open_connection("127.0.0.1", node)
            except OSError:
                continue
            await asyncio.gather(carry(reader, back), carry(there, writer))
            return
        writer.close()

    door = await asyncio.start_server(enter, "127.0.0.1", port)
    try:
        yield
    finally:
        door.close()
        for writer in inside:
            writer.transport.abort()
        await until(lambda: not inside, "everybody has left the door")
