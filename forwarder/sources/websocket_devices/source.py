"""Devices that dial in by themselves: Buttplug's device websocket server.

A device says what it is in a first text frame, `{"identifier": …, "address": …, "version": 0}`,
and takes binary frames from then on. Which protocol its identifier stands for is in the user's
configuration; there is none built in. Source: the reference server's websocket device manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from forwarder.access.admission import AdmissionRefused, Admitted, Gatekeeper, HttpVisitor
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.device_setup import OpenedDevice, open_device, stop_device
from forwarder.errors import DeviceError, ForwarderError, HardwareError
from forwarder.hub.device import Identity
from forwarder.sources.base import DeviceSink, HeldBack
from forwarder.sources.websocket_devices.bounds import HANDSHAKE_S, MAX_DEVICES
from forwarder.sources.websocket_devices.hardware import WebsocketHardware
from relay.link.channel import Channel
from relay.link.close_codes import NORMAL_CLOSURE
from relay.link.errors import ChannelClosed
from relay.link.messages import Advertisement, StopCause
from relay.link.misfit import misfit
from relay.link.names import neutralise, quoted
from relay.link.tasks.groups import ConnectionTasks, first_error

_WHY: dict[StopCause, str] = {
    StopCause.STALL: "this hub was held up",
    StopCause.LEASE: "this hub was held up",
    StopCause.RADIO: "it did not take its stop",
    StopCause.SHUTDOWN: "this hub let it go",
}


class _Handshake(Struct, frozen=True):
    identifier: Annotated[str, Meta(min_length=1, max_length=64)]
    address: Annotated[str, Meta(min_length=1, max_length=64)]
    version: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]


class DeviceGate(Gatekeeper):
    """Lets any device in, for none has a token; but no web page, wherever it runs."""

    def admit(self, visitor: HttpVisitor) -> Admitted | AdmissionRefused:
        if visitor.origin is not None:
            return AdmissionRefused(403, f"the web page {visitor.origin} is no device")
        return Admitted(visitor, proven=False)


@dataclass(eq=False)
class _Visit:
    """One connected device. `scope`: while it is asked what it is, and greeted."""

    channel: Channel
    hardware: WebsocketHardware
    advertisement: Advertisement
    opened: OpenedDevice | None = field(default=None)
    scope: asyncio.Timeout | None = field(default=None)


class WebsocketDeviceSource:
    """Implements Source; `drive` is its handler for a connector of any kind.

    `known`: what was at an address the last time.
    """

    name = "websocket devices"

    def __init__(
        self,
        catalogue: Catalogue,
        user: UserConfig,
        sink: DeviceSink,
        known: Callable[[str], Identity | None] = lambda address: None,
    ) -> None:
        self._catalogue = catalogue
        self._user = user
        self._sink = sink
        self._known = known
        self._visits: dict[str, _Visit] = {}
        self._hold_changed = asyncio.Event()

    def scan(self, on: bool) -> None:
        """Devices come when they come; there is nothing to wait for."""
        if on:
            # Not at once: whoever asked must get its answer first.
            asyncio.get_running_loop().call_soon(self._sink.scan_ended, self)

    def hold_changed(self) -> None:
        """One that is being greeted is closed, stopped; it may dial in again, and wait."""
        self._hold_changed.set()
        self._hold_changed = asyncio.Event()
        if self._sink.holds:
            for visit in self._visits.values():
                if visit.scope is not None and not visit.scope.expired():
                    visit.scope.reschedule(asyncio.get_running_loop().time())

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        if not self._sink.holds:
            return ()
        return tuple(
            HeldBack(address, neutralise(visit.advertisement.name or ""))
            for address, visit in self._visits.items()
            if visit.opened is None
        )

    async def drive(self, channel: Channel, settle: Callable[[], bool] = lambda: True) -> None:
        """Have the device behind `channel` in the hub until either end closes it.

        `settle` is asked once it has said what it is; False means that there is no place for it.
        Raises ForwarderError, for the log, if it is none that can be used.
        """
        hello = await _greeting(channel)
        name = neutralise(hello.identifier)
        candidates = self._catalogue.match_websocket(hello.identifier)
        if not candidates:
            raise ForwarderError(
                f"A device dialed in that calls itself {quoted(name)}; no protocol in the user's"
                " device configuration has that websocket name."
            )
        address = neutralise(hello.address)
        if not self._user.allowed(address):
            raise ForwarderError(f"{name} ({address}) is denied by the user's configuration.")
        if not settle():
            raise ForwarderError(f"Too many devices dialed in; {name} was refused.")
        old = self._visits.pop(address, None)
        if old is None and len(self._visits) >= MAX_DEVICES:
            raise ForwarderError(f"More than {MAX_DEVICES} devices dialed in; {name} was refused.")
        advertisement = Advertisement(address, name=hello.identifier)
        visit = _Visit(channel, WebsocketHardware(channel, address, name), advertisement)
        visit.hardware.on_stopped = lambda cause: self._stopped(visit, cause)
        self._visits[address] = visit
        if old is not None:
            self._end(old, "it dialed in again")
        reason, failure = "it closed the connection", None
        try:
            if old is not None:
                await old.channel.close(NORMAL_CLOSURE, "the device dialed in again")
            await self._serve(visit)
        except* ChannelClosed:
            pass  # the usual end
        except* ForwarderError as group:
            failure = first_error(group)
            reason = str(failure)
        finally:
            if self._visits.get(address) is visit:
                del self._visits[address]
            self._end(visit, reason)
            # If it is this end that closes, the device is stopped before.
            await visit.hardware.disconnect()
        if failure is not None:
            raise failure

    def _end(self, visit: _Visit, reason: str) -> None:
        visit_opened, visit.opened = visit.opened, None
        if visit_opened is not None:
            self._sink.remove(visit_opened.device, reason)

    async def _serve(self, visit: _Visit) -> None:
        async with ConnectionTasks() as tasks:
            tasks.create_task(self._read(visit), name="websocket device reader")
            tasks.create_task(visit.hardware.write_on(), name="websocket device writer")
            candidates = self._catalogue.match_websocket(visit.advertisement.name or "")
            known = self._known(visit.advertisement.address)
            if self._sink.holds and known is not None:
                await stop_device(visit.hardware, candidates, visit.advertisement, known)
            while self._sink.holds:
                await self._hold_changed.wait()
            try:
                async with asyncio.timeout(None) as visit.scope:
                    visit.opened = await open_device(
                        visit.hardware,
                        candidates,
                        visit.advertisement,
                        self._user,
                        source=f"websocket {visit.channel.peer}",
                        on_failed=lambda error: self._failed(visit, error),
                        known=known,
                    )
            except TimeoutError:
                raise ForwarderError("A person has stopped everything.") from None
            finally:
                visit.scope = None
            if self._visits.get(visit.advertisement.address) is visit:
                self._sink.add(visit.opened.device)

    async def _read(self, visit: _Visit) -> None:
        try:
            while True:
                frame = await visit.channel.receive()
                visit.hardware.heard_frame(frame.encode() if isinstance(frame, str) else frame)
        except ChannelClosed:
            # Not if it is this end that closes: then it is stopped before.
            visit.hardware.gone("it closed the connection")
            raise

    def _stopped(self, visit: _Visit, cause: StopCause) -> None:
        """Its machine has stopped it of its own accord."""
        if visit.opened is not None:
            visit.opened.driver.stopped()
            visit.opened.device.at_rest()
            self._sink.stopped(visit.opened.device, _WHY.get(cause, "it took no more"))

    def _failed(self, visit: _Visit, error: DeviceError) -> None:
        if visit.opened is not None:
            with suppress(HardwareError):  # it is gone, which ends the visit
                visit.opened.device.stop()
            self._sink.stopped(visit.opened.device, str(error))


async def _greeting(channel: Channel) -> _Handshake:
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            frame = await channel.receive()
    except TimeoutError:
        raise ForwarderError(
            f"{channel.peer} dialed in as a device and did not say within {HANDSHAKE_S:g} s"
            " what it is."
        ) from None
    try:
        if isinstance(frame, str):
            return msgspec.json.decode(frame, type=_Handshake)
    except msgspec.MsgspecError as error:
        raise ForwarderError(
            f"{channel.peer} said what no device says: {misfit(error, _Handshake)}."
        ) from error
    raise ForwarderError(f"{channel.peer} said what no device says: its first frame was binary.")
