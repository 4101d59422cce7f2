"""A small Buttplug client: `async with Client.connect("ws://127.0.0.1:12345") as client: …`

It speaks to any Buttplug server of spec v4 or v3. Everything that can go wrong is a ForwarderError:
ServerGone when the connection is not there (any more), ServerRefused when the server answers with
an Error, Unsupported and OutOfRange for what a device cannot do. See docs/python-client.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from forwarder.buttplug import client as session
from forwarder.buttplug.client import ClientEvent, ClientSession
from forwarder.buttplug.messages import (
    ClientMessage,
    DeviceInfo,
    InputType,
    OutputType,
    ServerMessage,
    StartScanning,
    StopCmd,
    StopScanning,
)
from forwarder.client.device import RemoteDevice
from forwarder.client.events import (
    DeviceAdded,
    DeviceChanged,
    DeviceRemoved,
    Event,
    Events,
    Reading,
    ScanningFinished,
    Trouble,
)
from forwarder.client.session_driver import ServerGone, ServerRefused, SessionDriver
from forwarder.connectors.websocket_client import TlsTrust, WebSocketClient
from relay.link.channel import Channel
from relay.link.errors import LinkError
from relay.link.names import neutralise

__all__ = [
    "Client",
    "DeviceAdded",
    "DeviceChanged",
    "DeviceRemoved",
    "Event",
    "InputType",
    "OutputType",
    "Reading",
    "RemoteDevice",
    "ScanningFinished",
    "ServerGone",
    "ServerRefused",
    "Trouble",
]

SERVER = "ws://127.0.0.1:12345"


class Client:
    """A connected client; made by `connect` or `over`, which also end it."""

    def __init__(self, channel: Channel, name: str, version: int) -> None:
        self._session = SessionDriver(channel, ClientSession(name, version=version), self._heard)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._devices: dict[int, RemoteDevice] = {}
        self._readers: list[Events] = []

    def __repr__(self) -> str:
        return f"<Client of {self.server_name!r}, {len(self._devices)} devices>"

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str = SERVER,
        *,
        name: str = "Python",
        token: str | None = None,
        tls: TlsTrust = True,
        version: int | None = None,
    ) -> AsyncIterator[Client]:
        """Connect to the server at `url`, and stay connected while the block runs.

        `name` is what the server calls this program. `token` is for servers that want one, `tls`
        for wss: `forwarder.access.tls.client_tls(fingerprint)` pins a certificate. `version` is 4
        or 3; None tries both. Leaving the block stops what this client had set going.

        Raises ServerGone if there is no such server, ConfigError for an address that is none.
        """
        connector = WebSocketClient(url, token=token, tls=tls)
        try:
            client, running = await _first_that_answers(cls, connector, name, version)
        except LinkError as error:
            raise ServerGone(str(error)) from error
        async with client._while_running(running):
            yield client

    @classmethod
    @asynccontextmanager
    async def over(
        cls, channel: Channel, *, name: str = "Python", version: int = 4
    ) -> AsyncIterator[Client]:
        """The same over a channel that is there already, such as `App.open_client()` returns."""
        client = cls(channel, name, version)
        running = await client._greet()
        async with client._while_running(running):
            yield client

    # --- the server -----------------------------------------------------------------------------

    @property
    def server_name(self) -> str:
        """As the server calls itself, safe to show."""
        return neutralise(self._session.session.server_name)

    @property
    def version(self) -> int:
        """The spec version that is spoken."""
        return self._session.session.version

    @property
    def devices(self) -> tuple[RemoteDevice, ...]:
        """The devices that the server has now, by index."""
        return tuple(device for _, device in sorted(self._devices.items()))

    def events(self) -> AsyncIterator[Event]:
        """What happens from now on: `async for event in client.events(): …`. Ends with the
        connection. A reader that falls behind loses the oldest readings."""
        reader = Events(self._readers)
        if self._session.ended:
            reader.close()
        return reader

    async def start_scanning(self) -> None:
        """Have the server look for devices until `stop_scanning`; events tell what it finds. Raises
        ServerRefused, ServerGone. Cancelled, it may have been asked all the same."""
        await self.ask(StartScanning(id=1))

    async def stop_scanning(self) -> None:
        """Raises ServerRefused, ServerGone."""
        await self.ask(StopScanning(id=1))

    async def scan(self, seconds: float = 5.0) -> tuple[RemoteDevice, ...]:
        """Look for devices for so long, or until the server has finished; return all there are."""
        reader = Events(self._readers)
        await self.start_scanning()
        try:
            async with asyncio.timeout(seconds):
                async for event in reader:
                    if isinstance(event, ScanningFinished):
                        return self.devices
        except TimeoutError:
            await self.stop_scanning()
        finally:
            reader.close()
        return self.devices

    async def stop_all(self) -> None:
        """Stop every output of every device, whoever set it going."""
        for device in self._devices.values():
            device.withdraw()
        await self.ask(StopCmd(id=1, inputs=False), urgent=True)

    async def ask(self, message: ClientMessage, *, urgent: bool = False) -> ServerMessage:
        """Send any message of spec v4 (its Id is filled in) and return the answer.

        Raises ServerRefused, ServerGone, and Unsupported for what a v3 server cannot be asked.
        """
        return await self._session.ask(message, urgent=urgent).reply

    # --- inside ---------------------------------------------------------------------------------

    async def _greet(self) -> asyncio.Task[None]:
        """Start talking; returns the task that does. Raises ServerGone if that is in vain."""
        # Not a TaskGroup: whatever is raised in the user's block has to come out as it is.
        running = asyncio.create_task(self._run(), name="buttplug client")
        try:
            await self._ready
        except BaseException:
            await self._end(running)
            raise
        return running

    async def _run(self) -> None:
        try:
            await self._session.run()
        except ServerGone as gone:
            self._in_vain(gone)
        finally:
            for index in tuple(self._devices):
                self._remove(index)
            for reader in tuple(self._readers):
                reader.close()

    @asynccontextmanager
    async def _while_running(self, running: asyncio.Task[None]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._end(running)

    async def _end(self, running: asyncio.Task[None]) -> None:
        self._session.hang_up("this client has left")
        await asyncio.wait([running])
        running.result()

    def _in_vain(self, error: ServerGone) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # whoever waited may have been cancelled

    def _heard(self, event: ClientEvent) -> None:
        match event:
            case session.DevicesListed(devices):
                self._update(devices)
                if not self._ready.done():
                    self._ready.set_result(None)
            case session.InputValue(index, feature, kind, value):
                if index in self._devices:
                    self._tell(Reading(self._devices[index], feature, kind, value))
            case session.ScanEnded():
                self._tell(ScanningFinished())
            case session.ServerError(_, text):
                # Before the first list of devices, it is that list which failed.
                self._in_vain(ServerGone(text))
                self._tell(Trouble(neutralise(text, 400)))
            case _:
                pass  # Ready: the list of devices follows

    def _update(self, devices: Mapping[int, DeviceInfo]) -> None:
        for index in [index for index in self._devices if index not in devices]:
            self._remove(index)
        for index, info in devices.items():
            known = self._devices.get(index)
            if known is not None and known.name != neutralise(info.device_name):
                self._remove(index)
                known = None
            if known is None:
                self._devices[index] = device = RemoteDevice(self._session, info)
                self._tell(DeviceAdded(device))
            elif known.info != info:
                known.info = info
                self._tell(DeviceChanged(known))

    def _remove(self, index: int) -> None:
        device = self._devices.pop(index)
        device.connected = False
        self._tell(DeviceRemoved(device))

    def _tell(self, event: Event) -> None:
        for reader in self._readers:
            reader.put(event)


async def _first_that_answers(
    cls: type[Client], connector: WebSocketClient, name: str, version: int | None
) -> tuple[Client, asyncio.Task[None]]:
    """Greet in v4 and, unless that is the version wanted, in v3 if it is in vain."""
    first = 4 if version is None else version
    try:
        client = cls(await connector.dial(), name, first)
        return client, await client._greet()
    except ServerGone:
        if version is not None:
            raise
    client = cls(await connector.dial(), name, 3)
    return client, await client._greet()
