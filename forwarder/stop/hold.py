"""The person's stop as a state: whether anything may be driven, and which apps may not. Pure.

A stop that only stops is undone by the next command: a game that sends ten values a second drives
on a tenth of a second later. So the person's stop is a state that outlasts commands, connections
and runs of the hub, and only the person ends it.

Theory. There are three questions, and each has one owner here:

* May anybody drive? `HoldMode` says. Every value that is to reach a toy passes `Hub.output`, the
  only caller of `Device.output`, and that asks `refusal` first. What was let through before is for
  the stops that the hub sends in the same breath: a stop overtakes what waits.
* May a toy be connected? Not while the mode is another one than FREE, for a handshake may move it;
  sources ask `DeviceSink.holds`. One that may be running is connected, stopped, and let go.
* May this app drive? An app is known by its name and, if it came with a token, by the name of
  that; names outlast connections, and whoever came with a token cannot give it another name.

A stop is stronger than a pause: a pause does not take a stop back. The first one counts for "since
when" and "by whom": pressing again repeats the stops, but it was stopped before. Ending it is one
step from either. Mutes are no part of it: resuming does not unmute.

    mode \\ wish   STOP      PAUSE     RESUME
    FREE          STOPPED   PAUSED    FREE
    PAUSED        STOPPED   PAUSED    FREE
    STOPPED       STOPPED   STOPPED   FREE

In every mode a stop passes, from anyone, and so does a value of 0 while held: as a stop.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Final

import msgspec
from msgspec.structs import replace

from forwarder.errors import ConfigError
from forwarder.stop.bounds import MAX_MUTED
from relay.link.names import neutralise, quoted


class HoldMode(StrEnum):
    FREE = "free"
    PAUSED = "paused"
    STOPPED = "stopped"


class Wish(Enum):
    STOP = auto()
    PAUSE = auto()
    RESUME = auto()


NEXT: Final[dict[tuple[HoldMode, Wish], HoldMode]] = {
    (HoldMode.FREE, Wish.STOP): HoldMode.STOPPED,
    (HoldMode.FREE, Wish.PAUSE): HoldMode.PAUSED,
    (HoldMode.FREE, Wish.RESUME): HoldMode.FREE,
    (HoldMode.PAUSED, Wish.STOP): HoldMode.STOPPED,
    (HoldMode.PAUSED, Wish.PAUSE): HoldMode.PAUSED,
    (HoldMode.PAUSED, Wish.RESUME): HoldMode.FREE,
    (HoldMode.STOPPED, Wish.STOP): HoldMode.STOPPED,
    (HoldMode.STOPPED, Wish.PAUSE): HoldMode.STOPPED,
    (HoldMode.STOPPED, Wish.RESUME): HoldMode.FREE,
}


class Muted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An app, or all that came with the token of this name. `since`: Unix time."""

    name: str
    by: str
    since: float


class HoldState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All there is to know, and to keep. `by` and `since` (Unix time) are of the mode; FREE has
    neither."""

    mode: HoldMode = HoldMode.FREE
    by: str = ""
    since: float = 0.0
    muted: tuple[Muted, ...] = ()


class Hold:
    """The state and its changes. Nothing here waits or fails but for a name that is none."""

    def __init__(self, state: HoldState | None = None) -> None:
        self._become(state or HoldState())

    def _become(self, state: HoldState) -> None:
        self.state = state
        # Whether `refusal` has anything to say to anybody; asked for with each value.
        self.refuses_anybody = state.mode is not HoldMode.FREE or bool(state.muted)

    def __repr__(self) -> str:
        return f"<Hold {self.state.mode}, {len(self.state.muted)} muted>"

    @property
    def holds(self) -> bool:
        """Whether nothing may be driven."""
        return self.state.mode is not HoldMode.FREE

    def wish(self, wish: Wish, by: str, now: float) -> bool:
        """Stop, pause or resume; `now` in Unix time. Returns whether the mode has changed."""
        mode = NEXT[self.state.mode, wish]
        if mode is self.state.mode:
            return False
        by, since = ("", 0.0) if mode is HoldMode.FREE else (neutralise(by), now)
        self._become(replace(self.state, mode=mode, by=by, since=since))
        return True

    def mute(self, name: str, by: str, now: float) -> Muted:
        """Muted again: it stays as it was. Raises ConfigError for no name, or too many."""
        key = _key(name)
        if not key:
            raise ConfigError("Which app? Say its name as `forwarder status` shows it.")
        for muted in self.state.muted:
            if _key(muted.name) == key:
                return muted
        if len(self.state.muted) >= MAX_MUTED:
            raise ConfigError(f"{MAX_MUTED} names are muted already: unmute some first.")
        muted = Muted(neutralise(name), neutralise(by), now)
        self._become(replace(self.state, muted=(*self.state.muted, muted)))
        return muted

    def unmute(self, name: str) -> Muted:
        """Returns what it was. Raises ConfigError if it is not muted."""
        for muted in self.state.muted:
            if _key(muted.name) == _key(name):
                left = tuple(other for other in self.state.muted if other is not muted)
                self._become(replace(self.state, muted=left))
                return muted
        raise ConfigError(f"{quoted(name)} is not muted.")

    def muted(self, *names: str | None) -> Muted | None:
        """Whether an app with one of these names is muted: its own, that of its token."""
        if not self.state.muted:
            return None
        keys = {_key(name) for name in names if name}
        return next((muted for muted in self.state.muted if _key(muted.name) in keys), None)

    def refusal(self, *names: str | None) -> str | None:
        """Why an app with these names may not drive now, in a person's words; None if it may."""
        state = self.state
        if state.mode is not HoldMode.FREE:
            who = f" by {state.by}" if state.by else ""
            return (
                f"Everything was {state.mode}{who} {_when(state.since)}; it goes on when the person"
                " at the hub resumes."
            )
        muted = self.muted(*names)
        if muted is None:
            return None
        who = f" by {muted.by}" if muted.by else ""
        return (
            f"{muted.name} was muted{who} {_when(muted.since)}; it may drive again when the person"
            " at the hub unmutes it."
        )


def _key(name: str) -> str:
    # As it is shown: what looks the same to the person is the same.
    return neutralise(name).casefold()


def _when(since: float) -> str:
    return f"on {datetime.fromtimestamp(since):%Y-%m-%d at %H:%M}"
