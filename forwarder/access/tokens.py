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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from forwarder.access.bounds import MAX_ENTRIES, MAX_NAME
from forwarder.access.credentials import TOKEN_PREFIX
from forwarder.access.grants import GrantEntry, GrantTable, new_grant
from forwarder.access.grants import TokenGrant as TokenGrant
from forwarder.errors import ConfigError
from relay.link.names import quoted

# So that people and secret scanners see what it is: bp, forwarder, token.
PREFIX: Final = TOKEN_PREFIX
TOKEN_BYTES: Final = 32
MAX_TOKENS: Final = MAX_ENTRIES
_TOKEN: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class TokenBook:
    """All tokens of a hub, by hash: the entries of `table` that are no shares."""

    def __init__(
        self, path: Path | None, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """Without a path: for this run only. Raises ConfigError if the file is damaged, or if other
        users can read it."""
        self.table = GrantTable(path)
        self._random = random

    def __iter__(self) -> Iterator[TokenGrant]:
        """What `forwarder token list` shows: no secret in it."""
        return (entry.grant for entry in self._entries)

    @property
    def _entries(self) -> tuple[GrantEntry, ...]:
        return tuple(entry for entry in self.table if entry.share is None)

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
        name = self.table.free_name(name, "token", "revoke it, or take another name")
        grant = new_grant(name, now, devices=devices, outputs=outputs, level=level, valid_s=valid_s)
        token = PREFIX + base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).rstrip(b"=").decode()
        self.table.add(GrantEntry(_hash(token), grant))
        return token

    def revoke(self, name: str) -> TokenGrant:
        """Forget a token at once; whoever calls this ends the clients that came with it.

        Raises ConfigError if there is none of that name; OSError if that cannot be written, in
        which case the token is refused until the hub starts again.
        """
        found = self.table.find(name)
        if found is None or found.share is not None:
            known = ", ".join(grant.name for grant in self) or "none"
            raise ConfigError(f"There is no token {quoted(name, MAX_NAME)}; tokens: {known}.")
        self.table.remove(found)
        return found.grant

    def check(self, token: str, now: float) -> TokenGrant | None:
        """Return what `token` grants at `now`, None for one that is unknown, revoked or over."""
        if _TOKEN.fullmatch(token) is None:
            return None
        presented = _hash(token)
        found = None
        for entry in self._entries:  # all of them: no timing tells how near it was
            if hmac.compare_digest(entry.sha256, presented):
                found = entry.grant
        return None if found is None or found.over(now) else found

    def check_all(self, tokens: Iterable[str], now: float) -> TokenGrant | None:
        """What the first of `tokens` grants, if every one of them is good."""
        grants = [self.check(token, now) for token in tokens]
        return grants[0] if grants and None not in grants else None

    def holds(self, grant: TokenGrant, now: float) -> bool:
        """Whether a client that came with `grant` may stay."""
        return any(entry.grant == grant for entry in self._entries) and not grant.over(now)


def without_tokens(text: str) -> str:
    """Return `text`, a URL or a log line, with every token made unreadable."""
    return re.sub(rf"{PREFIX}[A-Za-z0-9_-]+", f"{PREFIX}…", text)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
