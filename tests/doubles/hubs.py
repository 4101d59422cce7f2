"""Whole hubs in one process, with recording devices, connected to each other by channels."""

from __future__ import annotations

import asyncio

from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.connectors.in_process import InProcess
from forwarder.definitions.model import Definition
from forwarder.devices.driver import Outcome
from forwarder.errors import ForwarderError
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.upstream.source import UpstreamSource
from relay.link.channel import Channel
from tests.doubles.driver import NORA, RecordingDriver, device


class SomeHub:
    """A hub that serves Buttplug clients; `toys` are the recording drivers of its own devices."""

    def __init__(self, name: str = "hub", *, max_ping_ms: int = 0) -> None:
        self.name = name
        self.hub = Hub(Store(None))
        self.options = ClientOptions(name, max_ping_ms)
        self.server = InProcess(name)
        self.toys: list[RecordingDriver] = []
        self.running: asyncio.Task[None]

    def add_toy(self, definition: Definition = NORA) -> Device:
        driver = RecordingDriver()
        toy = device(driver, definition, f"{self.name} {len(self.toys)}")
        self.toys.append(driver)
        self.hub.add(toy)
        return toy

    async def serve(self, channel: Channel) -> None:
        await clients.serve(channel, self.hub, self.options)

    def upstream(self, name: str) -> UpstreamSource:
        """A source of this hub, not connected to anything yet."""
        source = UpstreamSource(name, self.hub, client_name=self.name, hub_id=self.hub.id)
        self.hub.sources.append(source)
        return source

    @property
    def names(self) -> dict[int, str]:
        return {index: toy.name for index, toy in self.hub.devices.items()}


async def connected(source: UpstreamSource, channel: Channel) -> asyncio.Task[None]:
    """Drive `source` over `channel` in a task; half a virtual second is time for its devices."""
    driving = asyncio.create_task(source.drive(channel))
    await asyncio.sleep(0.5)
    return driving


async def outcome(result: Outcome | None) -> str:
    """ "done", or what went wrong."""
    if result is None:
        return "the same as before"
    try:
        async with asyncio.timeout(60):
            await result
    except ForwarderError as error:
        return str(error)
    return "done"
