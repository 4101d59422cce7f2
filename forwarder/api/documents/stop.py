"""The documents about the person's stop; see forwarder.stop.hold."""

from __future__ import annotations

from forwarder.api.documents.base import DeviceIndex, Document, RequestBody, ShownName


class MutedView(Document, frozen=True):
    """An app that may not drive, or all that come with the token of this name."""

    name: str
    by: str
    since: float


class MissingView(Document, frozen=True):
    """A toy that is not connected and may be running. `relay`: which had it, and looks for it.
    `index`: which it had in the hub."""

    name: str
    relay: str
    index: DeviceIndex | None = None


class KeptView(Document, frozen=True):
    """A toy whose wearer has paused or stopped the relay that had it, and which no other relay may
    have until they resume. `why` says so in words."""

    name: str
    why: str


class HoldView(Document, frozen=True):
    """The person's stop. `mode`: free, paused or stopped; `by` whom, `since` when (Unix time).

    `unsaved`: why this would not survive a restart of the hub, in words. `missing`: what no stop
    can reach now. `kept`: what its wearer keeps from all other relays, and is not connected.
    `held_back`: names of toys that are there and not connected, because everything is held.
    """

    mode: str
    by: str | None
    since: float | None
    muted: tuple[MutedView, ...]
    unsaved: str | None
    missing: tuple[MissingView, ...] = ()
    kept: tuple[KeptView, ...] = ()
    held_back: tuple[str, ...] = ()


class StopBody(RequestBody, frozen=True):
    """Without `device`: everything, until it is resumed; with a token for clients, what that may
    see, for the moment. Without `feature`: the whole device. `by`: who stops, shown to people."""

    device: DeviceIndex | None = None
    feature: DeviceIndex | None = None
    by: ShownName | None = None


class WhoBody(RequestBody, frozen=True):
    """`by`: who does it, shown to people."""

    by: ShownName | None = None


class AppBody(RequestBody, frozen=True):
    """`name`: of an app as the status shows it, or of its token. In the body, for an app may call
    itself anything, and not everything can be a part of a path."""

    name: ShownName
    by: ShownName | None = None


class StoppedView(Document, frozen=True):
    """`confirmed`: devices whose radio said that it has written the stop, of `told`.

    `failed`: what was not confirmed, in words. `missing`: toys that are not connected and may be
    running; after a stop of everything. `held`: nothing may be driven until it is resumed.
    `unsaved`: why the hold would not survive a restart of the hub.
    """

    told: int
    confirmed: int
    failed: tuple[str, ...]
    missing: tuple[MissingView, ...] = ()
    held: bool = False
    unsaved: str | None = None


class ForgetBody(RequestBody, frozen=True):
    """`name`: of a toy that is missing, or its index."""

    name: ShownName


class Forgotten(Document, frozen=True):
    name: str


class DisconnectedView(Document, frozen=True):
    """How many connections were ended."""

    clients: int
