"""`PairingLink`: what a person carries from hub to relay; `KnownHub`: what the relay keeps of it.

README.md, section 9. The secret is in the fragment, and in nothing that is logged: `repr` leaves
it out, and there is no `str`.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from relay.link.errors import LinkError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state
from relay.link.security.handshake import SECRET_BYTES
from relay.link.security.noise import KEY_BYTES

SCHEME: Final = "bpforward"
LINK_PORT: Final = 12346
LINK_PATH: Final = "/link"
MAX_PLACES: Final = 8
# Eight host names of ordinary length and the rest; a QR code of this size can still be scanned.
MAX_LINK_CHARACTERS: Final = 1024
_HTTPS_PORT: Final = 443
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_AGAIN: Final = "copy the whole link that the hub shows"


class PairingLinkError(LinkError):
    """The text is not a pairing link; says what is wrong with it, without repeating it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hub may be found. `host`: a name or an address, IPv6 without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PairingLink:
    """A one-time secret of 32 bytes and up to eight places where its hub may be found."""

    places: tuple[Place, ...]
    secret: bytes = field(repr=False)
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> PairingLink:
        """Read a link as a person pasted it: white space, also within, is of no account.

        Raises PairingLinkError, and nothing else whatever the text.
        """
        text = "".join(text.split())
        if not text:
            raise PairingLinkError(f"the pairing link is empty; {_AGAIN}")
        if len(text) > MAX_LINK_CHARACTERS:
            raise PairingLinkError(f"this is too long for a pairing link; {_AGAIN}")
        try:
            parts = urlsplit(text)
            query = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=2 * MAX_PLACES)
        except ValueError as error:
            raise PairingLinkError(f"this is not a pairing link; {_AGAIN}") from error
        if parts.scheme not in (SCHEME, "https"):
            raise PairingLinkError(f"a pairing link starts with {SCHEME}:// or https://; {_AGAIN}")
        tls = parts.scheme == "https"
        first = _place(parts.netloc, _HTTPS_PORT if tls else LINK_PORT)
        others = [_place(value, first.port) for key, value in query if key == "h"]
        places = tuple(dict.fromkeys([first, *others]))
        if len(places) > MAX_PLACES:
            raise PairingLinkError(f"this link names more than {MAX_PLACES} places; {_AGAIN}")
        return cls(places, _secret(parts.fragment), tls)

    def text(self) -> str:
        """The link for `relay pair` and for QR codes. It is a secret."""
        return f"{SCHEME}://{self.places[0]}/{self._rest()}"

    def page(self, path: str = "/relay") -> str:
        """The address of the relay page, for phones: always https. It is a secret."""
        return f"https://{self.places[0]}{path}{self._rest()}"

    def urls(self) -> tuple[str, ...]:
        """Where to dial, in turn. No secret in them."""
        scheme = "wss" if self.tls else "ws"
        return tuple(f"{scheme}://{place}{LINK_PATH}" for place in self.places)

    def _rest(self) -> str:
        query = urlencode([("h", str(place)) for place in self.places[1:]], safe="[]:")
        secret = base64.urlsafe_b64encode(self.secret).rstrip(b"=").decode()
        return f"{'?' if query else ''}{query}#{secret}"


def _place(text: str, default_port: int) -> Place:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port_text = rest.removeprefix(":")
        if rest and not rest.startswith(":"):
            raise _no_place()
        try:
            host = ipaddress.IPv6Address(host).compressed
        except ValueError as error:
            raise _no_place() from error
        if "%" in host:
            raise _no_place()  # a zone means something on one machine only
    else:
        host, _, port_text = text.partition(":")
        if _HOST.fullmatch(host) is None:
            raise _no_place()
        host = host.lower()
    if not port_text:
        return Place(host, default_port)
    if _PORT.fullmatch(port_text) is None or not 0 < int(port_text) <= 0xFFFF:
        raise _no_place()
    return Place(host, int(port_text))


def _no_place() -> PairingLinkError:
    return PairingLinkError(f"this link does not say where the hub is; {_AGAIN}")


def _secret(fragment: str) -> bytes:
    if not fragment:
        raise PairingLinkError(f"the secret after the # is missing; {_AGAIN}, in quotes")
    if _SECRET.fullmatch(fragment) is None:
        raise PairingLinkError(f"the secret after the # is incomplete or mistyped; {_AGAIN}")
    try:
        secret = base64.b64decode(fragment + "=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise PairingLinkError(f"the secret after the # is mistyped; {_AGAIN}") from error
    if len(secret) != SECRET_BYTES or base64.urlsafe_b64encode(secret).decode() != fragment + "=":
        raise PairingLinkError(f"the secret after the # is mistyped; {_AGAIN}")
    return secret


class KnownHub(msgspec.Struct, frozen=True):
    """The hub a relay has paired with. `urls`: where to dial, the one that worked first."""

    key: bytes
    name: str
    urls: tuple[str, ...]


_FORMAT: Final = 1
_REMEDY: Final = "delete it and pair again with `relay pair LINK`"


class _File(msgspec.Struct, frozen=True):
    version: int
    hub: KnownHub


def known_hub(link: PairingLink, key: bytes, name: str, reached: str) -> KnownHub:
    """What to keep after a pairing; `reached` is the URL of `link` that led to the hub."""
    return KnownHub(key, name, tuple(dict.fromkeys([reached, *link.urls()])))


def save_hub(path: Path, hub: KnownHub) -> None:
    """Raises OSError."""
    write_state(path, _File(_FORMAT, hub))


def load_hub(path: Path) -> KnownHub | None:
    """Return the hub this relay has paired with, if any. Raises PrivateFileError."""
    file = read_state(path, _File, _FORMAT, _REMEDY)
    if file is None:
        return None
    if len(file.hub.key) != KEY_BYTES or not file.hub.urls:
        raise PrivateFileError(f"{path} is damaged; {_REMEDY}")
    return file.hub


def forget_hub(path: Path) -> bool:
    """Unpair. Returns whether there was a hub to forget. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def advertised(secret: bytes, hosts: Sequence[str], port: int, *, tls: bool = False) -> PairingLink:
    """Return the link of a hub that can be reached at `hosts` (names, addresses), best first.

    Raises PairingLinkError for a host that cannot stand in a link.
    """
    places = [_place(f"[{host}]" if ":" in host else host, port) for host in hosts]
    return PairingLink(tuple(dict.fromkeys(places))[:MAX_PLACES], secret, tls)
