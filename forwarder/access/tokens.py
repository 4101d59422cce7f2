"""Tokens for clients beyond loopback: made, listed, revoked, checked; and what each one grants.

A token is 256 random bits that is shown once; the file keeps its SHA-256 only, so whoever reads
the file cannot use it. Being random, it needs no slow hash. Sans-I/O but for the file. `now` is
Unix time here, because an expiry must survive a restart: it is right when the hub's clock is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec

from forwarder.access.credentials import TOKEN_PREFIX
from forwarder.buttplug.messages import OutputType
from forwarder.errors import ConfigError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state
from relay.link.names import neutralise, quoted

# So that people and secret scanners see what it is: bp, forwarder, token.
PREFIX: Final = TOKEN_PREFIX
TOKEN_BYTES: Final = 32
MAX_TOKENS: Final = 256
_FORMAT: Final = 1
_REMEDY: Final = "restore it from a backup, or delete it and make new tokens"
_TOKEN: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_SELECTORS: Final = 64

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
    """What one token allows; fits forwarder.hub.hub.Grant.

    `devices`: indexes ("3") or names, a trailing * makes it a prefix; empty: all. `outputs`:
    empty: all. `level`: the highest fraction of each output's range. `expires`: Unix time.
    """

    name: str
    devices: tuple[str, ...] = ()
    outputs: tuple[OutputType, ...] = ()
    level: OutputShare = 1.0
    expires: float | None = None

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


def _selects(selector: str, index: int | None, names: Sequence[str]) -> bool:
    if selector.isascii() and selector.isdigit():
        return index == int(selector)
    wanted = selector.casefold()
    if wanted.endswith("*"):
        return any(name.casefold().startswith(wanted[:-1]) for name in names)
    return any(name.casefold() == wanted for name in names)


class _Stored(msgspec.Struct, frozen=True):
    sha256: bytes
    grant: TokenGrant


class _TokensFile(msgspec.Struct, frozen=True):
    version: int
    tokens: tuple[_Stored, ...]


class TokenBook:
    """All tokens of a hub, by hash. Without a path: for this run only."""

    def __init__(
        self, path: Path | None, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """Raises ConfigError if the file is damaged, or if other users can read it."""
        self._path = path
        self._random = random
        self._tokens: dict[bytes, TokenGrant] = {}
        if path is None:
            return
        try:
            file = read_state(path, _TokensFile, _FORMAT, _REMEDY)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        if file is not None:
            self._tokens = {stored.sha256: stored.grant for stored in file.tokens}

    def __iter__(self) -> Iterator[TokenGrant]:
        """What `forwarder token list` shows: no secret in it."""
        return iter(tuple(self._tokens.values()))

    def new(
        self,
        name: str,
        now: float,
        *,
        devices: Sequence[str] = (),
        outputs: Sequence[str] = (),
        level: float = 1.0,
        valid_s: float | None = None,
    ) -> str:
        """Return a new token; this is the only time it can be read.

        `outputs`: names of output types, without regard to case. `valid_s`: None for ever.
        Raises ConfigError for a name in use and for what cannot be, OSError from the disk.
        """
        name = neutralise(name, 64)
        if not name:
            raise ConfigError("A token needs a name, such as the app that will use it.")
        if any(grant.name.casefold() == name.casefold() for grant in self):
            raise ConfigError(
                f"There is a token {quoted(name, 64)} already; revoke it, or take another name."
            )
        if len(self._tokens) >= MAX_TOKENS:
            raise ConfigError(f"This hub has {MAX_TOKENS} tokens; revoke one first.")
        if not 0 < level <= 1:
            raise ConfigError(f"A ceiling lies above 0 and at 1 at most, not at {level:g}.")
        if valid_s is not None and not 0 < valid_s < float("inf"):
            raise ConfigError("A token has to be valid for some time.")
        if len(devices) > _SELECTORS:
            raise ConfigError(f"A token names {_SELECTORS} devices at most.")
        expires = None if valid_s is None else now + valid_s
        shown = tuple(neutralise(device) for device in devices)
        grant = TokenGrant(name, shown, tuple(map(_output, outputs)), level, expires)
        token = PREFIX + base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).rstrip(b"=").decode()
        tokens = {**self._tokens, _hash(token): grant}
        self._write(tokens)
        self._tokens = tokens
        return token

    def revoke(self, name: str) -> TokenGrant:
        """Forget a token at once; whoever calls this ends the clients that came with it.

        Raises ConfigError if there is none of that name; OSError if that cannot be written, in
        which case the token is refused until the hub starts again.
        """
        wanted = neutralise(name, 64).casefold()
        found = next((h for h, g in self._tokens.items() if g.name.casefold() == wanted), None)
        if found is None:
            known = ", ".join(grant.name for grant in self) or "none"
            raise ConfigError(f"There is no token {quoted(name, 64)}; tokens: {known}.")
        grant = self._tokens.pop(found)
        self._write(self._tokens)
        return grant

    def check(self, token: str, now: float) -> TokenGrant | None:
        """Return what `token` grants at `now`, None for one that is unknown, revoked or over."""
        if _TOKEN.fullmatch(token) is None:
            return None
        presented = _hash(token)
        found = None
        for known, grant in self._tokens.items():  # all of them: no timing tells how near it was
            if hmac.compare_digest(known, presented):
                found = grant
        if found is None or (found.expires is not None and now >= found.expires):
            return None
        return found

    def check_all(self, tokens: Iterable[str], now: float) -> TokenGrant | None:
        """What the first of `tokens` grants, if every one of them is good."""
        grants = [self.check(token, now) for token in tokens]
        return grants[0] if grants and None not in grants else None

    def holds(self, grant: TokenGrant, now: float) -> bool:
        """Whether a client that came with `grant` may stay."""
        return grant in self._tokens.values() and (grant.expires is None or now < grant.expires)

    def _write(self, tokens: Mapping[bytes, TokenGrant]) -> None:
        if self._path is not None:
            stored = tuple(_Stored(known, grant) for known, grant in tokens.items())
            write_state(self._path, _TokensFile(_FORMAT, stored))


def without_tokens(text: str) -> str:
    """Return `text`, a URL or a log line, with every token made unreadable."""
    return re.sub(rf"{PREFIX}[A-Za-z0-9_-]+", f"{PREFIX}…", text)


def _output(name: str) -> OutputType:
    for kind in OutputType:
        if kind.value.casefold() == name.strip().casefold():
            return kind
    known = ", ".join(OutputType)
    raise ConfigError(f"There is no output type {quoted(name)}; there are {known}.")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
