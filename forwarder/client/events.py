"""What a client is told by its server without having asked, and `Events`, which keeps it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from forwarder.buttplug.messages import InputType
from forwarder.client.bounds import MAX_EVENTS
from forwarder.client.device import RemoteDevice


@dataclass(frozen=True, slots=True)
class DeviceAdded:
    device: RemoteDevice


@dataclass(frozen=True, slots=True)
class DeviceRemoved:
    """`device.connected` is false from now on."""

    device: RemoteDevice


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """Its name or its ranges are others now."""

    device: RemoteDevice


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of an input that was subscribed to."""

    device: RemoteDevice
    feature: int
    kind: InputType
    value: int


@dataclass(frozen=True, slots=True)
class ScanningFinished:
    pass


@dataclass(frozen=True, slots=True)
class Trouble:
    """The server reports something that went wrong without being an answer."""

    text: str


Event = DeviceAdded | DeviceRemoved | DeviceChanged | Reading | ScanningFinished | Trouble


class Events:
    """One reader's events, an async iterator; `readers` is where it enters itself.

    At most MAX_EVENTS wait; then the oldest reading goes or, without one, the oldest event.
    """

    def __init__(self, readers: list[Events]) -> None:
        self._readers = readers
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        readers.append(self)

    def put(self, event: Event) -> None:
        if len(self._events) >= MAX_EVENTS:
            victim = next((e for e in self._events if isinstance(e, Reading)), self._events[0])
            self._events.remove(victim)
        self._events.append(event)
        self._arrived.set()

    def close(self) -> None:
        self._ended = True
        self._arrived.set()
        if self in self._readers:
            self._readers.remove(self)

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()
