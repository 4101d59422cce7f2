"""What the routes of shares do: links for guests, who is here, and their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from forwarder.access.grants import ShareGuest, ShareTerms, TokenGrant
from forwarder.access.share_link import REMOTE_PATH, is_share_link, share_psk, share_seed
from forwarder.access.shares import Standing
from forwarder.api.access import Call
from forwarder.api.documents.shares import (
    AcceptBody,
    AcceptedView,
    GuestView,
    ShareAnswer,
    ShareBody,
    ShareEnded,
    ShareLimit,
    ShareMade,
    ShareRenew,
    ShareView,
)
from forwarder.api.pairing import FindAddresses, qr_svg
from forwarder.api.services import ApiServices
from forwarder.connectors.host_addresses import addresses, places
from forwarder.errors import ConfigError
from forwarder.shares.accepted import AcceptedVisit
from relay.link.errors import LinkError
from relay.link.names import neutralise, quoted
from relay.link.security.meeting import derived_id, visit_url
from relay.link.security.pairing import PairingLink, PairingLinkError, advertised

_HERE_ONLY = (
    "The link works on this machine only: say `forwarder run --lan` for guests at home, or --meet"
    " wss://meet.example.org for guests anywhere (docs/away.md)."
)
_OWN_CERTIFICATE = (
    "The guest's browser warns, because the certificate is the hub's own. By a meeting point"
    " there is no warning (docs/away.md)."
)


class ShareActions:
    """Every public method but `views` is one route's."""

    def __init__(
        self,
        services: ApiServices,
        find: FindAddresses = addresses,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._services = services
        self._book = services.shares
        self._find = find
        self._wall = wall

    def views(self) -> tuple[ShareView, ...]:
        return tuple(self._view(grant, terms) for grant, terms in self._book)

    async def shares(self, call: Call) -> tuple[ShareView, ...]:
        return self.views()

    async def new(self, call: Call) -> ShareMade:
        body = call.sent(ShareBody)
        _check_page(body.page)
        secret = self._book.new(
            body.name,
            self._wall(),
            devices=body.devices,
            outputs=body.outputs,
            level=body.percent / 100,
            valid_s=body.for_s,
            uses=body.uses,
            ask=body.ask,
        )
        return self._made(body.name, secret, body.page)

    async def renew(self, call: Call) -> ShareMade:
        body = call.sent(ShareRenew)
        _check_page(body.page)
        secret = self._book.renew(body.name, self._wall(), body.for_s)
        return self._made(body.name, secret, body.page)

    async def limit(self, call: Call) -> ShareView:
        body = call.sent(ShareLimit)
        self._book.limit(body.name, body.percent / 100)
        return self._named(body.name)

    async def allow(self, call: Call) -> ShareView:
        body = call.sent(ShareAnswer)
        self._book.allow(body.name, body.guest)
        return self._named(body.name)

    async def refuse(self, call: Call) -> ShareView:
        body = call.sent(ShareAnswer)
        self._book.refuse(body.name, body.guest)
        return self._named(body.name)

    async def end(self, call: Call) -> ShareEnded:
        return self._ended([call.path["name"]])

    async def end_all(self, call: Call) -> ShareEnded:
        return self._ended([grant.name for grant, _ in self._book])

    def _ended(self, names: list[str]) -> ShareEnded:
        before = sum(1 for _ in self._services.shared.staying())
        ended = []
        unkept: OSError | None = None
        for name in names:
            try:
                ended.append(self._book.end(name).name)
            except OSError as error:  # it is over all the same, and so are the others to be
                unkept = error
        if unkept is not None:
            raise unkept
        left = sum(1 for _ in self._services.shared.staying())
        return ShareEnded(names=tuple(ended), guests=before - left)

    # --- those of other hubs --------------------------------------------------------------------

    async def accepted(self, call: Call) -> tuple[AcceptedView, ...]:
        return self.taken()

    def taken(self) -> tuple[AcceptedView, ...]:
        """Shares of other hubs that this one has accepted."""
        return tuple(_accepted(visit) for visit in self._services.accepted)

    async def accept(self, call: Call) -> AcceptedView:
        body = call.sent(AcceptBody)
        try:
            return _accepted(await self._services.accepted.accept(body.link, body.name))
        except (LinkError, TimeoutError) as error:
            why = str(error) or "nobody answered in time"
            raise ConfigError(f"This share cannot be had: {why}.") from error

    async def leave(self, call: Call) -> None:
        name = call.path["name"]
        if not self._services.accepted.end(name):
            raise ConfigError(f"There is no accepted share called {quoted(name)}.")

    # --- views ----------------------------------------------------------------------------------

    def _named(self, name: str) -> ShareView:
        wanted = neutralise(name).casefold()
        return next(
            self._view(grant, terms)
            for grant, terms in self._book
            if grant.name.casefold() == wanted
        )

    def _view(self, grant: TokenGrant, terms: ShareTerms) -> ShareView:
        return ShareView(
            name=grant.name,
            devices=grant.devices,
            outputs=grant.outputs,
            percent=round(100 * grant.level, 1),
            expires=grant.expires,
            over=grant.over(self._wall()),
            uses=terms.uses,
            ask=terms.ask,
            guests=tuple(self._guest(terms, guest) for guest in terms.guests),
        )

    def _guest(self, terms: ShareTerms, guest: ShareGuest) -> GuestView:
        here = [
            client
            for taken, client in self._services.shared.staying()
            if taken.psk == terms.psk and taken.key == guest.key
        ]
        hub = self._services.hub
        drives = [
            neutralise(device.shown_name)
            for device in hub.devices.values()
            if any(client in hub.owners(device).values() for client in here if client is not None)
        ]
        state = Standing.ALLOWED if guest.allowed else Standing.ASKED
        return GuestView(
            number=guest.number,
            browser=neutralise(guest.browser),
            state=Standing.REFUSED if guest.refused else state,
            here=bool(here),
            drives=tuple(drives),
        )

    # --- links ----------------------------------------------------------------------------------

    def _made(self, name: str, secret: bytes, page: str | None) -> ShareMade:
        try:
            link, problems, hints = self._link(secret, page)
        except PairingLinkError as error:
            raise ConfigError(f"A name of this hub cannot stand in a link: {error}.") from error
        return ShareMade(
            share=self._named(name),
            link=link,
            qr=qr_svg(link),
            problems=tuple(problems),
            hints=tuple(hints),
        )

    def _link(self, secret: bytes, page: str | None) -> tuple[str, list[str], list[str]]:
        """The link, what is in its way, and what is good to know. By a meeting point it names
        nothing of this home."""
        services = self._services
        points, ports, config = services.meetings, services.places, services.config.link
        id = derived_id(services.trust.key.public, share_seed(share_psk(secret)))
        meetings = tuple(visit_url(point.origin, id) for point in points)
        if points:
            here = next((point for point in points if point.registered), points[0])
            link = PairingLink((), secret, meetings=meetings)
            problems = []
            if not here.registered:
                problems = [f"The meeting point {here.origin} cannot be used now: {here.trouble}."]
            url = page or f"{here.origin}{REMOTE_PATH}"
            host = urlsplit(url).netloc
            return (
                link.page_at(url),
                problems,
                [f"The page comes from {host}: who serves that could change it."],
            )
        hosts = places(self._find(), config.names, lan=config.lan)
        if page is not None:
            # A page that came by https calls private addresses by ws, and nothing else.
            return advertised(secret, hosts, ports.link_port).page_at(page), [], []
        if not config.lan or ports.https_port is None:
            local = advertised(secret, ["127.0.0.1"], ports.link_port).page(REMOTE_PATH)
            return local.replace("https://", "http://", 1), [], [_HERE_ONLY]
        hints = [_OWN_CERTIFICATE] if ports.own else []
        link = advertised(secret, hosts, ports.https_port, tls=True)
        return link.page(REMOTE_PATH), [], hints


def _accepted(visit: AcceptedVisit) -> AcceptedView:
    share = None if visit.channel is None else visit.channel.share
    return AcceptedView(
        name=visit.entry.name,
        state=visit.state,
        text=visit.text,
        devices=len(visit.source.devices),
        percent=None if share is None else share.percent,
        left_s=None if share is None else share.left_s,
    )


def _check_page(page: str | None) -> None:
    """Raises ConfigError for what is no address of a remote page."""
    if page is None:
        return
    try:
        parts = urlsplit(page)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or parts.fragment or parts.query:
        raise ConfigError("A page is given by its https address, like https://example.com/remote/.")
    if not is_share_link(page):
        raise ConfigError(
            "The address of a remote page ends in /remote/: `forwarder relay-page DIR` writes it"
            " there."
        )
