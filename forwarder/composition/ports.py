"""Everything of a hub at which something may come in: taken together, given back together."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterator, Sequence

from aiohttp import web

from forwarder.api.control import ControlSocket
from forwarder.api.services import ApiPlaces
from forwarder.bridges.bridges import HubBridges
from forwarder.composition.listeners import certificate, https_listener, link_listener
from forwarder.composition.meetings import Here
from forwarder.config import Config
from forwarder.connectors.doors import Doors
from forwarder.connectors.listener import Listener
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.errors import ConfigError
from forwarder.web.headers import HOME

log = logging.getLogger(__name__)


class Ports:
    """The ports for apps (`clients`), for relays and browsers (`link`) and for phones (`https`),
    those of other servers and devices (`others`), of bridges, of a meeting point of its own
    (`here`), and the socket for commands.

    `places` learns what was taken.
    """

    def __init__(
        self,
        config: Config,
        pages: web.Application,
        places: ApiPlaces,
        doors: Doors,
        *,
        clients: WebSocketServer,
        others: Sequence[WebSocketServer],
        bridges: HubBridges,
        control: ControlSocket,
        here: Here | None,
    ) -> None:
        """Take nothing yet. Raises ConfigError: a certificate that can't be used."""
        self.clients = clients
        self.link = link_listener(config, pages, places.home, doors)
        self.https: Listener | None = None
        if config.link.https_port != 0:
            shown = certificate(config, config.link.tls)
            places.fingerprint = shown.fingerprint
            places.own = config.link.tls is None
            self.https = https_listener(config, pages, shown, doors)
        self._pages = pages
        self._places = places
        self._others = others
        self._bridges = bridges
        self._control = control
        self._here = here

    def bind(self) -> None:
        """Take them all. Raises ConfigError; what was taken until then is given back by `close`."""
        self._control.bind()
        for server in self._others:
            server.bind()
        if self._here is not None:
            meeting, point = self._here
            point.by = f"http://127.0.0.1:{meeting.bind()}"
        self._bridges.bind()
        places = self._places
        places.client_port, places.link_port = self.clients.bind(), self.link.bind()
        if places.home is not None and not self._pages.frozen:
            self._pages[HOME] = places.dashboard_url
        if self.https is not None and places.https_port is None:
            try:
                places.https_port = self.https.bind()
            except ConfigError as error:
                # Only phones need it: everything else works without.
                log.warning("no https for phones: %s", error)
                self.https = None

    def work(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """What serves the pages, at each of their ports, and the socket for commands."""
        yield "links", self.link.run()
        if self.https is not None:
            yield "https", self.https.run()
        yield "commands", self._control.run()

    async def ready(self) -> None:
        """Apps and relays are let in."""
        await self.clients.ready.wait()
        await self.link.ready.wait()

    def close(self) -> None:
        """Give everything back. Idempotent."""
        for server in (self.clients, *self._others):
            server.close()
        self.link.close()
        if self.https is not None:
            self.https.close()
        if self._here is not None:
            self._here[0].close()
        self._bridges.close()
        self._control.close()
