"""What becomes of a relay's devices while it is away: they stay, stopped, for its grace time, or
until another relay hears them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from forwarder.devices.device_setup import OpenedDevice
from forwarder.sources.base import DeviceSink
from forwarder.sources.relays.finder import Finder
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.owing import Owings
from forwarder.sources.relays.relay import Relay, hardware_of

log = logging.getLogger(__name__)


class Absences:
    """`relays`: all there are, by key; their keeper's own table. `holder`: by the address of a
    device, the key of the relay that has it; None if none does. `gone`: ends one device."""

    def __init__(
        self,
        relays: dict[str, Relay],
        sink: DeviceSink,
        finder: Finder,
        owing: Owings,
        holder: Callable[[str], str | None],
        gone: Callable[[Relay, OpenedDevice, str], None],
        changed: Callable[[], None],
    ) -> None:
        self._relays = relays
        self._sink = sink
        self._finder = finder
        self._owing = owing
        self._holder = holder
        self._gone = gone
        self._changed = changed

    def link_ended(self, relay: Relay, link: RelayLink) -> None:
        """`link` is over; if it was the relay's newest, the relay is away."""
        link.fail_all(f"the link to {relay.name} broke")
        if relay.link is not link:
            return
        relay.link = None
        self.detach(relay, link, f"the link to {relay.name} broke")
        if not relay.devices:
            self._relays.pop(relay.key, None)
        elif relay.revoked:
            self.over(relay, "its relay was revoked")
        elif relay.grace is None:
            loop = asyncio.get_running_loop()
            for opened in relay.devices.values():
                # If the relay is dead, its toys are free, and another one hears them.
                self._finder.look_for(opened.hardware.address, away=True)
            why = f"{relay.name} did not come back"
            # As long as the relay says that it keeps their connections; their outputs are off.
            grace_s = relay.hello.grace_ms / 1000
            relay.grace = loop.call_later(grace_s, self.over, relay, why)
        self._changed()

    def detach(self, relay: Relay, link: RelayLink, why: str) -> None:
        """The way over `link` is gone; the relay stops what ran by itself."""
        link.fail_all(why)
        for opening in relay.opening.values():
            opening.give_up(why)
        for opened in relay.devices.values():
            was_running = opened.device.running
            opened.driver.stopped()
            opened.device.lost_sight()
            hardware_of(opened).detach(partial(self._gone_silent, opened))
            if was_running:
                self._sink.stopped(opened.device, why)

    def _gone_silent(self, opened: OpenedDevice) -> None:
        """Its last lease has run out at a relay that was lost, which has stopped it by itself."""
        opened.device.at_rest()
        self._changed()

    def over(self, relay: Relay, why: str) -> None:
        """Nobody waits any longer for this relay, which is away."""
        if relay.grace is not None:
            relay.grace.cancel()
            relay.grace = None
        for opened in tuple(relay.devices.values()):
            self._given_up(relay, opened, why)
        self._relays.pop(relay.key, None)
        self._changed()

    def _given_up(self, relay: Relay, opened: OpenedDevice, why: str) -> None:
        device = opened.device
        if device.running:
            address = device.identity.address
            self._owing.lost(address, device.shown_name, relay.key, relay.name)
            log.error("%s may be running; it is looked for", device.shown_name)
        self._gone(relay, opened, why)

    def strayed(self, address: str, hearer: Relay, *, take: bool) -> bool:
        """See Keeper."""
        relay = self._relays.get(self._holder(address) or "")
        if relay is None or relay is hearer or relay.link is not None:
            return False
        for opened in tuple(relay.devices.values()):
            if opened.hardware.address == address:
                if take:
                    self._take(relay, opened, hearer)
                return True
        return False

    def _take(self, relay: Relay, opened: OpenedDevice, hearer: Relay) -> None:
        why = f"{relay.name} is away, and {hearer.name} hears it"
        self._given_up(relay, opened, why)
        if not relay.devices:
            self.over(relay, why)
