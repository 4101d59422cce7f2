"""The state of the hub as it changes: the whole once, then only what is different, at most ten
times a second. A reader that is slow gets fewer, newer changes; nothing is queued for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from forwarder.api.access import Caller, Right
from forwarder.api.bounds import ALIVE_S, ASKED_S, EVERY_S, LOG_LINES
from forwarder.api.dashboard.parts import GuestParts, HubParts, Parts
from forwarder.api.documents.model import (
    ClientView,
    DeviceIndex,
    DeviceView,
    Document,
    HubView,
    LiveView,
    LogLine,
    OriginsView,
    RelayView,
)
from forwarder.api.documents.shares import AcceptedView, ShareView
from forwarder.api.documents.stop import HoldView
from forwarder.api.services import ApiServices
from forwarder.api.state_view import StateView
from forwarder.buttplug.messages import OutputType
from forwarder.hub.client import ClientGrant


class Change(Document, frozen=True):
    """What is different since the last one; in maps, null means that it is gone.

    `whole`: the first one, everything. `live` has what changes all the time, by device index.
    `trouble`: what went wrong with what this caller drives. `up_s`: how long the hub is up; it
    comes once a second, also when nothing else does, as a sign of life.
    """

    whole: bool = False
    hub: HubView | UnsetType = UNSET
    hold: HoldView | UnsetType = UNSET
    relays: dict[str, RelayView | None] | UnsetType = UNSET
    devices: dict[str, DeviceView | None] | UnsetType = UNSET
    live: dict[str, LiveView | None] | UnsetType = UNSET
    clients: tuple[ClientView, ...] | UnsetType = UNSET
    origins: OriginsView | UnsetType = UNSET
    shares: tuple[ShareView, ...] | UnsetType = UNSET
    accepted: tuple[AcceptedView, ...] | UnsetType = UNSET
    log: tuple[LogLine, ...] | UnsetType = UNSET
    trouble: tuple[str, ...] | UnsetType = UNSET
    up_s: int | UnsetType = UNSET


class CallerHello(Struct, frozen=True, tag="hello", tag_field="t", forbid_unknown_fields=True):
    token: Annotated[str, Meta(max_length=256)] = ""


class Drive(
    Struct, frozen=True, tag="drive", tag_field="t", forbid_unknown_fields=True, kw_only=True
):
    """Bring an output to `steps`."""

    device: DeviceIndex
    feature: DeviceIndex
    type: OutputType
    steps: int
    duration_ms: Annotated[int, Meta(ge=0, le=3_600_000)] | None = None


class CallerRelease(Struct, frozen=True, tag="release", tag_field="t", forbid_unknown_fields=True):
    """Stop everything that this caller drives."""


class Alive(Struct, frozen=True, tag="alive", tag_field="t", forbid_unknown_fields=True):
    """The page is alive and its person can see it."""


CallerMessage = CallerHello | Drive | CallerRelease | Alive

_MAPS = ("relays", "devices", "live")


class Watch:
    """The parts of the state, looked at no more often than EVERY_S by whoever asks."""

    def __init__(
        self,
        services: ApiServices,
        view: StateView,
        shares: Callable[[], tuple[ShareView, ...]] = tuple,
        accepted: Callable[[], tuple[AcceptedView, ...]] = tuple,
    ) -> None:
        self._services = services
        self._view = view
        self._hub = HubParts(services, view, shares, accepted)
        self._parts = Parts()
        self._looked = float("-inf")
        self._asked = float("-inf")
        self.readers = 0

    def ask(self, now: float) -> None:
        """A script looked at the devices; it may do so again."""
        self._asked = now

    def watched(self, now: float) -> bool:
        """Whether somebody is looking, or did a moment ago."""
        return self.readers > 0 or now - self._asked < ASKED_S

    def parts(self, now: float) -> Parts:
        # A little less than the interval, or readers in step would get old news in turn.
        if now - self._looked >= EVERY_S * 0.8:
            self._parts = self._hub.look(now)
            self._looked = now
        return self._parts

    def guest_parts(self, grant: ClientGrant | None) -> GuestParts:
        """What one guest may see, for as long as it reads."""
        return GuestParts(self._services, self._view, grant)


class Feed:
    """What one reader has been told, and so what it must be told next. Count it in and out of
    `Watch.readers`."""

    def __init__(
        self,
        watch: Watch,
        services: ApiServices,
        caller: Caller,
        troubles: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._watch = watch
        self._log = services.log
        self._started = services.started
        self._troubles = troubles
        self._guest = None if caller.may(Right.READ) else watch.guest_parts(caller.grant)
        self._told: int | None = None
        self._line = 0
        self._alive = float("-inf")

    def next(self, now: float) -> bytes | None:
        """The next Change, encoded; None if nothing has changed, for ALIVE_S at most."""
        parts = self._watch.parts(now) if self._guest is None else self._guest.look()
        told, self._told = self._told, parts.number
        change: dict[str, object] = {}
        if told is None or told < parts.whole_since:
            change = {"whole": True, **{section: {} for section in _MAPS}}
            self._line = 0
            for key, encoded in parts.whole():
                _put(change, key, Raw(encoded))
        else:
            for key, news in parts.since(told):
                _put(change, key, None if news is None else Raw(news))
        if self._guest is None and self._log.last != self._line:
            change["log"] = self._log.since(self._line, LOG_LINES)
            self._line = self._log.last
        if troubles := self._troubles():
            change["trouble"] = troubles
        if now - self._alive >= ALIVE_S:
            self._alive = now
            change["up_s"] = int(time.monotonic() - self._started)
        return msgspec.json.encode(change) if change else None


def _put(change: dict[str, object], key: tuple[str, str], value: object) -> None:
    section, name = key
    if section in _MAPS:
        place = change.setdefault(section, {})
        assert isinstance(place, dict)
        place[name] = value
    else:
        change[section] = value


async def pace(since: float) -> None:
    """Wait until the next change may be sent, if the last one was sent at `since`."""
    await asyncio.sleep(max(0.0, since + EVERY_S - asyncio.get_running_loop().time()))
