"""`python -m relay.radio.advertised FD ADDRESS [ADAPTER]`: started by a relay, see `holder`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from relay.radio.advertised.holder import hold
from relay.supervision.deaf import turn_deaf


def main() -> int:
    if len(sys.argv) not in (3, 4) or not sys.argv[1].isdigit():
        print("relay.radio.advertised is started by the relay itself", file=sys.stderr)
        return 2
    if os.fork():
        # Nobody's child: it outlives its relay, which does not wait for it.
        os._exit(0)
    turn_deaf()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        channel.setblocking(False)
        adapter = sys.argv[3] if len(sys.argv) > 3 else ""
        asyncio.run(hold(channel, bytes.fromhex(sys.argv[2]), adapter, os.getpid()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
