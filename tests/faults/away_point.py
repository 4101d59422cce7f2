"""A meeting point to break: `python -m tests.faults.away_point PORT ORIGIN`.

A line on standard input has it do to every frame from then on: `twice hub` and `twice relay` repeat
what is for that end, `swap hub` and `swap relay` exchange two.
"""

from __future__ import annotations

import asyncio
import sys
import threading

from forwarder.meet.server import MeetingServer, PairEnd
from forwarder.meet.table import Visit
from relay.link.channel import Frame
from relay.link.errors import ChannelClosed


class TwistingPoint(MeetingServer):
    twist = ""

    async def _pass(self, visit: Visit, source: PairEnd, sink: PairEnd) -> ChannelClosed:
        end = "relay" if sink is self._visitors[visit].channel else "hub"
        kept: list[Frame] = []
        try:
            while True:
                frames = [*kept, await source.receive()]
                kept = []
                if self.twist == f"twice {end}":
                    frames *= 2
                elif self.twist == f"swap {end}":
                    if len(frames) < 2:
                        kept = frames
                        continue
                    frames.reverse()
                for frame in frames:
                    await sink.send(frame)
        except ChannelClosed as closed:
            return closed


def _listen(server: TwistingPoint) -> None:
    for line in sys.stdin:
        server.twist = line.strip()


def main() -> None:
    port, origin = int(sys.argv[1]), sys.argv[2]
    server = TwistingPoint(port=port, origin=origin, hosts=("127.0.0.1",))
    server.bind()
    threading.Thread(target=_listen, args=(server,), daemon=True).start()
    print("ready", flush=True)
    asyncio.run(server.run())


if __name__ == "__main__":
    main()
