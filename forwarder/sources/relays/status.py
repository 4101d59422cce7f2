"""Tells relays what their peripherals do, for the person there: who drives what, how strongly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.sources.relays.bounds import AT_ONCE, EVERY_S, MAX_NAME
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.source import RelaySource
from relay.link.messages import Driven, Status


class RelayStatus:
    """`run` sends each relay with the capability `status` its picture whenever that changes."""

    def __init__(
        self, hub: Hub, relays: RelaySource, battery: Callable[[Device], int | None]
    ) -> None:
        self._hub = hub
        self._relays = relays
        self._battery = battery
        # By link, not by relay: a new link has been told nothing.
        self._told: dict[RelayLink, tuple[Driven, ...]] = {}

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            relays = tuple(self._relays.relays.values())
            told: dict[RelayLink, tuple[Driven, ...]] = {}
            for first in range(0, len(relays), AT_ONCE):
                told |= self._tell(relays[first : first + AT_ONCE])
                await asyncio.sleep(0)  # everybody else has a turn
            self._told = told
            await asyncio.sleep(EVERY_S)

    def tell(self) -> None:
        """Send what has changed since the last time."""
        self._told = self._tell(tuple(self._relays.relays.values()))

    def _tell(self, relays: Sequence[Relay]) -> dict[RelayLink, tuple[Driven, ...]]:
        """Send what has changed since the last time; returns what they know now."""
        told: dict[RelayLink, tuple[Driven, ...]] = {}
        for relay in relays:
            link = relay.link
            if link is None or link.ended is not None or "status" not in relay.hello.capabilities:
                continue
            items = tuple(self._items(relay))
            told[link] = items
            if self._told.get(link) != items:
                trip_ms = link.session.round_trip_ms or 0.0
                link.tell(Status(items, rtt_us=int(trip_ms * 1000)))
        return told

    def _items(self, relay: Relay) -> list[Driven]:
        items = []
        for p, opened in sorted(relay.devices.items()):
            device = opened.device
            clients = {client.name[:MAX_NAME] for client in self._hub.owners(device).values()}
            items.append(
                Driven(
                    p,
                    device.shown_name[:MAX_NAME],
                    level=device.strongest,
                    clients=tuple(sorted(clients)),
                    battery=self._battery(device),
                )
            )
        return items


def why_not(relay: Relay) -> str | None:
    """Why nothing of this relay runs now, in words for somebody elsewhere; None if it may."""
    if relay.wearer.stopped:
        return "Stopped by who wears it, until they resume."
    if relay.wearer.paused:
        return "Paused by who wears it, until they resume."
    if relay.link is None:
        return "It cannot be reached now, and stops by itself."
    return None
