"""Whom the hub trusts: pairing codes and paired relays. Sans-I/O but for the book's
file. `now` is monotonic seconds; no wall clock decides anything.

`HubTrust` puts the three together as relay.link.security.handshake.Trust and
relay.link.security.secure.Door. They answer three questions, each at its own cost:

1. May this address begin a handshake? (`Doorkeeper`.) Asked before any cryptography, so it knows
   nothing but numbers: how many are greeting, in all and from there, and how many came this minute.
   Addresses that have proven themselves before have room of their own, for a crowd of strangers may
   be behind the same router as the relay that it would keep out.
2. Which secret does this code id stand for? (`PairingDesk`.) A code is ISSUED, OFFERED to at most
   MAX_TRIES handshakes, and over once the first that finishes has SPENT it, or it EXPIRED.
   To look it up spends nothing but a try, for whoever has only seen the id could otherwise end it;
   to spend it is the last step, after the relay has shown its key, so that one of two racing relays
   is told that it was too late instead of being paired halfway.
3. Is this key known? (`RelayBook`.) The book is written before a new key counts: a pairing that a
   crash forgets would lock the relay out, which believes it. A revocation counts before it is
   written: a disk that is full must not keep a door open.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Final

import msgspec

from forwarder.access.bounds import (
    CODE_S,
    MAX_CODES,
    MAX_RELAYS,
    MAX_SPENT,
    MAX_TRIES,
    MEETING_SHARE,
)
from forwarder.access.doorkeeper import Doorkeeper
from forwarder.access.proven_networks import ProvenNetworks
from forwarder.errors import ConfigError, ForwarderError
from relay.link.files.keys import PrivateFileError, load_or_create_key
from relay.link.files.statefile import read_state, write_state
from relay.link.names import neutralise, quoted
from relay.link.security.handshake import SECRET_BYTES, HandshakeRefused, RefusalCode, code_id
from relay.link.security.noise import KEY_BYTES, KeyPair

log = logging.getLogger(__name__)

_FORMAT: Final = 1
_REMEDY: Final = "restore it from a backup, or delete it and pair the relays again"


@dataclass(slots=True)
class _Code:
    secret: bytes
    expires: float
    tries: int = 0


class PairingDesk:
    """One-time pairing codes: issued, offered to handshakes, spent by the first that finishes."""

    def __init__(self, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random = random
        self._codes: dict[bytes, _Code] = {}
        self._spent: deque[bytes] = deque(maxlen=MAX_SPENT)

    def issue(self, now: float, valid_s: float = CODE_S) -> bytes:
        """Return a new secret of 32 bytes, valid once and for `valid_s`. The oldest of too many
        codes is withdrawn.
        """
        if not 0 < valid_s <= CODE_S:
            raise ValueError(f"a pairing code is valid for {CODE_S:g} s at most")
        self._expire(now)
        while len(self._codes) >= MAX_CODES:
            self._end(next(iter(self._codes)))
        secret = self._random(SECRET_BYTES)
        self._codes[code_id(secret)] = _Code(secret, now + valid_s)
        return secret

    def offer(self, code: bytes, now: float) -> bytes | RefusalCode:
        """Return the secret whose id is `code`, for one more try."""
        self._expire(now)
        found = self._find(code)
        if found is None:
            spent = [hmac.compare_digest(code, known) for known in self._spent]
            return RefusalCode.CODE_SPENT if any(spent) else RefusalCode.WRONG_CODE
        if found.tries >= MAX_TRIES:
            self._end(code)
            return RefusalCode.CODE_SPENT
        found.tries += 1
        return found.secret

    def spend(self, code: bytes, now: float) -> bool:
        """End the code; False if it has ended before."""
        self._expire(now)
        if self._find(code) is None:
            return False
        self._end(code)
        return True

    def is_open(self, secret: bytes, now: float) -> bool:
        """Whether nobody has used this code yet and it has not expired."""
        self._expire(now)
        return self._find(code_id(secret)) is not None

    def withdraw(self, secret: bytes) -> None:
        """End a code that is not wanted any more."""
        self._end(code_id(secret))

    def _find(self, code: bytes) -> _Code | None:
        # Every one is compared, in constant time: the answer's timing names no code.
        found = None
        for known, entry in self._codes.items():
            if hmac.compare_digest(code, known):
                found = entry
        return found

    def _expire(self, now: float) -> None:
        for code in [code for code, each in self._codes.items() if now >= each.expires]:
            self._end(code)

    def _end(self, code: bytes) -> None:
        if self._codes.pop(code, None) is not None:
            self._spent.append(code)


class PairedRelay(msgspec.Struct, frozen=True):
    """`key`: its static public key. `name`: unique among the relays of this hub."""

    key: bytes
    name: str


class _RelayKeysFile(msgspec.Struct, frozen=True):
    version: int
    relays: tuple[PairedRelay, ...]


class RelayBook:
    """The relays that may come in, by key. On the disk before it is so in memory, except for a
    revocation, which holds at once whatever the disk says. Without a path: for this run only.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises ConfigError if the file is damaged, newer, or open to others."""
        self._path = path
        self._relays: dict[bytes, PairedRelay] = {}
        if path is None:
            return
        try:
            file = read_state(path, _RelayKeysFile, _FORMAT, _REMEDY)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        for relay in () if file is None else file.relays:
            if len(relay.key) != KEY_BYTES:
                name = neutralise(relay.name)
                raise ConfigError(f"{path}: the key of relay {name} is damaged; {_REMEDY}.")
            self._relays[relay.key] = PairedRelay(relay.key, neutralise(relay.name))

    def __iter__(self) -> Iterator[PairedRelay]:
        return iter(tuple(self._relays.values()))

    def __len__(self) -> int:
        return len(self._relays)

    def name(self, key: bytes) -> str | None:
        relay = self._relays.get(key)
        return None if relay is None else relay.name

    def add(self, key: bytes, name: str) -> PairedRelay:
        """Store a relay under `name`, made safe and unique. A known key gets the new name.

        Raises ForwarderError if there are too many; OSError if it cannot be written.
        """
        others = {k: relay for k, relay in self._relays.items() if k != key}
        if len(others) >= MAX_RELAYS:
            raise ForwarderError(f"This hub has {MAX_RELAYS} relays; revoke one first.")
        relay = PairedRelay(key, _unique(name, {relay.name for relay in others.values()}))
        relays = {**others, key: relay}
        self._write(relays)
        self._relays = relays
        return relay

    def revoke(self, name: str) -> PairedRelay:
        """Forget the relay called `name`; whoever calls this ends its live link.

        Raises ConfigError if there is none; OSError if it cannot be written, in which case the
        relay is locked out until the hub starts again.
        """
        wanted = neutralise(name).casefold()
        found = next((r for r in self._relays.values() if r.name.casefold() == wanted), None)
        if found is None:
            known = ", ".join(relay.name for relay in self) or "none"
            raise ConfigError(f"There is no relay {quoted(name)}; paired relays: {known}.")
        del self._relays[found.key]
        self._write(self._relays)
        return found

    def _write(self, relays: Mapping[bytes, PairedRelay]) -> None:
        if self._path is not None:
            write_state(self._path, _RelayKeysFile(_FORMAT, tuple(relays.values())))


def _unique(name: str, taken: set[str]) -> str:
    """Names are unique without regard to case, so that a person can type one to revoke it."""
    # Room for the number; a relay with 128 characters of name does not miss the last four.
    base = neutralise(name, 124) or "relay"
    folded = {other.casefold() for other in taken}
    candidates = chain([base], (f"{base} {number}" for number in count(2)))
    return next(name for name in candidates if name.casefold() not in folded)


class HubTrust:
    """All of it, as handshakes ask for it. `hub_name` is what relays show."""

    def __init__(
        self,
        key: KeyPair,
        hub_name: str,
        book: RelayBook,
        networks: ProvenNetworks | None = None,
    ) -> None:
        self.networks = ProvenNetworks() if networks is None else networks
        self.key = key
        self.hub_name = neutralise(hub_name)
        self.book = book
        self.desk = PairingDesk()
        # Which code brought which relay, for whoever shows the code.
        self.joined: dict[bytes, str] = {}
        self._door = Doorkeeper(known=self.networks)
        # By meeting points, which state addresses as they like: apart, so that no flood there keeps
        # anybody out who comes by himself.
        self.meeting_door = Doorkeeper(share=MEETING_SHARE)
        # By direct paths likewise: through an iroh relay everybody seems to come from there.
        self.direct_door = Doorkeeper(share=MEETING_SHARE)

    @classmethod
    def open(cls, folder: Path, hub_name: str) -> HubTrust:
        """Read, or begin, `hub.key` and `relays.json` in the state folder.

        Raises ConfigError with what to do when a file is damaged or open to others.
        """
        try:
            key = load_or_create_key(folder / "hub.key")
            networks = ProvenNetworks(folder / "networks.json", key.private_bytes())
            return cls(key, hub_name, RelayBook(folder / "relays.json"), networks)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        except OSError as error:
            raise ConfigError(f"{folder} cannot be used for keys: {error}.") from error

    def offer(self, code_id: bytes, now: float) -> bytes | RefusalCode:
        return self.desk.offer(code_id, now)

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        if not self.desk.spend(code_id, now):
            raise HandshakeRefused(RefusalCode.CODE_SPENT)
        name = self.adopt(relay_key, name)
        self.joined[code_id] = name
        while len(self.joined) > MAX_SPENT:
            del self.joined[next(iter(self.joined))]
        return name

    def adopt(self, relay_key: bytes, name: str) -> str:
        """Keep a relay that people have let in; return the name it got. Raises HandshakeRefused."""
        if relay_key == self.key.public:
            raise HandshakeRefused(None, "this is the hub's own key; give the relay one of its own")
        try:
            relay = self.book.add(relay_key, name)
        except ForwarderError as error:
            raise HandshakeRefused(None, str(error)) from error
        except OSError as error:
            log.error("a relay could not be paired, because relays.json: %s", error)
            text = "the hub cannot store the pairing; see the hub's log"
            raise HandshakeRefused(None, text) from error
        log.info("paired with relay %s", relay.name)
        return relay.name

    def known(self, relay_key: bytes) -> str | None:
        return self.book.name(relay_key)

    def enter(self, address: str, now: float) -> bool:
        return self._door.enter(address, now)

    def leave(self, address: str) -> None:
        self._door.leave(address)

    def proven(self, address: str, key: bytes | None = None) -> None:
        """A relay at `address` has proved itself: crowds of strangers do not keep it out."""
        self._door.proven(address, key)
