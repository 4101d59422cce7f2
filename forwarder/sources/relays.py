"""Relays as a source of devices: drives the hub end of links, chooses radios, opens devices.

One `Relay` per relay agent that has been here; it outlives its links. One task per device that is
being opened; everything else happens in the read loop of the link that brought the news.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user import UserConfig
from forwarder.device import Device
from forwarder.errors import DeviceError, HardwareError
from forwarder.sources.base import DeviceSink
from forwarder.sources.opening import Opened, open_device
from forwarder.sources.relay_hardware import BLE_GAP_MS, RelayHardware
from forwarder.sources.relay_link import Outcome, RelayLink
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkError, LinkRefused
from relay.link.messages import (
    Advertisement,
    Advertisements,
    Disconnect,
    Disconnected,
    ErrorCode,
    FromRelay,
    Hello,
    Notification,
    RadioInfo,
    RadioState,
    Scan,
    Stats,
    StopAll,
    StopCause,
    Stopped,
    Wearer,
)

log = logging.getLogger(__name__)

# How long devices outlive the link of their relay: a phone that changes from Wi-Fi to mobile data
# takes up to 20 s to be back. Their outputs are off all that time.
GRACE_S = 30.0
# A device that was lost is looked for without any client asking: a toy that is carried out of
# range and back, or whose battery is changed.
MISSING_S = 120.0
# Wait so long for a second radio to see the same toy, if there is a second radio.
GATHER_S = 0.3
# A sighting older than this says nothing about where the toy is now.
SIGHTING_S = 5.0
# After a failed opening: doubled each time up to the limit.
RETRY_S = 1.0
RETRY_LIMIT_S = 30.0
# Advertisements are remembered for so many addresses; a crowded flat has some hundred.
SIGHTINGS = 1024

_WHY: dict[StopCause, str] = {
    StopCause.LEASE: "the hub was not heard for too long",
    StopCause.LINK: "the link to the hub broke",
    StopCause.PAUSE: "the wearer paused",
    StopCause.EMERGENCY: "emergency stop",
    StopCause.SHUTDOWN: "the relay shuts down",
    StopCause.RADIO: "the radio is in trouble",
    StopCause.STALL: "the relay was held up",
    StopCause.RUN_TIME: "it ran as long as the wearer allows",
}


@dataclass(slots=True)
class Relay:
    """One relay agent. `key` is what makes it the same one next time: its public key, or a word."""

    key: str
    name: str
    hello: Hello
    link: RelayLink | None = None
    wearer: Wearer = field(default_factory=Wearer)
    radio: RadioInfo | None = None
    stats: dict[str, int | float] = field(default_factory=dict)
    devices: dict[int, Opened] = field(default_factory=dict)
    opening: dict[int, RelayHardware] = field(default_factory=dict)
    last_p: int = 0
    grace: asyncio.TimerHandle | None = None
    revoked: bool = False

    def hardware(self, p: int) -> RelayHardware | None:
        opened = self.devices.get(p)
        if opened is not None and isinstance(opened.hardware, RelayHardware):
            return opened.hardware
        return self.opening.get(p)

    def all_hardware(self) -> tuple[RelayHardware, ...]:
        opened = tuple(o.hardware for o in self.devices.values())
        return (*(h for h in opened if isinstance(h, RelayHardware)), *self.opening.values())

    @property
    def free_slots(self) -> int:
        """Connections this relay can still take, as far as it says."""
        taken = len(self.devices) + len(self.opening)
        free = self.hello.max_peripherals - taken
        if self.radio is not None and self.radio.slots is not None:
            free = min(free, self.radio.slots)
        return free

    @property
    def blocked(self) -> str | None:
        """Why outputs are refused, in words for a client; None if they are not."""
        if self.wearer.stopped:
            return f"The wearer pressed the emergency stop at {self.name}."
        if self.wearer.paused:
            return f"The wearer has paused {self.name}."
        return None


@dataclass(slots=True)
class _Sighting:
    """What is known of an address: which relays see it, and how opening it went."""

    advertisement: Advertisement
    seen: dict[str, tuple[float, int]] = field(default_factory=dict)  # relay key → when, rssi
    failures: int = 0
    not_before: float = 0.0


class RelaySource:
    """All relays together. `run` must be running for devices to be opened."""

    name = "relays"

    def __init__(
        self,
        hub_name: str,
        catalogue: Catalogue,
        user: UserConfig,
        sink: DeviceSink,
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.relays: dict[str, Relay] = {}
        # Address → key of the only relay that may connect it, by the user's choice.
        self.pins: dict[str, str] = {}
        self._hub_name = hub_name
        self._catalogue = catalogue
        self._user = user
        self._sink = sink
        self._on_change = on_change
        self._scanning = False
        self._sightings: dict[str, _Sighting] = {}
        # address → until when it is looked for
        self._missing: dict[str, float] = {}
        self._busy: set[str] = set()
        self._openings: asyncio.TaskGroup | None = None
        self._stopping = False

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Own the tasks that open devices; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._openings = tasks
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._openings = None

    async def drive(self, channel: Channel, key: str | None, name: str | None = None) -> None:
        """Drive the hub end of one link until it ends; `key` and `name` come from pairing.

        Without a key (a relay on this machine that was not paired) the relay's own name stands in
        for it. Raises LinkError that says why it ended; the caller closes the channel.
        """
        if self._stopping:
            raise ChannelClosed(1001, "the hub is shutting down")
        link = RelayLink(
            channel,
            self._hub_name,
            leases=lambda: self._leases(relay),
            running=lambda: any(h.running for h in relay.all_hardware()),
        )
        hello = await link.greet()
        relay = self._welcome(key or self._free_key(hello.name), name or hello.name, hello, link)
        try:
            await link.run(lambda message: self._heard(relay, link, message))
        except LinkError as error:
            log.info("relay %s: %s", relay.name, error)
            raise
        finally:
            self._link_ended(relay, link)

    def _free_key(self, name: str) -> str:
        # Two relays on one machine have the same name unless the user gave them others. A link on
        # this machine never lingers after its end, so a taken key means another relay.
        for number in range(1, 1000):
            key = f"local:{name}" if number == 1 else f"local:{name}#{number}"
            relay = self.relays.get(key)
            if relay is None or relay.link is None:
                return key
        raise LinkRefused("too many relays have the same name")

    def _welcome(self, key: str, name: str, hello: Hello, link: RelayLink) -> Relay:
        relay = self.relays.get(key)
        if relay is None:
            relay = self.relays[key] = Relay(key, name, hello)
        elif relay.link is not None:
            # The relay dialed again before we noticed that its old link is dead: newest wins.
            old, relay.link = relay.link, None
            self._detach(relay, old, "the relay came back over a new link")
        relay.name, relay.hello, relay.link, relay.radio = name, hello, link, hello.radio
        if relay.grace is not None:
            relay.grace.cancel()
            relay.grace = None
        log.info("relay %s connected (%s)", relay.name, link.peer)
        if "chooser" in hello.capabilities:
            link.send(self._catalogue.interests())
        link.send(Scan(self._wants_scan()))
        held = {entry.address for entry in hello.held}
        for opened in tuple(relay.devices.values()):
            if opened.hardware.address in held:
                self._spawn(self._resume(relay, link, opened), f"resume {opened.device.name}")
            else:
                self._gone(relay, opened, "the relay did not keep its connection")
        self._on_change()
        return relay

    def _link_ended(self, relay: Relay, link: RelayLink) -> None:
        link.fail_all(f"the link to {relay.name} broke")
        if relay.link is not link:
            return
        relay.link = None
        self._detach(relay, link, f"the link to {relay.name} broke")
        if not relay.devices:
            self.relays.pop(relay.key, None)
        elif relay.revoked:
            self._grace_over(relay, "its relay was revoked")
        elif relay.grace is None:
            loop = asyncio.get_running_loop()
            why = f"{relay.name} did not come back"
            relay.grace = loop.call_later(GRACE_S, self._grace_over, relay, why)
        self._on_change()

    def _detach(self, relay: Relay, link: RelayLink, why: str) -> None:
        link.fail_all(why)
        for opened in relay.devices.values():
            was_running = opened.device.running
            if isinstance(opened.hardware, RelayHardware):
                opened.hardware.detach()
            self._at_rest(opened)
            if was_running:
                self._sink.stopped(opened.device, why)

    def _grace_over(self, relay: Relay, why: str) -> None:
        if relay.grace is not None:
            relay.grace.cancel()
            relay.grace = None
        for opened in tuple(relay.devices.values()):
            self._gone(relay, opened, why)
        self.relays.pop(relay.key, None)
        self._on_change()

    def scan(self, on: bool) -> None:
        if on and not self._scanning:
            # A new scan is a new chance for what failed before.
            for sighting in self._sightings.values():
                sighting.failures, sighting.not_before = 0, 0.0
        self._scanning = on
        self._tell_scan()

    def stop_all(self) -> list[Outcome]:
        """Have every relay run every armed stop; the futures tell when it is done."""
        links = [relay.link for relay in self.relays.values() if relay.link is not None]
        return [link.request(StopAll) for link in links]

    def say_goodbye(self, text: str) -> None:
        """The hub is ending: relays need not wonder, and may come back."""
        self._stopping = True
        for relay in self.relays.values():
            if relay.link is not None:
                relay.link.end(text)

    def revoke(self, key: str) -> bool:
        """Cut the link of this relay for good; returns whether it was here."""
        relay = self.relays.get(key)
        if relay is None:
            return False
        relay.revoked = True
        if relay.link is None:
            self._grace_over(relay, "its relay was revoked")
            return False
        relay.link.end("revoked by the hub", retry=False)
        return True

    def found(self, device: Device) -> tuple[Relay, Opened] | None:
        """Which relay has `device`, and what is known of it; None if another source has it."""
        for relay in self.relays.values():
            for opened in relay.devices.values():
                if opened.device is device:
                    return relay, opened
        return None

    def rssi(self, relay: Relay, address: str) -> int | None:
        """How well `relay` heard the toy's last advertisement, in dBm. Most toys are silent while
        they are connected, so this is what it was then."""
        sighting = self._sightings.get(address)
        _, rssi = (0.0, None) if sighting is None else sighting.seen.get(relay.key, (0.0, None))
        return rssi if rssi is not None and rssi > -127 else None

    def reconsider(self, address: str) -> None:
        """The user decided otherwise about this address: look at it again at its next sighting."""
        sighting = self._sightings.get(address)
        if sighting is not None:
            sighting.failures, sighting.not_before = 0, 0.0

    def let_go(self, device: Device, why: str) -> None:
        """Stop and disconnect a device. It comes back if it is seen, allowed, and not denied."""
        found = self.found(device)
        if found is None:
            return
        relay, opened = found
        hardware = opened.hardware
        if relay.link is not None and isinstance(hardware, RelayHardware):
            # The relay stops what it lets go.
            relay.link.request(lambda id: Disconnect(id, hardware.p))
        self._gone(relay, opened, why)

    # --- news from a relay ----------------------------------------------------------------------

    def _heard(self, relay: Relay, link: RelayLink, message: FromRelay) -> None:
        match message:
            case Notification(p, h, d):
                if (hardware := relay.hardware(p)) is not None:
                    hardware.heard(h, d)
            case Advertisements(items):
                for advertisement in items:
                    self._sighted(relay, advertisement)
            case Disconnected(p, text):
                link.fail_peripheral(p, text or "the device disconnected")
                opened = relay.devices.get(p)
                if opened is not None:
                    self._gone(relay, opened, text or "it disconnected")
            case Stopped():
                self._stopped(relay, message)
            case Wearer():
                self._wearer(relay, message)
            case RadioState(radio):
                relay.radio = radio
                if not radio.on:
                    log.warning("relay %s: the radio is off: %s", relay.name, radio.text)
                self._on_change()
            case Stats(values):
                relay.stats = {str(name): value for name, value in values.items()}
            case _:
                pass  # Echo: the session has used it

    def _stopped(self, relay: Relay, news: Stopped) -> None:
        hardware = relay.hardware(news.p)
        if hardware is None:
            return
        hardware.stopped(news)
        opened = relay.devices.get(news.p)
        why = _WHY[news.cause]
        if opened is not None:
            self._at_rest(opened)
            self._sink.stopped(opened.device, why)
        if not news.ok:
            log.error(
                "%s: %r could not be stopped yet (%s): %s", relay.name, hardware, why, news.text
            )
        elif relay.blocked is None and news.cause is not StopCause.SHUTDOWN:
            hardware.rearm()

    def _wearer(self, relay: Relay, wearer: Wearer) -> None:
        was, relay.wearer = relay.wearer, wearer
        for hardware in relay.all_hardware():
            hardware.blocked = relay.blocked
            if relay.blocked is not None:
                hardware.running = hardware.armed = False
            elif was.paused or was.stopped:
                hardware.rearm()
        for opened in relay.devices.values():
            if relay.blocked is not None:
                self._at_rest(opened)
            if wearer.ceilings != was.ceilings:
                opened.apply_ceilings(wearer.ceilings)
                self._sink.changed(opened.device)
        if relay.blocked is not None:
            log.warning("%s", relay.blocked)
        self._on_change()

    def _at_rest(self, opened: Opened) -> None:
        opened.driver.stopped()
        opened.device.at_rest()

    def _leases(self, relay: Relay) -> dict[int, int]:
        assert relay.link is not None
        session = relay.link.session
        return {
            hardware.p: session.active_ms if hardware.running else session.idle_ms
            for hardware in relay.all_hardware()
            if hardware.armed
        }

    # --- finding and opening --------------------------------------------------------------------

    def _wants_scan(self) -> bool:
        return self._scanning or bool(self._missing)

    def _tell_scan(self) -> None:
        on = self._wants_scan()
        for relay in self.relays.values():
            if relay.link is not None:
                relay.link.send(Scan(on))

    def _sighted(self, relay: Relay, advertisement: Advertisement) -> None:
        now = asyncio.get_running_loop().time()
        address = advertisement.address
        sighting = self._sightings.get(address)
        if sighting is None:
            if len(self._sightings) >= SIGHTINGS:
                self._sightings.pop(next(iter(self._sightings)))
            sighting = self._sightings[address] = _Sighting(advertisement)
        sighting.advertisement = _merged(sighting.advertisement, advertisement)
        sighting.seen[relay.key] = (now, advertisement.rssi or -127)
        # A person who chose a toy at the relay has asked for it, whatever clients do.
        wanted = self._scanning or address in self._missing or "chooser" in relay.hello.capabilities
        if not wanted or address in self._busy or now < sighting.not_before or self._stopping:
            return
        if not self._catalogue.match(sighting.advertisement):
            return
        if not self._user.allowed(address):
            log.info("%s is denied by the user's configuration", address)
            sighting.not_before = now + RETRY_LIMIT_S
            return
        self._busy.add(address)
        self._spawn(self._open(address, sighting), f"open {address}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        if self._openings is None:
            work.close()  # the source is ending: nothing is opened any more
        else:
            self._openings.create_task(work, name=name)

    def _best_relay(self, sighting: _Sighting) -> Relay | None:
        """The relay that hears the toy best, among those that can take another one."""
        now = asyncio.get_running_loop().time()
        best: tuple[int, Relay] | None = None
        pinned = self.pins.get(sighting.advertisement.address)
        for key, (when, rssi) in sighting.seen.items():
            if pinned is not None and key != pinned:
                continue
            relay = self.relays.get(key)
            if relay is None or relay.link is None or relay.free_slots <= 0:
                continue
            if now - when <= SIGHTING_S and (best is None or rssi > best[0]):
                best = rssi, relay
        return None if best is None else best[1]

    async def _open(self, address: str, sighting: _Sighting) -> None:
        """Connect a toy, and keep its address busy until it is gone again, or this has failed."""
        opened = None
        try:
            if sum(relay.link is not None for relay in self.relays.values()) > 1:
                await asyncio.sleep(GATHER_S)
            relay = self._best_relay(sighting)
            if relay is None or relay.link is None:
                return
            opened = await self._open_at(relay, relay.link, address, sighting.advertisement)
        except DeviceError as error:
            self._open_failed(sighting, error)
        finally:
            if opened is None:
                self._busy.discard(address)
        if opened is not None:
            sighting.failures = 0
            self._missing.pop(address, None)
            self._tell_scan()

    def _open_failed(self, sighting: _Sighting, error: DeviceError) -> None:
        pause = min(RETRY_S * 2**sighting.failures, RETRY_LIMIT_S)
        sighting.failures = min(sighting.failures + 1, 16)
        sighting.not_before = asyncio.get_running_loop().time() + pause
        name = sighting.advertisement.name or sighting.advertisement.address
        log.warning("%s could not be opened: %s Next try in %g s.", name, error, pause)

    async def _open_at(
        self, relay: Relay, link: RelayLink, address: str, advertisement: Advertisement
    ) -> Opened | None:
        relay.last_p = p = _next_p(relay)
        hardware = RelayHardware(p, address, BLE_GAP_MS, relay.name)
        hardware.blocked = relay.blocked
        relay.opening[p] = hardware
        opened: Opened | None = None
        device: list[Device] = []
        try:
            await hardware.connect(link)
            opened = await open_device(
                hardware,
                self._catalogue.match(advertisement),
                advertisement,
                self._user,
                ceilings=relay.wearer.ceilings,
                source=relay.name,
                on_failed=lambda error: self._driver_failed(device, error),
            )
        finally:
            relay.opening.pop(p, None)
            if opened is None and hardware.link is not None:
                # Whatever went wrong, the peripheral must not stay connected; nobody waits for it.
                link.request(lambda id: Disconnect(id, p))
        if relay.link is not link:
            raise HardwareError(ErrorCode.GONE, "the link broke while the device was opened")
        relay.devices[p] = opened
        device.append(opened.device)
        self._sink.add(opened.device)
        self._on_change()
        return opened

    def _driver_failed(self, device: Sequence[Device], error: DeviceError) -> None:
        for entry in device:
            self._sink.stopped(entry, str(error))

    async def _resume(self, relay: Relay, link: RelayLink, opened: Opened) -> None:
        """The relay kept the peripheral through a lost link: arm it again, unnoticed by clients."""
        hardware = opened.hardware
        assert isinstance(hardware, RelayHardware)
        try:
            resumed = await hardware.connect(link)
            if resumed:
                hardware.blocked = relay.blocked
                hardware.rearm()
                log.info("%s is back at %s", opened.device.shown_name, relay.name)
                return
            why = "its connection was lost meanwhile"
            link.request(lambda id: Disconnect(id, hardware.p))
        except DeviceError as error:
            why = str(error)
        self._gone(relay, opened, why)

    def _gone(self, relay: Relay, opened: Opened, why: str) -> None:
        hardware = opened.hardware
        assert isinstance(hardware, RelayHardware)
        if relay.devices.pop(hardware.p, None) is None:
            return
        hardware.detach()
        self._at_rest(opened)
        self._busy.discard(hardware.address)
        self._sink.remove(opened.device, why)
        loop = asyncio.get_running_loop()
        self._missing[hardware.address] = loop.time() + MISSING_S
        loop.call_later(MISSING_S, self._give_up, hardware.address)
        self._tell_scan()
        self._on_change()

    def _give_up(self, address: str) -> None:
        until = self._missing.get(address)
        if until is not None and until <= asyncio.get_running_loop().time():
            del self._missing[address]
            self._tell_scan()


def _next_p(relay: Relay) -> int:
    p = relay.last_p
    while True:
        p = p % 0xFFFF + 1
        if relay.hardware(p) is None:
            return p


def _merged(known: Advertisement, new: Advertisement) -> Advertisement:
    """Names and services come in separate packets on some radios: keep what was known."""
    return Advertisement(
        new.address,
        new.name or known.name,
        new.rssi,
        new.services or known.services,
        new.manufacturer or known.manufacturer,
    )
