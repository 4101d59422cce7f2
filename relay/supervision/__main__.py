"""`python -m relay.supervision FD`: started by a relay, see the package."""

from __future__ import annotations

import asyncio
import socket
import sys

from relay.supervision.bluez import Bluez
from relay.supervision.deaf import turn_deaf
from relay.supervision.process import supervise


async def _run(channel: socket.socket) -> None:
    bluez = Bluez()
    try:
        await supervise(channel, bluez)
    finally:
        bluez.close()


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        print("relay.supervision is started by the relay itself", file=sys.stderr)
        return 2
    turn_deaf()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        channel.setblocking(False)
        asyncio.run(_run(channel))
    return 0


if __name__ == "__main__":
    sys.exit(main())
