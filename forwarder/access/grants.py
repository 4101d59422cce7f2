"""What somebody beyond this machine may do: grants, and the one table that keeps them.

An entry is a token (for apps) or a share (for a person with a browser). Both have a name that is
theirs alone, and the same limits. Sans-I/O but for the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec

from forwarder.access.bounds import MAX_ENTRIES, MAX_NAME, SELECTORS
from forwarder.buttplug.messages import OutputType
from forwarder.errors import ConfigError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state
from relay.link.names import neutralise, quoted

_FORMAT: Final = 1
_REMEDY: Final = "restore it from a backup, or delete it and make new tokens and shares"

OutputShare = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Described(Protocol):
    """Of a device, what a grant can name: forwarder.hub.device.Device has these."""

    @property
    def index(self) -> int | None: ...

    @property
    def name(self) -> str: ...

    @property
    def display_name(self) -> str | None: ...


class TokenGrant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one entry allows; fits forwarder.hub.hub.Grant.

    `devices`: indexes ("3") or names, a trailing * makes it a prefix; empty: all. `outputs`:
    empty: all. `level`: the highest fraction of each output's range. `expires`: Unix time.
    """

    name: str
    devices: tuple[str, ...] = ()
    outputs: tuple[OutputType, ...] = ()
    level: OutputShare = 1.0
    expires: float | None = None

    @property
    def refusal(self) -> str | None:
        """Who has a token may drive at any time."""
        return None

    def sees(self, device: Described) -> bool:
        if not self.devices:
            return True
        names = (device.name, device.display_name or device.name)
        return any(_selects(selector, device.index, names) for selector in self.devices)

    def allows(self, device: Described, kind: OutputType) -> bool:
        return self.sees(device) and (not self.outputs or kind in self.outputs)

    def ceiling(self, device: Described, kind: OutputType) -> float:
        """The highest fraction of the range, 0..1; 0 for what is not allowed."""
        return self.level if self.allows(device, kind) else 0.0

    def over(self, now: float) -> bool:
        return self.expires is not None and now >= self.expires


def _selects(selector: str, index: int | None, names: Sequence[str]) -> bool:
    if selector.isascii() and selector.isdigit():
        return index == int(selector)
    wanted = selector.casefold()
    if wanted.endswith("*"):
        return any(name.casefold().startswith(wanted[:-1]) for name in names)
    return any(name.casefold() == wanted for name in names)


def new_grant(
    name: str,
    now: float,
    *,
    devices: Sequence[str] = (),
    outputs: Sequence[str] = (),
    level: float = 1.0,
    valid_s: float | None = None,
) -> TokenGrant:
    """Check what a person wants. `outputs`: names of output types, without regard to case.
    `valid_s`: None for ever. Raises ConfigError for what cannot be."""
    check_level(level)
    if valid_s is not None and not 0 < valid_s < float("inf"):
        raise ConfigError(f"{quoted(name, MAX_NAME)} has to be valid for some time.")
    if len(devices) > SELECTORS:
        raise ConfigError(f"A grant names {SELECTORS} devices at most.")
    expires = None if valid_s is None else now + valid_s
    shown = tuple(neutralise(device) for device in devices)
    return TokenGrant(name, shown, tuple(map(_output, outputs)), level, expires)


def check_level(level: float) -> None:
    """Raises ConfigError."""
    if not 0 < level <= 1:
        raise ConfigError(f"A ceiling lies above 0 and at 1 at most, not at {level:g}.")


def _output(name: str) -> OutputType:
    for kind in OutputType:
        if kind.value.casefold() == name.strip().casefold():
            return kind
    known = ", ".join(OutputType)
    raise ConfigError(f"There is no output type {quoted(name)}; there are {known}.")


class ShareGuest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A browser that has taken a share's link. `number`: its own among the guests of the share.
    `browser`: what it calls itself. Neither allowed nor refused: it waits for an answer."""

    key: bytes
    number: int
    browser: str
    allowed: bool = False
    refused: bool = False


class ShareTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes an entry a share. `psk`: of its handshake, made from the link's secret. `uses`:
    browsers that may take it; `ask`: each of them waits until it is allowed. `valid_s`: the time it
    was made for."""

    psk: bytes
    uses: int = 1
    ask: bool = True
    valid_s: float | None = None
    guests: tuple[ShareGuest, ...] = ()


class GrantEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`sha256`: of the token, empty for a share."""

    sha256: bytes
    grant: TokenGrant
    share: ShareTerms | None = None


class _GrantsFile(msgspec.Struct, frozen=True):
    version: int
    tokens: tuple[GrantEntry, ...]


class GrantTable:
    """All entries of a hub, in the order they were made. Without a path: for this run only."""

    def __init__(self, path: Path | None) -> None:
        """Raises ConfigError if the file is damaged, or if other users can read it."""
        self._path = path
        self._entries: tuple[GrantEntry, ...] = ()
        if path is None:
            return
        try:
            file = read_state(path, _GrantsFile, _FORMAT, _REMEDY)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        if file is not None:
            self._entries = file.tokens

    def __iter__(self) -> Iterator[GrantEntry]:
        return iter(self._entries)

    def free_name(self, name: str, kind: str, remedy: str) -> str:
        """`name` as it is kept. Raises ConfigError if it is taken, or if there is no room."""
        name = neutralise(name, MAX_NAME)
        if not name:
            raise ConfigError(f"A {kind} needs a name, such as who will use it.")
        taken = self.find(name)
        if taken is not None:
            what = "token" if taken.share is None else "share"
            raise ConfigError(f"There is a {what} {quoted(taken.grant.name)} already; {remedy}.")
        if len(self._entries) >= MAX_ENTRIES:
            raise ConfigError(f"This hub has {MAX_ENTRIES} tokens and shares; end one first.")
        return name

    def find(self, name: str) -> GrantEntry | None:
        """By name, without regard to case."""
        wanted = neutralise(name, MAX_NAME).casefold()
        return next((e for e in self._entries if e.grant.name.casefold() == wanted), None)

    def add(self, entry: GrantEntry) -> None:
        """On the disk before it is so in memory. Raises OSError."""
        self._keep((*self._entries, entry))

    def put(self, old: GrantEntry, new: GrantEntry, *, at_once: bool = False) -> None:
        """Replace `old`. `at_once`: it holds even if the disk does not take it. Raises OSError."""
        entries = tuple(new if entry is old else entry for entry in self._entries)
        if at_once:
            self._entries = entries
        self._keep(entries)

    def remove(self, entry: GrantEntry) -> None:
        """Holds at once, whatever the disk says. Raises OSError."""
        self._entries = tuple(other for other in self._entries if other is not entry)
        self._keep(self._entries)

    def _keep(self, entries: tuple[GrantEntry, ...]) -> None:
        if self._path is not None:
            write_state(self._path, _GrantsFile(_FORMAT, entries))
        self._entries = entries
