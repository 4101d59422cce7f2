"""The state in encoded parts, each made anew only when it is another one. Reads only.

`Parts` knows which of them are new since when. `HubParts` and `GuestParts` keep those of a hub up
to date. Of many relays and devices so many are looked at each time, in turns, and of each its
facts: what its document is made of, gathered in a tenth of the time that the document takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Generic, TypeVar

from msgspec.json import encode
from msgspec.structs import replace

from forwarder.api.bounds import DRIVES_BYTES_S, GONE_MOST, LOOKED_AT
from forwarder.api.dashboard.relays import absent_relay, relay_facts, relay_view
from forwarder.api.documents.model import RelayView
from forwarder.api.documents.shares import AcceptedView, ShareView
from forwarder.api.services import ApiServices
from forwarder.api.state_view import StateView
from forwarder.hub.client import ClientGrant
from forwarder.hub.device import Device
from forwarder.sources.relays.relay import Relay

_T = TypeVar("_T")
_F = TypeVar("_F")

Key = tuple[str, str]
"""Section, and the name in it; empty where the section is one document."""


class Parts:
    """Encoded parts by key, each with the `number` of its last change. Those that are gone are kept
    as None, up to GONE_MOST of them; whoever has a number before `whole_since` needs everything."""

    def __init__(self) -> None:
        self.number = 0
        self.whole_since = 0
        # The newest last.
        self._parts: dict[Key, tuple[int, bytes | None]] = {}
        self._gone = 0

    def put(self, key: Key, encoded: bytes | None) -> None:
        """It is this now; None: it is gone."""
        known = self._parts.get(key)
        if encoded == (None if known is None else known[1]):
            return
        if encoded is None:
            self._gone += 1
        elif known is not None and known[1] is None:
            self._gone -= 1
        self.number += 1
        self._parts.pop(key, None)
        self._parts[key] = self.number, encoded
        if self._gone > GONE_MOST:
            self._parts = {key: part for key, part in self._parts.items() if part[1] is not None}
            self._gone = 0
            self.whole_since = self.number

    def since(self, number: int) -> Iterator[tuple[Key, bytes | None]]:
        """What is different since then, the newest first."""
        for key, (at, encoded) in reversed(self._parts.items()):
            if at <= number:
                return
            yield key, encoded

    def whole(self) -> list[tuple[Key, bytes]]:
        """Everything there is, by name."""
        there = [(key, part) for key, (_, part) in self._parts.items() if part is not None]
        return sorted(there, key=lambda one: (one[0][0], one[0][1].casefold()))


class Section(Generic[_T, _F]):
    """The documents of one section, by name. `facts` of one are what `made` makes its document of:
    as long as they stay the same, so does that."""

    def __init__(
        self, name: str, facts: Callable[[_T], _F], made: Callable[[_T, _F], object]
    ) -> None:
        self._name = name
        self._of = facts
        self._made = made
        self._facts: dict[str, _F] = {}
        # Who has not been looked at in this round.
        self._left: deque[str] = deque()

    def look(self, there: Mapping[str, _T], parts: Parts) -> None:
        """`there` are all that there are; LOOKED_AT of them are looked at."""
        for name in self._facts.keys() - there.keys():
            del self._facts[name]
            parts.put((self._name, name), None)
        if not self._left:
            self._left.extend(there)
        for _ in range(min(LOOKED_AT, len(self._left))):
            name = self._left.popleft()
            if (one := there.get(name)) is None:
                continue
            facts = self._of(one)
            if self._facts.get(name) != facts:
                self._facts[name] = facts
                parts.put((self._name, name), encode(self._made(one, facts)))


class _Devices:
    """Sections "devices" and "live", as `grant` shows them."""

    def __init__(self, view: StateView, grant: ClientGrant | None = None) -> None:
        views = view.device_views
        self._views = Section("devices", partial(views.facts, grant=grant), views.view)
        self._live = Section("live", views.live_facts, views.live)

    def look(self, devices: Iterable[Device], parts: Parts) -> None:
        there = {str(device.index): device for device in devices}
        self._views.look(there, parts)
        self._live.look(there, parts)


class HubParts:
    """Everything, for whoever may see it."""

    def __init__(
        self,
        services: ApiServices,
        view: StateView,
        shares: Callable[[], tuple[ShareView, ...]],
        accepted: Callable[[], tuple[AcceptedView, ...]],
    ) -> None:
        self._services = services
        self._view = view
        self._shares = shares
        self._accepted = accepted
        self._parts = Parts()
        self._devices = _Devices(view)
        self._relays = Section("relays", _relay_facts, _relay_view)
        self._clients_due = float("-inf")

    def look(self, now: float) -> Parts:
        """The parts as they are now."""
        parts, view = self._parts, self._view
        parts.put(("hub", ""), encode(replace(view.hub(), up_s=0)))
        parts.put(("hold", ""), encode(view.hold()))
        parts.put(("origins", ""), encode(view.origins()))
        parts.put(("shares", ""), encode(self._shares()))
        parts.put(("accepted", ""), encode(self._accepted()))
        if now >= self._clients_due:
            clients = encode(view.clients())
            parts.put(("clients", ""), clients)
            self._clients_due = now + len(clients) / DRIVES_BYTES_S
        self._relays.look(self._all_relays(), parts)
        self._devices.look(self._services.hub.devices.values(), parts)
        return parts

    def _all_relays(self) -> dict[str, tuple[Relay | None, str, bool]]:
        """Those that are here, and those that are paired and away, by name."""
        here = self._services.relays.relays
        paired = {known.key.hex(): known.name for known in self._services.trust.book}
        away = {name: (None, name, True) for key, name in paired.items() if key not in here}
        return away | {
            relay.name: (relay, relay.name, key in paired) for key, relay in here.items()
        }


class GuestParts:
    """What a guest may see: its devices, with its ranges."""

    def __init__(self, services: ApiServices, view: StateView, grant: ClientGrant | None) -> None:
        self._hub = services.hub
        self._view = view
        self._grant = grant
        self._parts = Parts()
        self._devices = _Devices(view, grant)

    def look(self) -> Parts:
        # Whether and why nothing moves, but not who else is muted, or where the hub keeps files.
        hold = replace(self._view.hold(), muted=(), unsaved=None, missing=(), kept=())
        self._parts.put(("hold", ""), encode(hold))
        devices, grant = self._hub.devices.values(), self._grant
        seen = devices if grant is None else filter(grant.sees, devices)
        self._devices.look(seen, self._parts)
        return self._parts


def _relay_facts(one: tuple[Relay | None, str, bool]) -> object:
    relay, name, paired = one
    return name if relay is None else relay_facts(relay, paired)


def _relay_view(one: tuple[Relay | None, str, bool], _: object) -> RelayView:
    relay, name, paired = one
    return absent_relay(name) if relay is None else relay_view(relay, paired)
