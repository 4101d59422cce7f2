"""Relays as a source of devices: drives the hub end of links, and keeps the devices behind them.

What relays hear of toys goes to `finder`, which opens them. Everything else happens in the read
loop of the link that brought the news.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable

from forwarder.clients.turns import TurnQueue
from forwarder.connectors.base import PathNow, local_path
from forwarder.connectors.whereabouts import Whereabouts
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.device_setup import OpenedDevice
from forwarder.hub.device import Device, Identity
from forwarder.hub.kept import KeptConnection
from forwarder.sources.base import DeviceSink, HeldBack
from forwarder.sources.relays.absences import Absences
from forwarder.sources.relays.bounds import MOST_COUNTED, MOST_EACH
from forwarder.sources.relays.choosing.choice import RelayVerdict
from forwarder.sources.relays.choosing.heard import HeardToys
from forwarder.sources.relays.choosing.pins import Pins
from forwarder.sources.relays.finder import Finder
from forwarder.sources.relays.keeping import Keeping
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.owing import Owings
from forwarder.sources.relays.relay import WHY, Relay, free_key, hardware_of
from forwarder.sources.relays.searches import Debtors
from forwarder.sources.relays.waiting import ReplyFuture
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkError
from relay.link.messages import (
    Advertisements,
    Ceiling,
    Debts,
    Disconnected,
    FromRelay,
    GuestAnswer,
    Hello,
    Notification,
    RadioState,
    Stats,
    StopAll,
    StopCause,
    Stopped,
    Wearer,
)
from relay.link.names import neutralise

log = logging.getLogger(__name__)


class RelaySource:
    """All relays together. `run` must be running for devices to be opened.

    `known`: what was at an address the last time. `kept` and `on_kept`: see Keeping.
    `page`: the build of the relay page that comes with this hub. `pins`: which relay may have what.
    """

    name = "relays"

    def __init__(
        self,
        hub_name: str,
        catalogue: Catalogue,
        user: UserConfig,
        sink: DeviceSink,
        *,
        on_change: Callable[[], None] = lambda: None,
        known: Callable[[str], Identity | None] = lambda address: None,
        kept: Iterable[KeptConnection] = (),
        on_kept: Callable[[tuple[KeptConnection, ...]], None] = lambda kept: None,
        page: str = "",
        pins: Pins | None = None,
    ) -> None:
        self.relays: dict[str, Relay] = {}
        self._places: dict[Device, tuple[Relay, OpenedDevice]] = {}
        # How often each relay was linked, by the name that it is shown by.
        self.links: Counter[str] = Counter()
        # What the wearer at a relay says about a guest, see forwarder.shares.wearers.
        self.on_guest_answer: Callable[[Relay, GuestAnswer], None] = lambda relay, answer: None
        self._hub_name = hub_name
        self._page = page
        self._catalogue = catalogue
        self._sink = sink
        self._on_change = on_change
        self._stopping = False
        self._turns = TurnQueue()
        self._keeping = Keeping(self.relays, kept, on_kept)
        self.whereabouts = Whereabouts(self.relays)
        # Toys that are not connected and may be running.
        self.owing = Owings()
        self._debtors = Debtors(self.relays)
        self._finder = Finder(
            self.relays,
            catalogue,
            user,
            self,
            known,
            self.owing,
            self._keeping.reserved,
            Pins() if pins is None else pins,
            lambda: sink.holds,
        )
        self.heard = HeardToys(self.relays, self._finder)
        holder = self._debtors.holder
        self._absences = Absences(
            self.relays, sink, self._finder, self.owing, holder, self.gone, on_change
        )

    # --- life -----------------------------------------------------------------------------------

    async def run(self, expected: Iterable[str] = ()) -> None:
        """Own the tasks that open devices; runs until cancelled. `expected`: addresses of toys that
        are looked for at first, without any client asking."""
        await self._finder.run(expected)

    async def drive(
        self, channel: Channel, key: str | None, name: str | None = None, path: PathNow = local_path
    ) -> None:
        """Drive the hub end of one link until it ends; `key` and `name` come from pairing, `path`
        says what carries it. Without a key (a relay on this machine that was not paired) the
        relay's own name stands in. Raises LinkError that says why; the caller closes the channel.
        """
        if self._stopping:
            raise ChannelClosed(1001, "the hub is shutting down")
        link = RelayLink(
            channel,
            self._hub_name,
            leases=lambda: relay.leases(link),
            running=lambda: relay.running,
            turns=self._turns,
            page=self._page,
        )
        hello = await link.greet()
        shown = neutralise(name or hello.name) or "unnamed"
        relay = self._welcome(key or free_key(self.relays, shown), shown, hello, link)
        relay.path = path
        try:
            await link.run(lambda message: self._heard(relay, link, message))
        except LinkError as error:
            log.info("relay %s: %s", relay.name, error)
            if self._stopping:
                await channel.close()  # the goodbye arrives before the hub ends
            raise
        finally:
            link.over.set()
            self._absences.link_ended(relay, link)
            if relay.link is None:
                self._debtors.told(relay.key, {})  # it tells again when it is back

    def _welcome(self, key: str, name: str, hello: Hello, link: RelayLink) -> Relay:
        relay = self.relays.get(key)
        if relay is None:
            relay = self.relays[key] = Relay(key, name, hello)
        elif relay.link is not None:
            # The relay dialed again before we noticed that its old link is dead: newest wins.
            old, relay.link, why = relay.link, None, "the relay came back over a new link"
            old.end(why)
            self._absences.detach(relay, old, why)
        relay.name, relay.hello, relay.link, relay.radio = name, hello, link, hello.radio
        relay.debts, relay.full = (), False  # it tells of those that there are
        self.owing.back(key)
        for hardware in relay.all_hardware():
            hardware.supervised = relay.supervised
        if relay.grace is not None:
            relay.grace.cancel()
            relay.grace = None
        log.info("relay %s connected (%s)", relay.name, link.peer)
        self.links[name if name in self.links or len(self.links) < MOST_COUNTED else "others"] += 1
        if relay.can_choose:
            link.tell(self._catalogue.interests())
        self._finder.greet(link)
        self.whereabouts.greet(relay)
        held = {entry.address for entry in hello.held}
        for address in held:
            self._keeping.has(relay, address)
        for opened in tuple(relay.devices.values()):
            if opened.hardware.address in held:
                self._finder.resume(relay, link, opened)
            else:
                self.gone(relay, opened, "the relay did not keep its connection")
        self._on_change()
        return relay

    def scan(self, on: bool) -> None:
        self._finder.scan(on)

    def hold_changed(self) -> None:
        self._finder.hold_changed()

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return self._finder.held_back

    def stop_all(self) -> list[ReplyFuture]:
        """Have every relay run every armed stop; the futures tell when it is done."""
        outcomes = []
        for relay in self.relays.values():
            for hardware in relay.all_hardware():
                hardware.disarmed()
            if relay.link is not None:
                outcomes.append(relay.link.request(StopAll(relay.link.next_id())))
        return outcomes

    async def say_goodbye(self, text: str) -> None:
        """The hub ends: relays need not wonder, and may come back. Returns when no link is left."""
        self._stopping = True
        links = [relay.link for relay in self.relays.values() if relay.link is not None]
        for link in links:
            link.end(text)
        for link in links:
            await link.over.wait()

    def revoke(self, key: str) -> bool:
        """Cut the link of this relay for good; returns whether it was here."""
        self._free(key)
        relay = self.relays.get(key)
        if relay is None:
            return False
        relay.revoked = True
        if relay.link is None:
            self._absences.over(relay, "its relay was revoked")
            return False
        relay.link.end("revoked by the hub", retry=False)
        return True

    def place(self, device: Device) -> tuple[Relay, OpenedDevice] | None:
        """Which relay has `device`, and what is known of it; None if another source has it."""
        return self._places.get(device)

    @property
    def pins(self) -> Pins:
        """Which relay may connect what, by a person's choice."""
        return self._finder.pins

    def chosen(self, address: str) -> tuple[RelayVerdict, ...]:
        """What was decided about the device at this address when it was opened."""
        return self._finder.chosen.get(address, ())

    def rssi(self, relay: Relay, address: str) -> int | None:
        """How well `relay` heard the toy's last advertisement, in dBm. Most toys are silent while
        they are connected, so this is what it was then."""
        return self._finder.sightings.rssi(relay.key, address)

    def reconsider(self, address: str) -> None:
        """The user decided otherwise about this address: look at it again at its next sighting."""
        self._finder.sightings.forgive(address)

    def let_go(self, device: Device, why: str) -> None:
        """Stop and disconnect a device. It comes back if it is seen, allowed, and not denied."""
        place = self.place(device)
        if place is None:
            return
        relay, opened = place
        if relay.link is not None:
            # The relay stops what it lets go.
            hardware = hardware_of(opened)
            self._finder.let_go(relay, relay.link, hardware.p, hardware.address)
        self.gone(relay, opened, why)

    # --- news from a relay ----------------------------------------------------------------------

    def _heard(self, relay: Relay, link: RelayLink, message: FromRelay) -> None:
        if relay.link is not link:
            return  # another link of the same relay has taken its place
        match message:
            case Notification(p, h, d):
                if (hardware := relay.hardware(p)) is not None:
                    hardware.heard(h, d)
            case Advertisements(items):
                for advertisement in items:
                    self._finder.sighted(relay, advertisement)
            case Disconnected(p, text):
                why = text or "it disconnected"
                link.fail_peripheral(p, why)
                if p in relay.opening:
                    relay.opening[p].give_up(why)
                elif p in relay.devices:
                    self.gone(relay, relay.devices[p], why)
                    self._finder.place_free(relay)
            case Stopped():
                self._stopped(relay, message)
            case Wearer():
                self._wearer(relay, message)
            case RadioState(radio):
                relay.radio = radio
                if not radio.on:
                    log.warning("relay %s: the radio is off: %s", relay.name, radio.text)
                self._finder.place_free(relay)
                self._on_change()
            case Debts(items):
                relay.debts = items[:MOST_EACH]
                named = {debt.address: neutralise(debt.name) for debt in relay.debts}
                for address in self.owing.told(relay.key, relay.name, named.items()):
                    self._finder.look_for(address, told=True)
                self._debtors.told(relay.key, named)
                self._on_change()
            case GuestAnswer():
                self.on_guest_answer(relay, message)
            case Stats(values):
                relay.stats = {str(name): value for name, value in values.items()}
            case _:
                pass  # Echo: the session has used it

    def _stopped(self, relay: Relay, news: Stopped) -> None:
        hardware = relay.hardware(news.peripheral)
        if hardware is None:
            return
        hardware.stopped(news)
        opened = relay.devices.get(news.peripheral)
        why = WHY[news.cause]
        if opened is not None:
            opened.driver.stopped()
            if news.ok:
                opened.device.at_rest()
            else:
                opened.device.lost_sight()
            self._sink.stopped(opened.device, why)
        if not news.ok:
            what = "a device" if opened is None else opened.device.shown_name
            log.error("%s: %s could not be stopped yet (%s): %s", relay.name, what, why, news.text)
        elif relay.blocked is None and news.cause is not StopCause.SHUTDOWN:
            hardware.rearm()

    def _wearer(self, relay: Relay, wearer: Wearer) -> None:
        was, relay.wearer = relay.wearer, wearer
        for hardware in relay.all_hardware():
            hardware.blocked = relay.blocked
            if relay.blocked is not None:
                hardware.disarmed()
            elif was.paused or was.stopped:
                hardware.rearm()
        for opened in relay.devices.values():
            if relay.blocked is not None:
                # It is off once the relay says so.
                opened.driver.stopped()
            if wearer.ceilings != was.ceilings:
                self._limit(opened, wearer.ceilings)
        if relay.blocked is None:
            self._free(relay.key)
            self._finder.place_free(relay)
        else:
            log.warning("%s", relay.blocked)
            self._keeping.keep(relay, relay.blocked, self.let_go)
        self._on_change()

    def _free(self, key: str) -> None:
        for address in self._keeping.free(key):
            self._finder.lost(address)

    @property
    def held(self) -> tuple[KeptConnection, ...]:
        """Toys that a wearer keeps at their relay, by pause or emergency stop, and which no other
        relay may have; those that are devices at it too."""
        return self._keeping.reserved.holds()

    def _limit(self, opened: OpenedDevice, ceilings: tuple[Ceiling, ...]) -> None:
        """The wearer changed their limits: what runs may be above them now."""
        if opened.apply_ceilings(ceilings):
            self._sink.stopped(opened.device, "the wearer changed the limits")
        self._sink.changed(opened.device)

    # --- for the finder -------------------------------------------------------------------------

    def strayed(self, address: str, hearer: Relay, *, take: bool) -> bool:
        return self._absences.strayed(address, hearer, take=take)

    def found(self, relay: Relay, p: int, opened: OpenedDevice) -> None:
        relay.devices[p] = opened
        self._places[opened.device] = relay, opened
        self.owing.settled(opened.hardware.address)
        self._keeping.has(relay, opened.hardware.address, opened.device.shown_name)
        self._sink.add(opened.device)
        self._debtors.here(opened.hardware.address, relay.key)
        self._on_change()

    def gone(self, relay: Relay, opened: OpenedDevice, why: str) -> None:
        hardware = hardware_of(opened)
        if relay.devices.pop(hardware.p, None) is None:
            return
        self._places.pop(opened.device, None)
        hardware.release()
        opened.driver.stopped()
        self._sink.remove(opened.device, why)
        self._debtors.gone(hardware.address)
        self._finder.lost(hardware.address)
        self._on_change()

    def stopped(self, device: Device, why: str) -> None:
        self._sink.stopped(device, why)

    def settled(self, address: str) -> None:
        self.owing.settled(address)
        self._debtors.stopped(address)
        self._on_change()
