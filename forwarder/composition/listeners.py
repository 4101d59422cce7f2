"""The ports of a hub: who may knock at each, how much they may send, and by which certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from forwarder.access.admission import (
    AdmissionRefused,
    Admitted,
    Gatekeeper,
    HttpVisitor,
    OriginPolicy,
)
from forwarder.access.tls import Certificate, own_certificate, users_certificate
from forwarder.access.tokens import TokenGrant
from forwarder.clients.bounds import GONE_S
from forwarder.composition.link_visitors import LinkVisitors
from forwarder.config import Config, TlsSection
from forwarder.connectors.bounds import CLIENT_FRAME_BYTES, Purpose
from forwarder.connectors.doors import Doors
from forwarder.connectors.host_addresses import addresses, host_names
from forwarder.connectors.listener import EVERYWHERE, LOOPBACK, Listener
from forwarder.connectors.websocket_server import OnVisit, WebSocketServer, add_websocket_route
from relay.link.security.noise import MAX_MESSAGE_BYTES

# Where apps connect at the ports of relays and phones.
APPS_PATH = "/buttplug"

GrantOf = Callable[[HttpVisitor], TokenGrant | None]
"""What a visitor's tokens permit; None without one, and if one of them is not good."""


class LinkGate(Gatekeeper):
    """Lets any relay knock: who it is, the handshake inside the websocket decides."""

    def admit(self, visitor: HttpVisitor) -> Admitted | AdmissionRefused:
        return Admitted(visitor, proven=False)


class SecureGate(Gatekeeper):
    """For apps at the port of relays and phones: from another machine over https only, for their
    token must not be read on the way."""

    def admit(self, visitor: HttpVisitor) -> Admitted | AdmissionRefused:
        if not visitor.loopback and not visitor.secure:
            return AdmissionRefused(
                403, "apps on other machines connect by the https port, with wss"
            )
        return super().admit(visitor)


def certificate(config: Config, files: TlsSection | None) -> Certificate:
    """The user's certificate, or the hub's own. Raises ConfigError."""
    if files is not None:
        return users_certificate(files.certificate, files.key)
    names = [*host_names(), *map(str, addresses()), *config.link.names]
    return own_certificate(config.state_dir, names, datetime.now(UTC))


def client_server(
    config: Config, origins: OriginPolicy, grant: GrantOf, doors: Doors
) -> WebSocketServer:
    """The port for apps."""
    section = config.clients
    return WebSocketServer(
        port=section.port,
        hosts=section.hosts,
        gatekeeper=Gatekeeper(origins, grant, trusted=section.trusted),
        tls=certificate(config, section.tls).server_context() if section.secure else None,
        heartbeat_s=None,  # the session listens by itself, see forwarder/clients/silence.py
        max_frame_bytes=CLIENT_FRAME_BYTES,
        send_s=GONE_S,
        purpose=Purpose.CLIENTS,
        doors=doors,
    )


def add_routes(
    pages: web.Application,
    links: LinkVisitors,
    apps: OnVisit,
    origins: OriginPolicy,
    grant: GrantOf,
) -> None:
    """What is served beside the pages, at the ports of relays and phones."""
    # Strangers may fill no larger buffer than a link frame needs.
    cap = MAX_MESSAGE_BYTES
    add_websocket_route(
        pages,
        "/link",
        links.came,
        gatekeeper=LinkGate(),
        max_frame_bytes=cap,
        purpose=Purpose.LINKS,
    )
    add_websocket_route(
        pages, "/link/plain", links.plain, max_frame_bytes=cap, purpose=Purpose.LINKS
    )
    # So apps elsewhere need no second port with TLS, and those of this machine keep ws.
    add_websocket_route(
        pages,
        APPS_PATH,
        apps,
        gatekeeper=SecureGate(origins, grant),
        heartbeat_s=None,  # as at the port for apps
        max_frame_bytes=CLIENT_FRAME_BYTES,
        send_s=GONE_S,
        purpose=Purpose.CLIENTS,
    )


def link_listener(
    config: Config, pages: web.Application, home: str | None, doors: Doors
) -> Listener:
    """The port of relays and of this machine's browsers; `home`: the dashboard's own address."""
    own = () if home is None else (home,)
    return Listener(
        pages,
        port=config.link.port,
        hosts=EVERYWHERE if config.link.lan else (*LOOPBACK, *own),
        option="--link-port",
        doors=doors,
    )


def https_listener(
    config: Config, pages: web.Application, shown: Certificate, doors: Doors
) -> Listener:
    """The same pages and the link over https, for phones: browsers give Bluetooth to no page that
    comes by http from another machine."""
    return Listener(
        pages,
        port=config.link.https_port,
        hosts=EVERYWHERE if config.link.lan else LOOPBACK,
        tls=shown.server_context(),
        option="--https-port",
        doors=doors,
    )
