"""Looks for toys with all relays together, chooses the radio for each, and opens it.

One task per toy that is being opened or resumed; they all end with `run`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping
from typing import Protocol

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig, canonical_address
from forwarder.devices.device_setup import Opened, open_device
from forwarder.errors import Denied, DeviceError, HardwareError
from forwarder.hub.device import Device, Identity
from forwarder.sources.relays.hardware import BLE_GAP_MS, RelayHardware
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import Opening, Relay, hardware_of
from forwarder.sources.relays.reserved import Reserved
from forwarder.sources.relays.sightings import Sighting, Sightings
from relay.link.messages import Advertisement, Disconnect, ErrorCode, Scan

log = logging.getLogger(__name__)

# A device that was lost is looked for without any client asking: a toy that is carried out of
# range and back, or whose battery is changed.
MISSING_S = 120.0
# One that may be running is looked for until it is found or given up by a person: after those two
# minutes for so many seconds of each half minute, which costs radios little.
OWING_LOOK_S = 5.0
OWING_EVERY_S = 30.0
# Wait so long for a second radio to see the same toy, if there is a second radio.
GATHER_S = 0.3


class Keeper(Protocol):
    """Who keeps the devices that were found."""

    def found(self, relay: Relay, p: int, opened: Opened) -> None:
        """A new device; it stays busy until `Finder.lost` is told of its address."""
        ...

    def gone(self, relay: Relay, opened: Opened, why: str) -> None:
        """A device that had been found cannot be resumed."""
        ...

    def stopped(self, device: Device, why: str) -> None:
        """A device stopped because it could not go on."""
        ...


class Finder:
    """`relays`: all there are, by key; the keeper's own table. `known`: what was at an address.

    `owing`: addresses of toys that may be running. They are looked for until they are found.
    `reserved`: toys that wearers keep at their relays.
    """

    def __init__(
        self,
        relays: Mapping[str, Relay],
        catalogue: Catalogue,
        user: UserConfig,
        keeper: Keeper,
        known: Callable[[str], Identity | None],
        owing: Container[str],
        reserved: Reserved,
    ) -> None:
        # Address → key of the only relay that may connect it, by the user's choice.
        self.pins: dict[str, str] = {}
        self.sightings = Sightings()
        self.reserved = reserved
        self._relays = relays
        self._catalogue = catalogue
        self._user = user
        self._keeper = keeper
        self._known = known
        self._owing = owing
        self._scanning = False
        # address → until when it is looked for
        self._missing: dict[str, float] = {}
        # Addresses that are being opened, or are devices.
        self._busy: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, expected: Iterable[str] = ()) -> None:
        """Own the tasks that open devices, and look for those at the addresses `expected`; runs
        until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for address in expected:
                self.lost(address)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        assert self._tasks is not None  # both callers have looked
        self._tasks.create_task(work, name=name)

    # --- looking --------------------------------------------------------------------------------

    def scan(self, on: bool) -> None:
        """A client wants to find devices, or none does any more."""
        if on and not self._scanning:
            self.sightings.forgive()  # a new scan is a new chance for what failed before
        self._scanning = on
        self._tell_scan()

    def greet(self, link: RelayLink) -> None:
        """Tell a new link what is looked for."""
        link.tell(Scan(self._wants_scan))

    def lost(self, address: str) -> None:
        """This device is gone: from now on it may be opened again, and is looked for."""
        self._busy.discard(address)
        self.look_for(address)

    def look_for(self, address: str, for_s: float = MISSING_S) -> None:
        """Look for this one although no client asks, unless it is here or being opened."""
        if address in self._busy:
            return
        loop = asyncio.get_running_loop()
        self._missing[address] = loop.time() + for_s
        loop.call_later(for_s, self._give_up, address)
        self._tell_scan()

    def _give_up(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        until = self._missing.get(address)
        if until is None or until > loop.time():
            return
        del self._missing[address]
        self._tell_scan()
        if address in self._owing:
            loop.call_later(OWING_EVERY_S - OWING_LOOK_S, self._look_again, address)

    def _look_again(self, address: str) -> None:
        if address in self._owing and address not in self._missing:
            self.look_for(address, OWING_LOOK_S)

    @property
    def _wants_scan(self) -> bool:
        return self._scanning or bool(self._missing)

    def _tell_scan(self) -> None:
        for relay in self._relays.values():
            if relay.link is not None:
                self.greet(relay.link)

    def sighted(self, relay: Relay, advertisement: Advertisement) -> None:
        """`relay` hears a toy: open it if it is wanted, known and free."""
        now, address = asyncio.get_running_loop().time(), advertisement.address
        sighting = self.sightings.note(relay.key, advertisement, now)
        owed = address in self._missing or address in self._owing
        wanted = self._scanning or owed or relay.can_choose
        if not wanted or address in self._busy or self._tasks is None or not sighting.ready(now):
            return
        if not self._catalogue.match(sighting.advertisement):
            return
        if relay.openings.left(now) < 1:
            return  # it will be heard again
        if not self._user.allowed(address):
            log.info("%s is denied by the user's configuration", address)
            sighting.leave_alone(now)
            return
        relay.openings.spend(1, now)
        self._busy.add(address)
        self._spawn(self._open(address, sighting), f"open {address}")

    # --- opening --------------------------------------------------------------------------------

    async def _open(self, address: str, sighting: Sighting) -> None:
        """Connect a toy at the relay that hears it best, else at the next. Its address stays busy
        until it is gone again, or all have failed."""
        opened: Relay | None = None
        try:
            if sum(relay.link is not None for relay in self._relays.values()) > 1:
                await asyncio.sleep(GATHER_S)
            # Ends: each relay that fails has a pause then.
            while opened is None and (relay := self._best_relay(address, sighting)) is not None:
                if await self._opened_at(relay, address, sighting):
                    opened = relay
        finally:
            if opened is None:
                self._busy.discard(address)
        if opened is not None:
            sighting.opened(opened.key)
            self._missing.pop(address, None)
            self._tell_scan()

    async def _opened_at(self, relay: Relay, address: str, sighting: Sighting) -> bool:
        assert relay.link is not None  # the best one has
        # Each second time without: what is known may have become wrong.
        known = None if sighting.failures % 2 else self._known(address)
        try:
            await self._open_at(relay, relay.link, sighting.advertisement, known)
        except DeviceError as error:
            self._failed(relay, sighting, str(error))
        except Exception:
            # A fault boundary: what goes wrong with one toy must not end all the others.
            log.exception("%s tripped this hub up", address)
            self._failed(relay, sighting, "an error in the hub, see its log.")
        else:
            return True
        return False

    def _failed(self, relay: Relay, sighting: Sighting, why: str) -> None:
        pause = sighting.failed(relay.key, asyncio.get_running_loop().time())
        name = sighting.advertisement.name or sighting.advertisement.address
        log.warning(
            "%s could not be opened at %s: %s Next try there in %.0f s.",
            name,
            relay.name,
            why,
            pause,
        )

    def _best_relay(self, address: str, sighting: Sighting) -> Relay | None:
        """The relay that hears the toy best, among those that may and can take another one."""
        pinned = self.pins.get(canonical_address(address))
        now = asyncio.get_running_loop().time()
        if sighting.not_before > now:
            return None
        for key in sighting.by_strength(now):
            relay = self._relays.get(key)
            if relay is None or relay.link is None or pinned not in (None, key):
                continue
            if not self.reserved.allows(address, key):
                continue
            # A relay that lets nothing run lets nothing be armed: it could not be opened there.
            if relay.free_slots > 0 and relay.blocked is None:
                return relay
        return None

    async def _open_at(
        self, relay: Relay, link: RelayLink, advertisement: Advertisement, known: Identity | None
    ) -> None:
        p, address = relay.next_p(), advertisement.address
        supervised = relay.supervised
        hardware = RelayHardware(p, address, BLE_GAP_MS, relay.name, supervised=supervised)
        hardware.blocked = relay.blocked
        opening = relay.opening[p] = Opening(hardware)
        found: list[Device] = []
        opened: Opened | None = None

        def failed(error: DeviceError) -> None:
            for device in found:
                device.stop()
                self._keeper.stopped(device, str(error).rstrip("."))

        try:
            async with asyncio.timeout(None) as opening.scope:
                await hardware.connect(link)
                made = await open_device(
                    hardware,
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
            hold = self.reserved.hold(address)
            if hold is not None and hold.relay != relay.key:
                raise Denied(hold.why)
            made.apply_ceilings(relay.wearer.ceilings)
            opened = made
        except TimeoutError:
            if opening.lost is None:
                raise
            raise HardwareError(ErrorCode.GONE, opening.lost) from None
        finally:
            del relay.opening[p]
            if opened is None:
                # Whatever went wrong, and even if it is only now being connected: the peripheral
                # must not stay connected. Nobody waits for it.
                link.request(lambda id: Disconnect(id, p))
        found.append(opened.device)
        self._keeper.found(relay, p, opened)

    # --- resuming -------------------------------------------------------------------------------

    def resume(self, relay: Relay, link: RelayLink, opened: Opened) -> None:
        """The relay kept it through a lost link: arm it again, so that clients notice nothing."""
        if self._tasks is not None:
            self._spawn(self._resume(relay, link, opened), f"resume {opened.device.name}")

    async def _resume(self, relay: Relay, link: RelayLink, opened: Opened) -> None:
        hardware = hardware_of(opened)
        try:
            resumed = await hardware.connect(link)
            why = "its connection was lost meanwhile"
        except DeviceError as error:
            resumed, why = False, str(error)
        except Exception:
            # A fault boundary, as in `_open`.
            log.exception("%s tripped this hub up", opened.device.shown_name)
            resumed, why = False, "an error in the hub, see its log"
        if relay.link is not link:
            return  # this link broke as well; the device has its grace time still
        if resumed and relay.devices.get(hardware.p) is opened:
            # The relay answered once the radio had taken its stop.
            opened.device.at_rest()
            hardware.blocked = relay.blocked
            hardware.rearm()
            log.info("%s is back at %s", opened.device.shown_name, relay.name)
            return
        link.request(lambda id: Disconnect(id, hardware.p))
        self._keeper.gone(relay, opened, why)
