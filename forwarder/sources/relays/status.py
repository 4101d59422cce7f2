"""Tells relays what their peripherals do, for the person there: who drives what, how strongly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.sources.relays.bounds import AT_ONCE, EVERY_S, MAX_NAME
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.source import RelaySource
from relay.link.messages import Driven, Status


class _Facts(NamedTuple):
    """What is told of a device is made of this: as long as it stays the same, so does that.
    `changes`: of its truth, which has the level."""

    p: int
    device: Device
    changes: int
    name: str
    clients: set[str]
    battery: int | None


class RelayStatus:
    """`run` sends each relay with the capability `status` its picture whenever that changes."""

    def __init__(
        self, hub: Hub, relays: RelaySource, battery: Callable[[Device], int | None]
    ) -> None:
        self._hub = hub
        self._relays = relays
        self._battery = battery
        # By link, not by relay: a new link has been told nothing.
        self._told: dict[RelayLink, tuple[_Facts, ...]] = {}

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            relays = tuple(self._relays.relays.values())
            told: dict[RelayLink, tuple[_Facts, ...]] = {}
            for first in range(0, len(relays), AT_ONCE):
                told |= self._tell(relays[first : first + AT_ONCE])
                await asyncio.sleep(0)  # everybody else has a turn
            self._told = told
            await asyncio.sleep(EVERY_S)

    def tell(self) -> None:
        """Send what has changed since the last time."""
        self._told = self._tell(tuple(self._relays.relays.values()))

    def _tell(self, relays: Sequence[Relay]) -> dict[RelayLink, tuple[_Facts, ...]]:
        """Send what has changed since the last time; returns what they know now."""
        told: dict[RelayLink, tuple[_Facts, ...]] = {}
        for relay in relays:
            link = relay.link
            if link is None or link.ended is not None or "status" not in relay.hello.capabilities:
                continue
            facts = told[link] = tuple(self._facts(relay))
            if self._told.get(link) != facts:
                trip_ms = link.session.round_trip_ms or 0.0
                link.tell(Status(tuple(map(_driven, facts)), rtt_us=int(trip_ms * 1000)))
        return told

    def _facts(self, relay: Relay) -> Iterator[_Facts]:
        for p, opened in relay.devices.items():
            device = opened.device
            clients = {client.name for client in self._hub.owners(device).values()}
            yield _Facts(
                p, device, device.truth.changes, device.shown_name, clients, self._battery(device)
            )


def _driven(facts: _Facts) -> Driven:
    return Driven(
        facts.p,
        facts.name[:MAX_NAME],
        level=facts.device.strongest,
        clients=tuple(sorted(name[:MAX_NAME] for name in facts.clients)),
        battery=facts.battery,
    )


def why_not(relay: Relay) -> str | None:
    """Why nothing of this relay runs now, in words for somebody elsewhere; None if it may."""
    if relay.wearer.stopped:
        return "Stopped by who wears it, until they resume."
    if relay.wearer.paused:
        return "Paused by who wears it, until they resume."
    if relay.link is None:
        return "It cannot be reached now, and stops by itself."
    return None
