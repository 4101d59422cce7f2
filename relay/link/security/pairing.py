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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from relay.link.bounds import MAX_LINK_CHARACTERS, MAX_PLACES
from relay.link.direct.place import DirectPlace, DirectPlaceError, is_direct_url
from relay.link.errors import LinkError
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state
from relay.link.security.handshake import SECRET_BYTES
from relay.link.security.meeting import MeetingAddressError, is_visit_url, normal_visit_url
from relay.link.security.noise import KEY_BYTES

SCHEME: Final = "bpforward"
LINK_PORT: Final = 12346
LINK_PATH: Final = "/link"
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_AGAIN: Final = "copy the whole link that the hub shows"


class PairingLinkError(LinkError):
    """The text is not a pairing link; says what is wrong with it, without repeating it."""


@dataclass(frozen=True, slots=True)
class HubPlace:
    """Where a hub may be found. `host`: a name or an address, IPv6 without brackets. `tls`: by wss,
    whatever the rest of the link says."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss://' if self.tls else ''}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PairingLink:
    """A one-time secret of 32 bytes and up to eight places where its hub may be found: its own,
    direct paths (relay.link.direct.place), and those at meeting points, both as URLs."""

    places: tuple[HubPlace, ...]
    secret: bytes = field(repr=False)
    tls: bool = False
    meetings: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()

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
            secret, _, inside = parts.fragment.partition("&")
            query, inner = _query(parts.query), _query(inside)
        except ValueError as error:
            raise PairingLinkError(f"this is not a pairing link; {_AGAIN}") from error
        if parts.scheme not in (SCHEME, "https", "http"):
            raise PairingLinkError(f"a pairing link starts with {SCHEME}:// or https://; {_AGAIN}")
        tls = parts.scheme == "https"
        if inner:
            # A page that comes from elsewhere: the site is none of the places.
            return cls._with((), inner, _secret(secret), tls=False)
        if not parts.netloc and parts.scheme == SCHEME:
            return cls._with((), query, _secret(secret), tls=False)
        usual = {SCHEME: LINK_PORT, "https": _HTTPS_PORT, "http": _HTTP_PORT}[parts.scheme]
        first = _place(parts.netloc, usual)
        if parts.scheme == "http" and not _is_loopback(first.host):
            raise PairingLinkError(
                f"a page that comes by http is of this machine, or it is none; {_AGAIN}"
            )
        return cls._with((first,), query, _secret(secret), tls=tls)

    @classmethod
    def _with(
        cls,
        first: tuple[HubPlace, ...],
        query: Sequence[tuple[str, str]],
        secret: bytes,
        *,
        tls: bool,
    ) -> PairingLink:
        port = first[0].port if first else LINK_PORT
        others = (_anywhere(value, port) for key, value in query if key == "h")
        places = tuple(dict.fromkeys((*first, *others)))
        meetings = tuple(dict.fromkeys(_meeting(value) for key, value in query if key == "m"))
        direct = tuple(dict.fromkeys(_direct(value) for key, value in query if key == "d"))
        if len(places) + len(meetings) + len(direct) > MAX_PLACES:
            raise PairingLinkError(f"this link names more than {MAX_PLACES} places; {_AGAIN}")
        if not places and not meetings and not direct:
            raise _no_place()
        return cls(places, secret, tls, meetings, direct)

    def text(self) -> str:
        """The link for `relay pair` and for QR codes. It is a secret."""
        # By `wss` nothing but a whole address says where; then no place stands in front.
        first = "" if not self.places or self.places[0].tls else self.places[0]
        others = self.places[1:] if first else self.places
        return f"{SCHEME}://{first}/{self._rest(others)}"

    def page(self, path: str = "/relay") -> str:
        """The address of the hub's own relay page, for phones: always https, and without direct
        paths, of which browsers have none. It is a secret."""
        return f"https://{self.places[0]}{path}{replace(self, direct=())._rest(self.places[1:])}"

    def page_at(self, url: str) -> str:
        """The address of a relay page that comes from elsewhere: places and secret stand where
        browsers keep them to themselves. It is a secret."""
        secret = base64.urlsafe_b64encode(self.secret).rstrip(b"=").decode()
        return f"{url}#{secret}&{replace(self, direct=())._query(self.places)}"

    def urls(self) -> tuple[str, ...]:
        """Where to dial, in turn: its own places first, which are nearer, and meeting points last.
        No secret in them."""
        own = tuple(
            f"{'wss' if self.tls or place.tls else 'ws'}://{replace(place, tls=False)}{LINK_PATH}"
            for place in self.places
        )
        return own + self.direct + self.meetings

    def _rest(self, places: Sequence[HubPlace]) -> str:
        query = self._query(places)
        secret = base64.urlsafe_b64encode(self.secret).rstrip(b"=").decode()
        return f"{'?' if query else ''}{query}#{secret}"

    def _query(self, places: Sequence[HubPlace]) -> str:
        fields = [("h", str(place)) for place in places]
        fields += [("d", direct) for direct in self.direct]
        fields += [("m", meeting) for meeting in self.meetings]
        return urlencode(fields, safe="[]:/,")


def _query(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, max_num_fields=2 * MAX_PLACES)


def _anywhere(text: str, default_port: int) -> HubPlace:
    """HOST, HOST:PORT, or the same behind ws:// or wss://."""
    scheme, found, rest = text.partition("://")
    if not found:
        return _place(text, default_port)
    if scheme not in ("ws", "wss"):
        raise _no_place()
    return replace(_place(rest.removesuffix("/"), default_port), tls=scheme == "wss")


def _meeting(text: str) -> str:
    try:
        return normal_visit_url(text)
    except MeetingAddressError as error:
        raise _no_place() from error


def _direct(text: str) -> str:
    try:
        place = DirectPlace.parse(text)
    except DirectPlaceError as error:
        raise _no_place() from error
    if not place.leads_there:
        raise _no_place()
    return place.url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place(text: str, default_port: int) -> HubPlace:
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
        return HubPlace(host, default_port)
    if _PORT.fullmatch(port_text) is None or not 0 < int(port_text) <= 0xFFFF:
        raise _no_place()
    return HubPlace(host, int(port_text))


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


class _PairingFile(msgspec.Struct, frozen=True):
    version: int
    hub: KnownHub


def known_hub(link: PairingLink, key: bytes, name: str, reached: str) -> KnownHub:
    """What to keep after a pairing; `reached` is the URL of `link` that led to the hub.

    A meeting point is never tried first: it works everywhere, and is the longer way at home. Nor
    is a direct path, which at home begins with a search.
    """
    first = () if is_visit_url(reached) or is_direct_url(reached) else (reached,)
    return KnownHub(key, name, tuple(dict.fromkeys([*first, *link.urls()])))


def moved_hub(
    hub: KnownHub,
    own: Sequence[str],
    meetings: Sequence[str],
    reached: str | None,
    direct: Sequence[str] = (),
) -> KnownHub:
    """`hub` as it is to be found from now on, by its own word (README.md, Places).

    Of its own places those are taken that are of a kind that was known, by ws or by wss: a relay
    that was paired for elsewhere learns none, in a direct place neither. `reached`: where it was
    found now, which stays. What is no place of a hub is left out.
    """
    known = [url for url in hub.urls if not is_visit_url(url) and not is_direct_url(url)]
    kinds = {url.partition("://")[0] for url in known}
    near = [url for url in own if url.partition("://")[0] in kinds and _is_own_url(url)]
    if not own:
        near = known
    through = _through(direct, at_home=bool(known))
    far = [url for url in meetings if is_visit_url(url)][:MAX_PLACES]
    if reached is not None and is_visit_url(reached):
        far = [reached, *far]
    elif reached is not None and is_direct_url(reached):
        through = through or [reached]
    elif reached is not None:
        near = [reached, *near]
    far = list(dict.fromkeys((*through, *far)))[: MAX_PLACES - bool(near)]
    near = list(dict.fromkeys(near))[: MAX_PLACES - len(far)]
    if not near and not far:
        return hub
    return KnownHub(hub.key, hub.name, (*near, *far))


def _through(direct: Sequence[str], *, at_home: bool) -> list[str]:
    """Those of these that are direct places; for a relay elsewhere without addresses."""
    places = [DirectPlace.parse(url) for url in direct if is_direct_url(url)][:MAX_PLACES]
    kept = places if at_home else [place.away() for place in places]
    return [place.url for place in kept if place is not None]


def _is_own_url(url: str) -> bool:
    scheme, found, rest = url.partition("://")
    try:
        return (
            bool(found)
            and f"{scheme}://{_place(rest.removesuffix(LINK_PATH), 1)}{LINK_PATH}" == url
        )
    except PairingLinkError:
        return False


def save_hub(path: Path, hub: KnownHub) -> None:
    """Raises OSError."""
    write_state(path, _PairingFile(_FORMAT, hub))


def load_hub(path: Path) -> KnownHub | None:
    """Return the hub this relay has paired with, if any. Raises PrivateFileError."""
    file = read_state(path, _PairingFile, _FORMAT, _REMEDY)
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


def advertised(
    secret: bytes,
    hosts: Sequence[str],
    port: int,
    *,
    tls: bool = False,
    meetings: Sequence[str] = (),
    direct: Sequence[str] = (),
) -> PairingLink:
    """Return the link of a hub that can be reached at `hosts` (names, addresses), best first, and
    at `meetings` and by `direct` paths (URLs). Its own places make room for those.

    Raises PairingLinkError for a host that cannot stand in a link.
    """
    places = [_place(f"[{host}]" if ":" in host else host, port) for host in hosts]
    own = tuple(dict.fromkeys(places))[: MAX_PLACES - len(meetings) - len(direct)]
    return PairingLink(own, secret, tls, tuple(meetings), tuple(direct))
