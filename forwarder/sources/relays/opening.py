"""Carries out what the finder decided: opens a toy at a relay, or arms anew what that had kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.device_setup import OpenedDevice, open_device, stop_device
from forwarder.errors import Denied, DeviceError, HardwareError
from forwarder.hub.device import Device, Identity
from forwarder.sources.relays.bounds import BLE_GAP_MS
from forwarder.sources.relays.hardware import RelayHardware
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import DeviceOpening, Relay, hardware_of
from forwarder.sources.relays.reserved import Reserved
from forwarder.sources.relays.waiting import ReplyFuture
from relay.link.messages import Advertisement, Disconnect, ErrorCode

log = logging.getLogger(__name__)


class DeviceKeeper(Protocol):
    """Who keeps the devices that were found."""

    def found(self, relay: Relay, p: int, opened: OpenedDevice) -> None:
        """A new device; it stays busy until `Finder.lost` is told of its address."""
        ...

    def gone(self, relay: Relay, opened: OpenedDevice, why: str) -> None:
        """A device that had been found cannot be resumed."""
        ...

    def stopped(self, device: Device, why: str) -> None:
        """A device stopped because it could not go on."""
        ...

    def settled(self, address: str) -> None:
        """The toy there that may have been running was stopped, and let go again."""
        ...

    def strayed(self, address: str, hearer: Relay, *, take: bool) -> bool:
        """Whether the device at this address belongs to a relay that is away while `hearer` hears
        it, so that it is connected no more. With `take` it is no device any more, either."""
        ...


class DeviceOpener:
    """`freed` is called when a place at a relay became free: its peripheral is let go."""

    def __init__(
        self,
        catalogue: Catalogue,
        user: UserConfig,
        keeper: DeviceKeeper,
        reserved: Reserved,
        freed: Callable[[Relay], None],
    ) -> None:
        self._catalogue = catalogue
        self._user = user
        self._keeper = keeper
        self._reserved = reserved
        self._freed = freed

    async def open(
        self,
        relay: Relay,
        advertisement: Advertisement,
        known: Identity | None,
        *,
        timeout_ms: int,
    ) -> None:
        """Make it a device at this relay, which is linked. Raises DeviceError; then it is let go,
        and its place counts as taken until it is."""
        found: list[Device] = []

        def failed(error: DeviceError) -> None:
            for device in found:
                device.stop()
                self._keeper.stopped(device, str(error).rstrip("."))

        address = advertisement.address
        async with self._connected(relay, address, timeout_ms) as opening:
            opened = await open_device(
                opening.hardware,
                self._catalogue.match(advertisement),
                advertisement,
                self._user,
                source=relay.name,
                on_failed=failed,
                known=known,
            )
            # All of this may have changed while the toy was asked what it is.
            if opening.lost is not None:
                raise HardwareError(ErrorCode.GONE, opening.lost)
            if not self._user.allowed(address):
                raise Denied("the user denied it.")
            hold = self._reserved.hold(address)
            if hold is not None and hold.relay != relay.key:
                raise Denied(hold.why)
            opened.apply_ceilings(relay.wearer.ceilings)
            opening.stays = True
        found.append(opened.device)
        self._keeper.found(relay, opening.hardware.p, opened)

    async def stop(
        self,
        relay: Relay,
        advertisement: Advertisement,
        known: Identity | None,
        *,
        timeout_ms: int,
    ) -> None:
        """Connect it at this relay, which is linked, have it take its stop and nothing else, and
        let it go. Raises DeviceError; then it may be running still."""
        async with self._connected(relay, advertisement.address, timeout_ms) as opening:
            if known is None:
                raise HardwareError(ErrorCode.REFUSED, "it is not known what it is.")
            candidates = self._catalogue.match(advertisement)
            await stop_device(opening.hardware, candidates, advertisement, known)
        self._keeper.settled(advertisement.address)

    @asynccontextmanager
    async def _connected(
        self, relay: Relay, address: str, timeout_ms: int
    ) -> AsyncIterator[DeviceOpening]:
        """Let go at the end, whatever happens, unless it `stays`. Raises DeviceError."""
        link = relay.link
        assert link is not None  # the caller has looked
        p, supervised = relay.next_p(), relay.supervised
        hardware = RelayHardware(p, address, BLE_GAP_MS, relay.name, supervised=supervised)
        hardware.blocked = relay.blocked
        opening = relay.opening[p] = DeviceOpening(hardware, asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(None) as opening.scope:
                await hardware.connect(link, timeout_ms=timeout_ms)
                opening.connecting = False
                yield opening
        except TimeoutError:
            if opening.lost is None:
                raise
            raise HardwareError(ErrorCode.GONE, opening.lost) from None
        finally:
            del relay.opening[p]
            if not opening.stays:
                # Whatever went wrong, and even if it is only now being connected: the peripheral
                # must not stay connected. Nobody waits for it.
                self.let_go(relay, link, p, address)

    def let_go(self, relay: Relay, link: RelayLink, p: int, address: str) -> None:
        """Have the relay stop and disconnect it; its place is free once the relay has said so, or
        the link ended."""
        relay.leaving[p] = address

        def left(outcome: ReplyFuture) -> None:
            if not outcome.cancelled():
                outcome.exception()  # that it was not connected is as good
            if relay.leaving.pop(p, None) is not None:
                self._freed(relay)

        link.request(Disconnect(link.next_id(), p)).add_done_callback(left)

    async def resume(self, relay: Relay, link: RelayLink, opened: OpenedDevice) -> bool:
        """The relay kept it through a lost link: arm it again, so that clients notice nothing.
        Returns whether it is here."""
        hardware = hardware_of(opened)
        try:
            resumed = await hardware.connect(link)
            why = "its connection was lost meanwhile"
        except DeviceError as error:
            resumed, why = False, str(error)
        except Exception:
            # A fault boundary, as in the finder's.
            log.exception("%s tripped this hub up", opened.device.shown_name)
            resumed, why = False, "an error in the hub, see its log"
        if relay.link is not link:
            return False  # this link broke as well; the device has its grace time still
        if resumed and relay.devices.get(hardware.p) is opened:
            # The relay answered once the radio had taken its stop.
            opened.device.at_rest()
            hardware.blocked = relay.blocked
            hardware.rearm()
            log.info("%s is back at %s", opened.device.shown_name, relay.name)
            return True
        self.let_go(relay, link, hardware.p, hardware.address)
        self._keeper.gone(relay, opened, why)
        return False
