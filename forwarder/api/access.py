"""Who calls the API, and what that caller may do. Decisions only.

There is no ambient authority: no cookie, nothing that a browser sends by itself, so nothing that
another page can ride on. Whoever changes something shows a token in a header. Three guards stand
before that: the Host header (DNS rebinding), the Origin header, and Sec-Fetch-Site. A page of
another site that a person has allowed passes them; it is nobody without a token, on this machine
too, and gets none here.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from forwarder.access.admission import (
    HostNames,
    HttpVisitor,
    host_name,
    is_address,
    is_fixed_name,
)
from forwarder.access.bounds import MAX_PAGES
from forwarder.access.page_tokens import PageTokens, new_token
from forwarder.access.tokens import TokenGrant
from forwarder.errors import ConfigError, MessageError
from relay.link.files.keys import PrivateFileError, read_private, write_private
from relay.link.names import quoted

ADMIN_FILE = "admin.token"
ADMIN_PREFIX = "bpfa_"
_ADMIN_TOKEN = re.compile(rf"{ADMIN_PREFIX}[A-Za-z0-9_-]{{43}}")


T = TypeVar("T")


class Right(Flag):
    LOOK = auto()  # at the devices, as a client sees them
    READ = auto()  # everything that is shown
    DRIVE = auto()  # outputs, stops, scans
    ADMIN = auto()  # settings, pairing, tokens; resuming and unmuting
    STOP = auto()  # stop, and with it hold


# With the token of the state folder, or as a dashboard that is open on this machine.
OWNER = Right.LOOK | Right.READ | Right.DRIVE | Right.ADMIN | Right.STOP
# A program on this machine, without a token.
LOCAL = Right.LOOK | Right.READ | Right.STOP
# With a token for clients.
GUEST = Right.LOOK | Right.DRIVE | Right.STOP


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is shown to people as the one who drives. `grant`: of a guest. `token`: what it came
    with, empty for none. `page`: the origin of the page of another site that it is, if it is one.
    """

    rights: Right
    name: str
    grant: TokenGrant | None = None
    token: str = field(default="", repr=False)
    page: str = ""

    def may(self, right: Right) -> bool:
        return right in self.rights


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `path` and `query`: its parameters. `body`: what the route's table says."""

    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: object = None

    def number(self, name: str) -> int:
        text = self.path[name]
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise MessageError(f"{quoted(text, 40)} is no index.")
        return int(text)

    def sent(self, kind: type[T]) -> T:
        assert isinstance(self.body, kind)  # the table says which
        return self.body


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """`status`: of HTTP."""

    status: int
    text: str


CheckToken = Callable[[str], TokenGrant | None]
_UNKNOWN = AccessRefused(401, "This token is unknown, revoked or expired.")
_IN_THE_CLEAR = AccessRefused(
    403,
    "The admin token works here or by https only. It was sent in the clear: `forwarder token admin"
    " --renew` makes a new one.",
)


def admin_token(folder: Path) -> str:
    """The admin token of the hub whose state is in `folder`; made at the first start.

    Raises ConfigError if the file is damaged, open to others, or cannot be written.
    """
    path = folder / ADMIN_FILE
    try:
        token = read_private(path).decode("ascii").strip()
    except FileNotFoundError:
        try:
            token = renewed_admin_token(folder)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    except (PrivateFileError, ValueError) as error:
        raise ConfigError(f"{error}. Delete it, and start the hub again.") from error
    if _ADMIN_TOKEN.fullmatch(token) is None:
        raise ConfigError(f"{path} is damaged; delete it, and start the hub again.")
    return token


def renewed_admin_token(folder: Path) -> str:
    """A new admin token in the place of the old one. Raises OSError."""
    token = new_token(ADMIN_PREFIX)
    write_private(folder / ADMIN_FILE, f"{token}\n".encode())
    return token


class Access:
    """Knows the admin token, the pages that asked for one, and how to check a client's token."""

    def __init__(
        self,
        admin: str,
        hosts: HostNames,
        check: CheckToken,
        home: str | None = None,
        allowed: Callable[[str], bool] = lambda origin: False,
    ) -> None:
        """`home`: the only address at which a dashboard becomes its owner's, if there is one.
        `allowed`: whether the pages of another origin may call, with a token."""
        self._admin = admin
        self._hosts = hosts
        self._check = check
        self.home = home
        self._allowed = allowed
        self._pages = PageTokens()

    def refuse(self, visitor: HttpVisitor, fetch_site: str | None = None) -> AccessRefused | None:
        """Whether a browser may be calling for somebody else; None if not.

        `fetch_site`: the Sec-Fetch-Site header, which pages cannot forge.
        """
        if not self._hosts.accepts(visitor.host):
            return AccessRefused(
                421, "This hub is not called that; use its IP address, or localhost."
            )
        if visitor.origin is not None and not _same_origin(visitor.origin, visitor.host):
            return AccessRefused(403, "Other web pages may not use this API.")
        if fetch_site not in (None, "same-origin", "none"):
            return AccessRefused(403, "Other web pages may not use this API.")
        return None

    def refuse_call(
        self, visitor: HttpVisitor, fetch_site: str | None = None
    ) -> AccessRefused | None:
        """As `refuse`, for what pages of other sites may call if a person has allowed them."""
        return self.refuse(visitor, fetch_site) if self.guest_page(visitor) is None else None

    def guest_page(self, visitor: HttpVisitor) -> str | None:
        """The origin of the visitor, if it is another site's and may call; else None."""
        origin = visitor.origin
        if origin is None or _same_origin(origin, visitor.host):
            return None
        return origin if self._hosts.accepts(visitor.host) and self._allowed(origin) else None

    def caller(self, visitor: HttpVisitor) -> Caller | AccessRefused:
        """Who calls, for one that passed `refuse_call`. Every token that it gives has to be good;
        the first one counts.
        """
        callers = [self.by_token(token, visitor) for token in visitor.tokens]
        refused = next((caller for caller in callers if isinstance(caller, AccessRefused)), None)
        if refused is not None:
            return refused
        if callers:
            return callers[0]
        if not visitor.loopback:
            return AccessRefused(401, "Whoever is not on this machine needs a token.")
        if visitor.origin is not None and not _same_origin(visitor.origin, visitor.host):
            return AccessRefused(401, "A page of another site needs a token.")
        name = host_name(visitor.host)
        if not (is_fixed_name(name) or is_address(name)):
            # A page whose name was somebody else's a moment before asks like this, with neither an
            # Origin nor Sec-Fetch-Site: browsers leave both out of such a GET.
            return AccessRefused(
                401, "Under this name a token is needed; without one, say localhost."
            )
        return Caller(LOCAL, "a program")

    def stopper(
        self, visitor: HttpVisitor, fetch_site: str | None = None
    ) -> Caller | AccessRefused:
        """Who calls to stop. Stopping needs no sign-in on this machine, and a page that an earlier
        run of the hub has given out may; a page of somebody else may not even that, unless it is
        allowed and has a token."""
        refusal = self.refuse_call(visitor, None if fetch_site == "same-site" else fetch_site)
        if refusal is not None:
            return refusal
        caller = self.caller(visitor)
        own = self.guest_page(visitor) is None
        if isinstance(caller, AccessRefused) and visitor.loopback and own:
            return Caller(LOCAL, "a page of an earlier run")
        return caller

    def by_token(self, token: str, visitor: HttpVisitor) -> Caller | AccessRefused:
        """Who comes with `token`, by the way that `visitor` came."""
        if not token.isascii():
            return _UNKNOWN  # and what headers make of other bytes cannot be compared
        site = self.guest_page(visitor) or ""
        if hmac.compare_digest(token.encode(), self._admin.encode()):
            if not (visitor.loopback or visitor.secure):
                return _IN_THE_CLEAR
            return Caller(OWNER, "API", token=token, page=site)
        # The dashboard's own token is nothing that another page can have come by rightly.
        page = self._pages.name(token) if visitor.loopback and not site else None
        if page is not None:
            return Caller(OWNER, page, token=token)
        grant = self._check(token)
        if grant is not None:
            return Caller(GUEST, grant.name, grant, token, site)
        return _UNKNOWN

    def holds(self, caller: Caller) -> bool:
        """Whether an owner who came with a token may stay, and any page of another site; of other
        tokens, TokenSessions knows."""
        if caller.page and not self._allowed(caller.page):
            return False
        if caller.grant is not None or not caller.token:
            return True
        return caller.token == self._admin or self._pages.holds(caller.token)

    def renew(self, folder: Path) -> str:
        """Replace the admin token; whoever came with the old one is nobody. Raises OSError."""
        self._admin = renewed_admin_token(folder)
        return self._admin

    def new_page(self, visitor: HttpVisitor) -> str | AccessRefused:
        """A token for a dashboard whose script asks for it, for one that passed `refuse`.

        Only this machine's own browser can have loaded the page from this machine, and only by a
        name that no network gives out: a name of this machine in DNS or mDNS may be somebody
        else's a moment before, and then the script is theirs. At 127.0.0.1 and localhost there may
        be what another program left, a service worker that is the page, or reads what it is told:
        so it has to be `home`, where there is one.
        """
        if not visitor.loopback or visitor.origin is None:
            return AccessRefused(
                403, "Only the dashboard, on the hub's own machine, gets this token."
            )
        name = host_name(visitor.host)
        if self.home is not None and name != self.home:
            return AccessRefused(403, "Only at the hub's own address is the dashboard its owner's.")
        if not is_fixed_name(name):
            return AccessRefused(
                403, "Open the dashboard at http://localhost or http://127.0.0.1 to be its owner."
            )
        token = self._pages.new()
        if token is None:
            return AccessRefused(503, f"{MAX_PAGES} dashboards are open; close one of them first.")
        return token

    def connected(self, caller: Caller) -> AbstractContextManager[None]:
        """Hold the caller's page token while its socket is open."""
        return self._pages.connected(caller.token)


def _same_origin(origin: str, host: str) -> bool:
    # The scheme may differ where a proxy speaks TLS for us; host and port may not.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
