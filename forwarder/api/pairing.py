"""Pairing codes for people: links, QR codes, the address of the phone's page, and what is in the
way of it working.
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from forwarder.access.bounds import CODE_S, MAX_CODES
from forwarder.access.comparing import ComparingDesk
from forwarder.api.access import Call
from forwarder.api.documents.pairing import (
    WAYS,
    ComparedBody,
    ComparingView,
    PairingBody,
    PairingState,
    PairingView,
)
from forwarder.api.services import ApiPlaces, ApiServices
from forwarder.connectors.host_addresses import HostAddress, addresses, places
from forwarder.connectors.meeting import MeetingPoint
from forwarder.errors import ConfigError
from relay.link.names import neutralise
from relay.link.security.handshake import code_id
from relay.link.security.pairing import PairingLinkError, advertised

PAGE_PATH = "/relay/"
# Codes are shown to one person; a few more are remembered so that a slow look finds its answer.
_REMEMBERED = 4 * MAX_CODES

# Whoever stands between phone and hub can show the phone a page of their own, which then has the
# code. Only the certificate tells, and only before the page was opened.
COMPARE = (
    "Chrome warns, because the certificate is the hub's own. Somebody in the network could show"
    " you theirs, so look first: on the warning, tap the sign before the address, then Details,"
    " then Certificate information, and find SHA-256 fingerprint (not the one of the public key)."
    " Only if it is the one below, in full: back, Advanced, Proceed."
)

FindAddresses = Callable[[], tuple[HostAddress, ...]]


@dataclass(frozen=True, slots=True)
class _Issued:
    secret: bytes
    until: float


@dataclass(frozen=True, slots=True)
class Page:
    """How a phone gets its page. `problems`: why that cannot work, and what to do about it.
    `certificate`: the fingerprint that a person has to compare, as Chrome for Android shows it."""

    url: str | None
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    certificate: str | None = None


class Pairing:
    """Issues codes and says what became of them."""

    def __init__(self, services: ApiServices, find: FindAddresses = addresses) -> None:
        self._services = services
        self._find = find
        self._issued: OrderedDict[str, _Issued] = OrderedDict()

    def issue(self, body: PairingBody) -> PairingView:
        """A new code, valid once and for two minutes. Raises ConfigError for an unknown way, and
        for `away` without a meeting point or a direct path."""
        services = self._services
        points = services.meetings
        meetings = tuple(point.url for point in points)
        if body.phone not in (*WAYS, None):
            raise ConfigError(f"A phone gets its page by one of {', '.join(WAYS)}.")
        direct = self._direct(away=body.away)
        if not meetings and (body.phone == "meet" or (body.away and not direct)):
            raise ConfigError(
                "This hub has no meeting point: start it with"
                " `forwarder run --meet wss://meet.example.org` (docs/away.md)."
            )
        now = asyncio.get_running_loop().time()
        secret = services.trust.desk.issue(now)
        id = code_id(secret).hex()
        self._issued[id] = _Issued(secret, now + CODE_S)
        while len(self._issued) > _REMEMBERED:
            self._issued.popitem(last=False)
        found = self._find()
        config = services.config.link
        hosts = () if body.away else places(found, config.names, lan=config.lan)
        link = _link(secret, hosts, services.places.link_port, meetings, direct)
        if body.away and not meetings:
            page = Page(None, ("A phone in another home needs a meeting point: browsers have no"
                               " direct paths.",))  # fmt: skip
        elif body.phone == "meet" or (body.phone is None and meetings):
            page = page_by_meeting(secret, hosts, found, services.places.link_port, points)
        else:
            page = phone_page(
                body, secret, hosts, found, services.places,
                lan=config.lan, names=config.names, meetings=meetings,
            )  # fmt: skip
        return PairingView(
            id=id,
            link=link,
            link_qr=qr_svg(link),
            page_url=page.url,
            page_qr=None if page.url is None else qr_svg(page.url),
            problems=page.problems,
            hints=page.hints,
            certificate=page.certificate,
            valid_s=CODE_S,
        )

    def _direct(self, *, away: bool) -> tuple[str, ...]:
        """By which paths relays come, in a link; for elsewhere without addresses of this home."""
        paths = self._services.direct
        place = None if paths is None else paths.place(away=away)
        return () if place is None else (place.url,)

    def state(self, id: str) -> PairingState:
        """What became of a code."""
        issued = self._issued.get(id)
        now = asyncio.get_running_loop().time()
        relay = self._services.trust.joined.get(bytes.fromhex(id)) if issued else None
        if issued is not None and relay is not None:
            return PairingState(state="joined", relay=relay, valid_s=0)
        if issued is not None and self._services.trust.desk.is_open(issued.secret, now):
            return PairingState(state="open", relay=None, valid_s=round(issued.until - now, 1))
        return PairingState(state="over", relay=None, valid_s=0)

    def withdraw(self, id: str) -> None:
        """Nobody wants the code any more."""
        issued = self._issued.pop(id, None)
        if issued is not None:
            self._services.trust.desk.withdraw(issued.secret)


class ComparingActions:
    """Every public method is one route's. Who looks at the dialog keeps it open."""

    def __init__(self, desk: ComparingDesk) -> None:
        self._desk = desk

    async def open(self, call: Call) -> ComparingView:
        self._desk.open(_now())
        return self._view()

    async def look(self, call: Call) -> ComparingView:
        self._desk.look(_now())
        return self._view()

    async def same(self, call: Call) -> ComparingView:
        self._desk.same(call.sent(ComparedBody).attempt, _now())
        return self._view()

    async def different(self, call: Call) -> ComparingView:
        self._desk.different(call.sent(ComparedBody).attempt, _now())
        return self._view()

    async def close(self, call: Call) -> None:
        self._desk.close()

    def _view(self) -> ComparingView:
        desk, attempt = self._desk, self._desk.attempt
        shown = attempt is not None and attempt.code != ""
        return ComparingView(
            state=desk.state,
            code=attempt.code if attempt is not None and shown else None,
            attempt=attempt.number if attempt is not None and shown else None,
            relay=neutralise(attempt.name if attempt is not None else desk.joined) or None,
            tries_left=desk.tries_left,
            wait_s=round(desk.wait_s(_now()), 1),
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _link(
    secret: bytes,
    hosts: Sequence[str],
    port: int,
    meetings: Sequence[str],
    direct: Sequence[str],
) -> str:
    try:
        return advertised(secret, hosts, port, meetings=meetings, direct=direct).text()
    except PairingLinkError as error:
        raise ConfigError(f"A name of this hub cannot stand in a link: {error}.") from error


def page_by_meeting(
    secret: bytes,
    hosts: Sequence[str],
    found: Sequence[HostAddress],
    port: int,
    points: Sequence[MeetingPoint],
) -> Page:
    """The page that the first meeting point serves which is there, without any warning. At home it
    still finds the hub by its private addresses."""
    here = next((point for point in points if point.registered), points[0])
    # A page that came by https calls private addresses, and no others by ws.
    near = [host for host in hosts if host != "127.0.0.1" and _is_private(host, found)]
    link = advertised(secret, near, port, meetings=[point.url for point in points])
    problems: list[str] = []
    if not here.registered:
        problems = [f"The meeting point {here.origin} cannot be used now: {here.trouble}."]
    hints = [f"The page comes from {here.origin}: who serves that could change it."]
    if near:
        hints.append(
            "Chrome may ask whether the site may reach devices on the local network: allowed, the"
            " phone takes the short way while it is at home."
        )
    return Page(link.page_at(f"{here.origin}{PAGE_PATH}"), tuple(problems), tuple(hints))


def phone_page(
    body: PairingBody,
    secret: bytes,
    hosts: Sequence[str],
    found: Sequence[HostAddress],
    ports: ApiPlaces,
    *,
    lan: bool,
    names: Sequence[str] = (),
    meetings: Sequence[str] = (),
) -> Page:
    """The address of the page for the chosen way, checked against the addresses there are."""
    match body.phone:
        case "https" | None:
            return _by_https(secret, hosts, found, ports, lan=lan, meetings=meetings)
        case "localhost":
            url = advertised(secret, ["localhost"], ports.link_port).page(PAGE_PATH)
            port = ports.link_port
            return Page(
                url.replace("https://", "http://", 1),
                hints=(
                    "Connect the phone by USB with debugging on, and run"
                    f" `adb reverse tcp:{port} tcp:{port}` on this machine first.",
                ),
            )
        case "site":
            return _by_site(body.site, secret, hosts, found, ports, lan=lan, names=names)
        case _:
            return Page(
                None,
                problems=(
                    "Browsers give Bluetooth to no page that comes by plain http from another"
                    " machine: choose https, localhost or site.",
                ),
            )


def _by_https(
    secret: bytes,
    hosts: Sequence[str],
    found: Sequence[HostAddress],
    ports: ApiPlaces,
    *,
    lan: bool,
    meetings: Sequence[str],
) -> Page:
    problems = []
    if ports.https_port is None:
        problems.append(
            "This hub has no https port: another program has it, or link.https_port is 0 in the"
            " configuration file."
        )
    problems += _out_of_reach(found, lan=lan)
    port = ports.https_port or 0
    url = None
    if port and hosts:
        url = advertised(secret, hosts, port, tls=True, meetings=meetings).page(PAGE_PATH)
    certificate = None
    hints = []
    if ports.own and ports.fingerprint is not None:
        # components/page_info/…/CertificateViewer.java of Chromium: upper case, spaces between.
        certificate = ports.fingerprint.replace(":", " ")
        hints.append(COMPARE)
    if found and not any(address.is_private for address in found):
        hints.append("This machine has public addresses only: a firewall should guard it.")
    return Page(url, tuple(problems), tuple(hints), certificate)


def _by_site(
    site: str | None,
    secret: bytes,
    hosts: Sequence[str],
    found: Sequence[HostAddress],
    ports: ApiPlaces,
    *,
    lan: bool,
    names: Sequence[str],
) -> Page:
    try:
        parts = urlsplit(site or "")
        parts.port  # noqa: B018  raises for what is no port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or parts.fragment or parts.query:
        return Page(
            None,
            problems=("A site is given by its https address, like https://example.com/relay/.",),
        )
    problems = _out_of_reach(found, lan=lan)
    # Chrome's Local Network Access lets an https page call private addresses and .local names.
    reachable = [host for host in hosts if host in names or _is_private(host, found)]
    if lan and not reachable:
        problems.append(
            "An https page may call private addresses only, and this machine has none: use https."
        )
    fragment = advertised(secret, ["localhost"], 1).page("/").partition("#")[2]
    asked = [
        f"[{host}]:{ports.link_port}" if ":" in host else f"{host}:{ports.link_port}"
        for host in (reachable or hosts)[:8]
    ]
    query = urlencode([("h", place) for place in asked], safe="[]:")
    path = parts.path if parts.path.endswith(("/", ".html")) else f"{parts.path}/"
    return Page(
        f"https://{parts.netloc}{path}#{fragment}&{query}",
        tuple(problems),
        ("Chrome asks once whether the site may reach devices on the local network: allow it.",),
    )


def _is_private(host: str, found: Sequence[HostAddress]) -> bool:
    if host.endswith(".local") or host == "127.0.0.1":
        return True
    return any(str(address) == host and address.is_private for address in found)


def _out_of_reach(found: Sequence[HostAddress], *, lan: bool) -> list[str]:
    if not lan:
        return [
            "This hub listens on this machine only: start it with `forwarder run --lan`, so that"
            " phones and relays can reach it."
        ]
    if not found:
        return ["This machine has no address that others could reach: connect it to a network."]
    return []


def qr_svg(text: str) -> str:
    """An SVG document, without a size of its own; black on white whatever the page's colours."""
    out = io.BytesIO()
    import segno  # only who shows a code needs it

    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, omitsize=True, light="#fff", border=4
    )
    return out.getvalue().decode()
