"""The bridges of one hub: made from its configuration, each with its place among the clients.

What a bridge is made of is loaded when it is switched on: few hubs have one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING

from forwarder.access.admission import OriginPolicy
from forwarder.access.tokens import TokenGrant
from forwarder.bridges.bounds import BRIDGES_AGAIN_S
from forwarder.clients import driver as clients
from forwarder.clients.driver import ClientOptions
from forwarder.config import (
    BridgeSection,
    Config,
    LovenseSection,
    MqttSection,
    OscSection,
    TlsSection,
)
from forwarder.connectors.doors import Doors
from forwarder.connectors.in_process import InProcess
from forwarder.connectors.listener import Listener
from forwarder.errors import ConfigError
from forwarder.hub.hub import Hub
from relay.link.channel import Channel
from relay.link.files.keys import PrivateFileError, read_private
from relay.link.tasks.cancellation import apart

if TYPE_CHECKING:
    from aiohttp import web

    from forwarder.bridges.lovense.server import LovenseServer
    from forwarder.bridges.mqtt.bridge import MqttBridge
    from forwarder.bridges.osc.server import OscServer
    from forwarder.bridges.programs import Slot

Work = tuple[str, Coroutine[None, None, None]]

log = logging.getLogger(__name__)


async def _kept(name: str, run: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run a bridge until cancelled. If it fails its client leaves, and what it drove is stopped."""
    while True:
        try:
            await apart(run())
        except Exception:
            # A fault boundary: a bridge is one client of many, and ends nothing but itself.
            log.exception("the bridge %s failed; it starts again in %g s", name, BRIDGES_AGAIN_S)
            await asyncio.sleep(BRIDGES_AGAIN_S)


class HubBridges:
    """All bridges that are switched on. `certificate`: the TLS of a section of the configuration;
    `hub_id`: 8 hexadecimal digits that stay.

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
        hub_id: str,
        version: str,
    ) -> None:
        self._hub = hub
        self._options = options
        self._origins = origins
        self._doors = doors
        self._certificate = certificate
        self._version = version
        self._channels: list[tuple[InProcess, TokenGrant]] = []
        self._lovense: LovenseServer | None = None
        if config.bridges.lovense.enabled:
            self._lovense = self._lovense_server(config.bridges.lovense, config.name)

        self._osc = self._osc_server(config.bridges.osc) if config.bridges.osc.enabled else None
        self._mqtt: MqttBridge | None = None
        if config.bridges.mqtt.enabled:
            self._mqtt = self._mqtt_bridge(config.bridges.mqtt, config.name, hub_id)

    def work(self) -> Iterator[Work]:
        """What has to run, each with its name."""
        for connector, grant in self._channels:
            yield f"{grant.name} in this process", connector.run(self._serving(grant))
        if self._lovense is not None:
            yield self._lovense.name, _kept(self._lovense.name, self._lovense.run)
        if self._osc is not None:
            yield self._osc.name, _kept(self._osc.name, self._osc.run)
        if self._mqtt is not None:
            yield self._mqtt.name, _kept(self._mqtt.name, self._mqtt.run)

    def bind(self) -> None:
        """Take the ports. Idempotent. Raises ConfigError."""
        if self._lovense is not None:
            self._lovense.listener.bind()
        if self._osc is not None:
            self._osc.bind()

    def close(self) -> None:
        """Give the ports back, where `work` does not run. Idempotent."""
        if self._lovense is not None:
            self._lovense.listener.close()
        if self._osc is not None:
            self._osc.close()

    @property
    def lovense_port(self) -> int:
        """The real one, once bound; 0 if that bridge is off."""
        return 0 if self._lovense is None else self._lovense.listener.port

    @property
    def osc_port(self) -> int:
        """As `lovense_port`."""
        return 0 if self._osc is None else self._osc.port

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
        from forwarder.bridges.lovense.server import LovenseServer

        _demand_addresses("lovense", section.allowed)

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
            self._place(LovenseServer.name, section).open,
            listening,
            origins=self._origins,
            hosts=self._origins.hosts,
            allowed=section.allowed,
            silence_s=section.silence_s,
        )

    def _osc_server(self, section: OscSection) -> OscServer:
        from forwarder.bridges.osc.parameters import USUAL, Rule
        from forwarder.bridges.osc.server import OscLink, OscServer

        _demand_addresses("osc", section.allowed)
        links = [
            OscLink(
                Rule(link.parameters or USUAL, link.scale, link.dead_zone),
                link.devices,
                link.output,
            )
            for link in section.links
        ]
        return OscServer(
            self._place(OscServer.name, section).open,
            port=section.port,
            host=section.host,
            links=links or [OscLink(Rule())],
            allowed=section.allowed,
            hold_s=section.hold_s,
        )

    def _mqtt_bridge(self, section: MqttSection, name: str, hub_id: str) -> MqttBridge:
        from forwarder.bridges.mqtt.bridge import BrokerPlace, MqttBridge
        from forwarder.bridges.mqtt.topics import Topics

        password = None
        if section.password_file is not None:
            try:
                password = read_private(section.password_file).decode().strip()
            except (OSError, PrivateFileError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"hub.toml, bridges.mqtt.password_file: {section.password_file} cannot be"
                    f" used ({getattr(error, 'strerror', None) or error}): correct its name, or"
                    " make it readable for this user alone."
                ) from error
        place = BrokerPlace(section.broker, section.port, section.user, password, _tls(section))
        return MqttBridge(
            self._place(MqttBridge.name, section).open,
            place,
            Topics(hub_id, section.prefix),
            hub_name=name,
            version=self._version,
            neutral=not section.names,
            levels=self._levels,
        )

    def _levels(self, index: int) -> dict[Slot, float]:
        device = self._hub.devices.get(index)
        if device is None:
            return {}
        return {
            (feature, kind): value / (device.highest(feature, kind) or 1)
            for feature, (kind, value, _) in device.levels.items()
        }


def _tls(section: MqttSection) -> ssl.SSLContext | None:
    if not section.tls:
        return None
    try:
        return ssl.create_default_context(cafile=section.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"hub.toml, bridges.mqtt.ca: {section.ca} cannot be used"
            f" ({error.strerror if type(error) is FileNotFoundError else 'it is no certificate'}):"
            " correct its name, or use certificates in PEM form."
        ) from error


def _demand_addresses(bridge: str, addresses: Iterable[str]) -> None:
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ConfigError(
                f"hub.toml, bridges.{bridge}.allowed: {address} is no IP address, such as"
                " 192.168.1.7."
            ) from None
