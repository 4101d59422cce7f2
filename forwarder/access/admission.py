"""Who may come in: browser origins, host names, tokens. Decisions only; sans-I/O.

A program on this machine may do as it likes anyway, so it comes in as every app expects. Whoever
gives a token is judged by it alone, wherever it is. A page in
a browser is no such program: any site can make the browser call this machine. It comes in if its
origin is of this machine, or allowed. Whoever is not on this machine needs a token; a token also
speaks for a page, for only the user can have given it one.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from forwarder.access.bounds import MAX_ASKED
from relay.link.names import neutralise

log = logging.getLogger(__name__)

# What a page without an origin is called: some web views send the header with nothing in it.
EMPTY_ORIGIN = "(empty)"
# Schemes under which a document from anywhere can stand in a browser. `file` and `content` are
# pages that were downloaded; an isolated app is installed, and made like a web page.
_DOCUMENTS = frozenset(
    ("http", "https", "ws", "wss", "ftp", "file", "content", "blob", "data", "filesystem", "about",
     "view-source", "javascript", "isolated-app")
)  # fmt: skip
# RFC 3986, 3.1
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


class Verdict(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"  # not now, but the user is asked for the next time


@dataclass(frozen=True, slots=True)
class HttpVisitor:
    """Who asks to come in, as its HTTP request says.

    `address`: of the other end of the TCP connection. `tokens`: the credentials that were given,
    good or not (forwarder.access.credentials); empty: none. `forwarded`: a proxy says that it
    asks for somebody else.
    """

    address: str
    host: str = ""
    origin: str | None = None
    tokens: tuple[str, ...] = ()
    forwarded: bool = False
    secure: bool = False

    @property
    def loopback(self) -> bool:
        return not self.forwarded and is_loopback(self.address)


Settle = Callable[[Hashable | None], bool]


def _at_once(who: Hashable | None) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Admitted:
    """`grant`: what `authorise` returned for the token, None without one.

    `who` stands for the key or token that it has shown, None for none. `proven`: nothing more is
    asked of this visitor. Of who is not, `settle(who)` is called when that has come; False means
    that there is no place for one more. Without it the connection ends soon.
    """

    visitor: HttpVisitor
    grant: object | None = None
    proven: bool = True
    who: Hashable | None = None
    settle: Settle = _at_once


@dataclass(frozen=True, slots=True)
class AdmissionRefused:
    """`status`: of HTTP. `text` is for the log: browsers show it to nobody."""

    status: int
    text: str


Authorise = Callable[[HttpVisitor], object | None]
OnOrigin = Callable[[str], Verdict]


class HostNames:
    """The names under which this machine may be called by a browser.

    The guard against DNS rebinding: a site whose name suddenly means this machine is same-origin
    for the browser, but it still says its own name. IP addresses cannot be rebound.

    A name with % is nobody's: browsers send no zone of an address, and to Python anything may stand
    behind one, `127.0.0.1%.evil.example` included.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {name.lower().rstrip(".") for name in names}

    def accepts(self, host: str) -> bool:
        """`host`: as in the Host header, with or without a port."""
        name = host_name(host)
        if "%" in name:
            return False
        return is_local_name(name) or is_address(name) or name in self._names


class OriginPolicy:
    """Which web pages may connect. Not thread-safe, like everything here.

    `allowed`: origins like `https://example.com`, `https://*.example.com` for its subdomains, `*`
    for all, `null` for files opened in a browser. Programs of this machine that show pages in a web
    view have schemes of their own (`tauri://`, `app://`, `vscode-webview://`): they come in, and
    are named when they are first seen. `on_origin` decides about all others.
    """

    def __init__(
        self,
        allowed: Iterable[str] = (),
        *,
        hosts: HostNames | None = None,
        on_origin: OnOrigin | None = None,
    ) -> None:
        self.hosts = hosts or HostNames()
        self._allowed = {normal_origin(origin) for origin in allowed}
        self._on_origin = on_origin
        self._asked: OrderedDict[str, int] = OrderedDict()
        self._named: OrderedDict[str, None] = OrderedDict()

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset(self._allowed)

    @property
    def asked(self) -> dict[str, int]:
        """Origins that wait for the user's answer, the latest last → how often each came."""
        return dict(self._asked)

    def allow(self, origin: str) -> None:
        """The user said yes; it counts from the next attempt on."""
        self._allowed.add(normal_origin(origin))
        self._asked.pop(normal_origin(origin), None)

    def forget(self, origin: str) -> None:
        """The user said no, or takes a yes back."""
        self._allowed.discard(normal_origin(origin))
        self._asked.pop(normal_origin(origin), None)

    def judge(self, origin: str, host: str) -> Verdict:
        """Decide about a page from `origin` that called this machine `host`."""
        origin = normal_origin(origin)
        if self._is_allowed(origin):
            return Verdict.ALLOW
        if not self.hosts.accepts(host):
            return Verdict.DENY
        if _is_own_page(origin, host):
            return Verdict.ALLOW
        if is_program(origin):
            self._name(origin)
            return Verdict.ALLOW
        verdict = self._on_origin(origin) if self._on_origin else Verdict.DENY
        if verdict is Verdict.ASK:
            self._asked[origin] = self._asked.pop(origin, 0) + 1
            while len(self._asked) > MAX_ASKED:
                self._asked.popitem(last=False)
        return verdict

    def names(self, origin: str) -> bool:
        """Whether a person has allowed this very site, or its subdomains. What stands for any page
        (`*`), or is the origin of many (`null`, files), names none."""
        origin = normal_origin(origin)
        return "://" in origin and origin != "file://" and self._is_named(origin)

    def _name(self, origin: str) -> None:
        if origin not in self._named:
            log.info("let in: the program of this machine whose page is %s", neutralise(origin))
        self._named[origin] = None
        self._named.move_to_end(origin)
        while len(self._named) > MAX_ASKED:
            self._named.popitem(last=False)

    def _is_allowed(self, origin: str) -> bool:
        return "*" in self._allowed or self._is_named(origin)

    def _is_named(self, origin: str) -> bool:
        if origin in self._allowed:
            return True
        scheme, _, rest = origin.partition("://")
        # A wildcard stands for at least one label: https://*.example.com, not example.com itself.
        labels = rest.split(".")
        return any(
            f"{scheme}://*.{'.'.join(labels[i:])}" in self._allowed for i in range(1, len(labels))
        )


class Gatekeeper:
    """Decides about visitors. `authorise` returns what a visitor's tokens grant, None if one of
    them is not good; without it only loopback comes in. `trusted`: IP addresses of other machines
    whose programs are treated like those of this one.
    """

    def __init__(
        self,
        origins: OriginPolicy | None = None,
        authorise: Authorise | None = None,
        *,
        trusted: Iterable[str] = (),
    ) -> None:
        self.origins = origins or OriginPolicy()
        self._authorise = authorise
        self._trusted = frozenset(map(_plain_address, trusted))

    def _here(self, visitor: HttpVisitor) -> bool:
        if visitor.loopback:
            return True
        return not visitor.forwarded and _plain_address(visitor.address) in self._trusted

    def admit(self, visitor: HttpVisitor) -> Admitted | AdmissionRefused:
        if self._authorise is None and not self._here(visitor):
            return AdmissionRefused(403, "only programs on this machine may connect here")
        if visitor.tokens:
            # A token narrows what its bearer may do; on this machine, too, one that is mistyped,
            # revoked or expired must not open more than the right one would.
            grant = None if self._authorise is None else self._authorise(visitor)
            if grant is None:
                return AdmissionRefused(401, "the token is unknown, revoked or expired")
            return Admitted(visitor, grant, who=grant)
        if not self._here(visitor):
            return AdmissionRefused(401, "whoever is not on this machine needs a token")
        return self._judge(visitor)

    def _judge(self, visitor: HttpVisitor) -> Admitted | AdmissionRefused:
        if visitor.origin is None:
            return Admitted(visitor)
        match self.origins.judge(visitor.origin, visitor.host):
            case Verdict.ALLOW:
                return Admitted(visitor)
            case Verdict.ASK:
                return AdmissionRefused(403, f"the web page {visitor.origin} waits to be allowed")
            case Verdict.DENY:
                return AdmissionRefused(403, f"the web page {visitor.origin} is not allowed")

    def admit_page(self, visitor: HttpVisitor) -> bool:
        """Whether a preflight of this visitor is answered with yes.

        A preflight has no token: from beyond this machine it is the request after it that counts.
        """
        if visitor.origin is None:
            return False
        if not visitor.loopback:
            return self._authorise is not None
        return self.origins.judge(visitor.origin, visitor.host) is Verdict.ALLOW


def is_address(name: str) -> bool:
    """Whether it is an IP address, without a zone: behind that anything may stand."""
    if "%" in name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _plain_address(address: str) -> str:
    """As it is compared: IPv4 in IPv6 is IPv4."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip)


@functools.lru_cache(256)
def is_loopback(address: str) -> bool:
    """Whether an IP address, in text, is of this machine only."""
    try:
        # Link-local addresses come with a zone: fe80::1%eth0
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback


def _is_own_page(origin: str, host: str) -> bool:
    """Whether the page is of this machine for certain: by a loopback name, or by the very place
    that it now calls, if that place cannot have been somebody else's a moment before. An address
    cannot, and not a name that a certificate was shown for; any other name is the network's word.
    """
    scheme, _, place = origin.partition("://")
    if scheme not in ("http", "https"):
        return False
    if is_loopback_name(host_name(place)):
        return True
    return place == host.lower() and (scheme == "https" or is_address(host_name(host)))


def is_program(origin: str) -> bool:
    """Whether `origin` is of a program's own pages: no web site and no extension can have it."""
    scheme, found, _ = origin.partition("://")
    return (
        bool(found)
        and _SCHEME.fullmatch(scheme) is not None
        and scheme not in _DOCUMENTS
        and not scheme.endswith("-extension")
    )


def is_local_name(name: str) -> bool:
    # RFC 6761, 6.3: localhost and what ends in it is always the loopback address.
    return name == "localhost" or name.endswith(".localhost")


def is_loopback_name(name: str) -> bool:
    """Whether a name in a URL or a Host header means this machine for every browser."""
    return is_local_name(name) or ("%" not in name and is_loopback(name))


def is_fixed_name(name: str) -> bool:
    """Whether no network has a say in what `name` means. `*.localhost` is not among them: not every
    browser keeps RFC 6761 for it, as all do for localhost itself.
    """
    return name == "localhost" or ("%" not in name and is_loopback(name))


def host_name(host: str) -> str:
    """The name in a Host header: without port and brackets, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def normal_origin(origin: str) -> str:
    """`origin` as it is compared and shown."""
    text = origin.strip().lower()
    if text.startswith("file:"):
        return "file://"  # its path, if there is one, is the page's own choice
    return text.rstrip("/") or EMPTY_ORIGIN
