"""`python -m relay.supervision FD`: started by a relay, see the package."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from relay.supervision.bluez import Bluez
from relay.supervision.process import supervise

# What ends a relay must not end us: a service manager signals the whole group of processes, and a
# terminal that closes everything in it. The stream tells when it is over.
_DEAF_TO = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGPIPE")


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
    for name in _DEAF_TO:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        channel.setblocking(False)
        asyncio.run(_run(channel))
    return 0


if __name__ == "__main__":
    sys.exit(main())
