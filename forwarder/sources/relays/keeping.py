"""Carries out what `Reserved` decides: toys that a wearer keeps run at no other relay."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from forwarder.hub.device import Device
from forwarder.hub.kept import KeptConnection
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.reserved import Reserved

# Before the keys of relays that are not paired, see RelaySource.drive.
UNPAIRED = ":"


class Keeping:
    """`relays`: all there are, by key; their keeper's own table.

    `kept`: what `on_kept` was given last, before a restart: the toys that wearers keep at paired
    relays, which they resume or the user revokes.
    """

    def __init__(
        self,
        relays: Mapping[str, Relay],
        kept: Iterable[KeptConnection],
        on_kept: Callable[[tuple[KeptConnection, ...]], None],
    ) -> None:
        self.reserved = Reserved(kept)
        self._relays = relays
        self._on_kept = on_kept

    def has(self, relay: Relay, address: str, toy: str = "") -> None:
        """`relay` has this toy."""
        self.reserved.had(address, relay.key, toy, _Linked(self._relays))
        if relay.blocked is not None:
            self._told()

    def keep(self, relay: Relay, why: str, let_go: Callable[[Device, str], None]) -> None:
        """The wearer stopped or paused this relay: what it has or had runs nowhere else."""
        for opening in relay.opening.values():
            self.has(relay, opening.hardware.address)
        held = set(self.reserved.block(relay.key, why))
        self._told()
        for other in self._relays.values():
            if other is relay:
                continue
            for opening in other.opening.values():
                if opening.hardware.address in held:
                    opening.give_up(why)
            for opened in tuple(other.devices.values()):
                if opened.hardware.address in held:
                    let_go(opened.device, why)

    def free(self, key: str) -> list[str]:
        """This relay keeps nothing any more; returns the addresses of those that are nowhere."""
        freed = self.reserved.free(key)
        self._told()
        if not freed:
            return []  # nearly always: each relay says so when it comes
        here = {
            hardware.address for relay in self._relays.values() for hardware in relay.all_hardware()
        }
        return [address for address in freed if address not in here]

    def _told(self) -> None:
        # A relay without a key cannot be revoked: if it never came back, neither would its toys.
        self._on_kept(tuple(one for one in self.reserved.holds() if UNPAIRED not in one.relay))


class _Linked(Container[str]):
    """Keys of the relays that are linked now: looked up, for a toy comes at a time, and of a
    thousand relays two matter to it."""

    def __init__(self, relays: Mapping[str, Relay]) -> None:
        self._relays = relays

    def __contains__(self, key: object) -> bool:
        relay = self._relays.get(key) if isinstance(key, str) else None
        return relay is not None and relay.link is not None
