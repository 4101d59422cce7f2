"""Where a hub's devices come from, as its configuration names it; all but the relays that dial.

What few hubs have is loaded when it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forwarder.access.tls import client_tls
from forwarder.composition.listeners import certificate
from forwarder.config import Config, DialSection, Upstream
from forwarder.connectors.base import Connector
from forwarder.connectors.bounds import SERVER_FRAME_BYTES, Purpose
from forwarder.connectors.doors import Doors
from forwarder.connectors.websocket_client import WebSocketClient
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.sources.upstream.source import UpstreamSource
from relay.embedded import RelayError, embedded_agents

if TYPE_CHECKING:
    from forwarder.sources.websocket_devices.source import WebsocketDeviceSource
    from relay.embedded import Agent


def dialing(entry: str | DialSection) -> WebSocketClient:
    """Dials an app that listens."""
    if isinstance(entry, str):
        return WebSocketClient(entry)
    return WebSocketClient(entry.url, tls=client_tls(entry.fingerprint))


def upstream_source(name: str, config: Config, hub: Hub, user: UserConfig) -> UpstreamSource:
    """Another server's devices; the hub has it among its sources from now on."""
    source = UpstreamSource(
        name,
        hub,
        client_name=config.clients.server_name,
        hub_id=hub.id,
        settings=lambda who: user.device(who.address, who.protocol, who.identifier),
    )
    hub.sources.append(source)
    return source


def upstream_connector(entry: Upstream, config: Config, doors: Doors) -> Connector:
    """What makes channels to another server. Raises ConfigError."""
    if entry.dial is not None:
        return WebSocketClient(
            entry.dial, tls=client_tls(entry.fingerprint), max_frame_bytes=SERVER_FRAME_BYTES
        )
    if entry.listen is not None:
        return WebSocketServer(
            port=entry.listen,
            tls=certificate(config, entry.tls).server_context() if entry.secure else None,
            option="upstream.listen",
            purpose=Purpose.UPSTREAM,
            max_frame_bytes=SERVER_FRAME_BYTES,
            doors=doors,
        )
    raise ConfigError(f"The upstream {entry.name} needs `dial` or `listen`.")


def device_server(
    config: Config, catalogue: Catalogue, user: UserConfig, hub: Hub, store: Store, doors: Doors
) -> tuple[WebSocketServer, WebsocketDeviceSource] | None:
    """The port at which toys dial in by themselves, if it is wanted."""
    wanted = config.websocket_devices
    if not wanted.enabled:
        return None
    from forwarder.sources.websocket_devices.bounds import HEARTBEAT_S, MAX_FRAME_BYTES
    from forwarder.sources.websocket_devices.source import DeviceGate, WebsocketDeviceSource

    source = WebsocketDeviceSource(catalogue, user, hub, store.at)
    hub.sources.append(source)
    server = WebSocketServer(
        port=wanted.port,
        hosts=wanted.hosts,
        gatekeeper=DeviceGate(),
        option="websocket_devices.port",
        heartbeat_s=HEARTBEAT_S,
        max_frame_bytes=MAX_FRAME_BYTES,
        purpose=Purpose.DEVICES,
        doors=doors,
    )
    return server, source


async def device_visits(server: WebSocketServer, devices: WebsocketDeviceSource) -> None:
    """Serve the toys that dial in, as long as the hub lives; one that has said who it is has proven
    itself."""
    await server.run_visits(
        lambda channel, admitted: devices.drive(channel, lambda: admitted.settle(None))
    )


def add_virtual_devices(config: Config, hub: Hub) -> None:
    """Groups and stand-ins, which are made of the hub's own devices."""
    if not config.groups and not config.stand_ins:
        return
    from forwarder.sources.virtual.source import GroupRule, StandInRule, VirtualSource
    from forwarder.sources.virtual.stand_in import Role

    source = VirtualSource(
        hub,
        hub,
        [GroupRule(group.name, group.devices) for group in config.groups],
        [
            StandInRule(
                each.device, Role(each.role), min(each.low, each.high), max(each.low, each.high)
            )
            for each in config.stand_ins
        ],
    )
    hub.sources.append(source)
    hub.join(source)


def own_radios(config: Config, user: UserConfig) -> list[Agent]:
    """Relays within this process, for the radios of this machine. Raises ConfigError."""
    try:
        return embedded_agents(
            simulate=config.radio.simulate,
            placed=[(toy.identifier, toy.address) for toy in user.simulated()],
            local=config.radio.local,
            own=config.radio.own,
            trace=config.trace,
            state=config.radio_state,
        )
    except RelayError as error:
        raise ConfigError(str(error)) from error
