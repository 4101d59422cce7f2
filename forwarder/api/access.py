"""Who calls the API, and what that caller may do. Decisions only.

There is no ambient authority: no cookie, nothing that a browser sends by itself, so nothing that
another page can ride on. Whoever changes something shows a token in a header. Three guards stand
before that: the Host header (DNS rebinding), the Origin header, and Sec-Fetch-Site.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path
from urllib.parse import urlsplit

from forwarder.connectors.admission import HostNames, Visitor
from forwarder.errors import ConfigError
from forwarder.tokens import Grant
from relay.link.keys import PrivateFileError, read_private, write_private

ADMIN_FILE = "admin.token"
ADMIN_PREFIX = "bpfa_"
PAGE_PREFIX = "bpfp_"
_TOKEN_BYTES = 32
# Dashboards that are open at the same time; the one used longest ago has to load its page again.
MAX_PAGES = 64


class Right(Flag):
    LOOK = auto()  # at the devices, as a client sees them
    READ = auto()  # everything that is shown
    DRIVE = auto()  # outputs, stops, scans
    ADMIN = auto()  # settings, pairing, tokens


# With the token of the state folder, or as a dashboard that was loaded on this machine.
OWNER = Right.LOOK | Right.READ | Right.DRIVE | Right.ADMIN
# A program on this machine, without a token.
LOCAL = Right.LOOK | Right.READ
# With a token for clients.
GUEST = Right.LOOK | Right.DRIVE


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is shown to people as the one who drives. `grant`: of a guest."""

    rights: Right
    name: str
    grant: Grant | None = None

    def may(self, right: Right) -> bool:
        return right in self.rights


@dataclass(frozen=True, slots=True)
class Refusal:
    """`status`: of HTTP."""

    status: int
    text: str


CheckToken = Callable[[str], Grant | None]


def admin_token(folder: Path) -> str:
    """The admin token of the hub whose state is in `folder`; made at the first start.

    Raises ConfigError if the file is damaged, open to others, or cannot be written.
    """
    path = folder / ADMIN_FILE
    try:
        token = read_private(path).decode("ascii").strip()
    except FileNotFoundError:
        token = _new(ADMIN_PREFIX)
        try:
            write_private(path, f"{token}\n".encode())
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    except (PrivateFileError, ValueError) as error:
        raise ConfigError(f"{error}. Delete it, and start the hub again.") from error
    if len(token) < len(ADMIN_PREFIX) + 32:
        raise ConfigError(f"{path} is damaged; delete it, and start the hub again.")
    return token


class Access:
    """Knows the admin token, the pages it has given out, and how to check a client's token."""

    def __init__(self, admin: str, hosts: HostNames, check: CheckToken) -> None:
        self._admin = admin
        self._hosts = hosts
        self._check = check
        self._pages: OrderedDict[str, None] = OrderedDict()

    def refuse(self, visitor: Visitor, fetch_site: str | None = None) -> Refusal | None:
        """Whether a browser may be calling for somebody else; None if not.

        `fetch_site`: the Sec-Fetch-Site header, which pages cannot forge.
        """
        if not self._hosts.accepts(visitor.host):
            return Refusal(421, "This hub is not called that; use its IP address, or localhost.")
        if visitor.origin is not None and not _same_origin(visitor.origin, visitor.host):
            return Refusal(403, "Other web pages may not use this API.")
        if fetch_site not in (None, "same-origin", "none"):
            return Refusal(403, "Other web pages may not use this API.")
        return None

    def caller(self, visitor: Visitor) -> Caller | Refusal:
        """Who calls, by the first token that is good; for one that passed `refuse`."""
        for token in visitor.tokens:
            caller = self.by_token(token)
            if caller is not None:
                return caller
        if visitor.tokens:
            return Refusal(401, "This token is unknown, revoked or expired.")
        if visitor.loopback:
            return Caller(LOCAL, "a program")
        return Refusal(401, "Whoever is not on this machine needs a token.")

    def by_token(self, token: str) -> Caller | None:
        if hmac.compare_digest(token.encode(), self._admin.encode()):
            return Caller(OWNER, "API")
        # A lookup by hash tells nothing useful about 256 random bits.
        if token in self._pages:
            self._pages.move_to_end(token)
            return Caller(OWNER, "Dashboard")
        grant = self._check(token)
        if grant is not None:
            return Caller(GUEST, grant.name, grant)
        return None

    def new_page(self) -> str:
        """A token for a dashboard that was just loaded on this machine, for this run."""
        token = _new(PAGE_PREFIX)
        self._pages[token] = None
        while len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        return token


def _new(prefix: str) -> str:
    random = secrets.token_bytes(_TOKEN_BYTES)
    return prefix + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def _same_origin(origin: str, host: str) -> bool:
    # The scheme may differ where a proxy speaks TLS for us; host and port may not.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
