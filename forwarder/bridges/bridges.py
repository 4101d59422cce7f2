"""The bridges of one hub: made from its configuration, each with its place among the clients."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Coroutine, Iterator

from aiohttp import web

from forwarder.access.admission import OriginPolicy
from forwarder.access.tokens import TokenGrant
from forwarder.bridges.lovense import server as lovense
from forwarder.bridges.lovense.server import LovenseServer
from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.config import BridgeSection, Config, LovenseSection, TlsSection
from forwarder.connectors.doors import Doors
from forwarder.connectors.in_process import InProcess
from forwarder.connectors.listener import Listener
from forwarder.errors import ConfigError
from forwarder.hub.hub import Hub
from relay.link.channel import Channel

Work = tuple[str, Coroutine[None, None, None]]


class HubBridges:
    """All bridges that are switched on. `certificate`: the TLS of a section of the configuration.

    Raises ConfigError for what the user can repair.
    """

    def __init__(
        self,
        config: Config,
        hub: Hub,
        options: ClientOptions,
        *,
        origins: OriginPolicy,
        doors: Doors,
        certificate: Callable[[TlsSection], ssl.SSLContext],
    ) -> None:
        self._hub = hub
        self._options = options
        self._origins = origins
        self._doors = doors
        self._certificate = certificate
        self._channels: list[tuple[InProcess, TokenGrant]] = []
        self._lovense: LovenseServer | None = None
        if config.bridges.lovense.enabled:
            self._lovense = self._lovense_server(config.bridges.lovense, config.name)

    def work(self) -> Iterator[Work]:
        """What has to run, each with its name."""
        for connector, grant in self._channels:
            yield f"{grant.name} in this process", connector.run(self._serving(grant))
        if self._lovense is not None:
            yield lovense.NAME, self._lovense.run()

    def bind(self) -> None:
        """Take the ports. Idempotent. Raises ConfigError."""
        if self._lovense is not None:
            self._lovense.listener.bind()

    def close(self) -> None:
        """Give the ports back, where `work` does not run. Idempotent."""
        if self._lovense is not None:
            self._lovense.listener.close()

    @property
    def lovense_port(self) -> int:
        """The real one, once bound; 0 if that bridge is off."""
        return 0 if self._lovense is None else self._lovense.listener.port

    def _serving(self, grant: TokenGrant) -> Callable[[Channel], Coroutine[None, None, None]]:
        async def serve(channel: Channel) -> None:
            await clients.serve(channel, self._hub, self._options, grant)

        return serve

    def _place(self, name: str, section: BridgeSection) -> InProcess:
        """A way in for one bridge, with what it may do."""
        grant = TokenGrant(name, section.devices, section.outputs, section.level)
        connector = InProcess(name)
        self._channels.append((connector, grant))
        return connector

    def _lovense_server(self, section: LovenseSection, hub: str) -> LovenseServer:
        for address in section.allowed:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ConfigError(
                    f"hub.toml, bridges.lovense.allowed: {address} is no IP address, such as"
                    " 192.168.1.7."
                ) from None

        def listening(app: web.Application) -> Listener:
            return Listener(
                app,
                port=section.port,
                hosts=section.hosts,
                tls=None if section.tls is None else self._certificate(section.tls),
                option="[bridges.lovense] port",
                doors=self._doors,
            )

        return LovenseServer(
            hub,
            self._place(lovense.NAME, section).open,
            listening,
            origins=self._origins,
            hosts=self._origins.hosts,
            allowed=section.allowed,
            silence_s=section.silence_s,
        )
