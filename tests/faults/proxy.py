"""A TCP proxy to break: `python -m tests.faults.proxy PORT TARGET_PORT`.

`silent` on standard input makes it swallow everything without closing anything, as a network does
that drops packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

_SILENT = threading.Event()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            if not _SILENT.is_set():
                writer.write(data)
                await writer.drain()
    if not _SILENT.is_set():
        writer.close()


async def _main(port: int, target: int) -> None:
    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if _SILENT.is_set():
            await asyncio.Event().wait()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(reader, back))
            group.create_task(_carry(there, writer))

    server = await asyncio.start_server(visit, "127.0.0.1", port)
    await server.serve_forever()


def _listen() -> None:
    for line in sys.stdin:
        if line.strip() == "silent":
            _SILENT.set()


if __name__ == "__main__":
    threading.Thread(target=_listen, daemon=True).start()
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
