"""The hub that is attacked: a process of its own, which tells on demand how it is.

`python -m tests.hostile.hub STATE CLIENTS LINK HTTPS UPSTREAM DEVICES`, the latter five are ports;
each line on stdin is answered by one line of JSON, `Report`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from pathlib import Path

import msgspec

from forwarder.app import App
from forwarder.commands.collector import keep
from forwarder.config import Clients, Config, Link, RadioSection, Upstream, WebsocketDevices
from forwarder.log import set_up
from forwarder.stalls import Stalls
from relay.link.tasks.event_loop import new_event_loop

# Far below what may delay a beat, so that the figure is the stall's and not the timer's.
EVERY_S = 0.005


class Report(msgspec.Struct, frozen=True):
    """Since the last one: the longest stall and how many were over 50 ms, in ms; what a pass of the
    loop took of the processor's time, of a hundred passes the second longest and of all the longest
    that were looked at, in ms; the processor's share. The most memory there ever was (MiB). Now:
    memory, descriptors, connections, devices, indexes."""

    stall_ms: float
    stalls: int
    pass_ms: float
    longest_pass_ms: float
    cpu: float
    peak: float
    memory: float
    descriptors: int
    connections: int
    devices: int
    indexes: int


class Passes:
    """How much of the processor's time a pass of the loop takes: what a value waits for, whatever
    else this machine does."""

    def __init__(self) -> None:
        self._took: list[float] = []

    async def look(self) -> None:
        """At one after each EVERY_S, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            began = time.thread_time()
            await asyncio.sleep(0)
            self._took.append((time.thread_time() - began) * 1000)

    def taken(self) -> tuple[float, float]:
        """The 99th percentile and the longest since the last call, in ms."""
        took, self._took = sorted(self._took), []
        return (took[int(len(took) * 0.99)], took[-1]) if took else (0.0, 0.0)


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def main(
    state: Path, clients: int, link: int, https: int, upstream: int, devices: int
) -> None:
    config = Config(
        name="attacked",
        state=state,
        mdns=False,
        clients=Clients(port=clients),
        link=Link(port=link, https_port=https),
        radio=RadioSection(simulate=("Lovense Edge",)),
        upstream=(Upstream("odd", listen=upstream),),
        websocket_devices=WebsocketDevices(enabled=True, port=devices, hosts=("127.0.0.1",)),
    )
    app = App(config)
    app.stalls = Stalls(EVERY_S)
    keep()
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    passes = Passes()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(app.run(ready.set))
        looking = tasks.create_task(passes.look())
        await ready.wait()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        since, used = loop.time(), cpu_s()
        while await reader.readline():
            percentile, longest = passes.taken()
            report = Report(
                stall_ms=round(app.stalls.longest_s * 1000, 1),
                stalls=app.stalls.count,
                pass_ms=round(percentile, 2),
                longest_pass_ms=round(longest, 1),
                cpu=round((cpu_s() - used) / max(loop.time() - since, 0.001), 2),
                peak=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                memory=round(memory(), 1),
                descriptors=len(os.listdir("/proc/self/fd")),
                connections=app.doors.count,
                devices=len(app.hub.devices),
                indexes=len(app.store.known),
            )
            print(msgspec.json.encode(report).decode(), flush=True)
            app.stalls.reset()
            since, used = loop.time(), cpu_s()
        app.stop()
        looking.cancel()
        await running


if __name__ == "__main__":
    set_up("info")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:7])))
