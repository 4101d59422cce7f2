from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.composition.sources import (
    add_virtual_devices,
    device_server,
    dialing,
    own_radios,
    upstream_connector,
    upstream_source,
)
from forwarder.config import Config, DialSection, RadioSection, Upstream, WebsocketDevices
from forwarder.connectors.doors import Doors
from forwarder.connectors.websocket_client import WebSocketClient
from forwarder.connectors.websocket_server import WebSocketServer
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store


def test_an_upstream_dials_or_listens_and_is_refused_without_either(tmp_path: Path) -> None:
    config, doors = Config(state=tmp_path), Doors()
    dials = upstream_connector(Upstream(name="pc", dial="ws://127.0.0.1:1"), config, doors)
    assert isinstance(dials, WebSocketClient)
    listens = upstream_connector(Upstream(name="pc", listen=0), config, doors)
    assert isinstance(listens, WebSocketServer)
    with pytest.raises(ConfigError, match="pc needs `dial` or `listen`"):
        upstream_connector(Upstream(name="pc"), config, doors)


def test_the_hub_asks_an_upstream_from_the_moment_it_is_made(tmp_path: Path) -> None:
    hub = Hub(Store(None))
    source = upstream_source("pc", Config(state=tmp_path), hub, UserConfig())
    assert source in hub.sources


def test_toys_dial_in_only_where_that_is_wanted(tmp_path: Path) -> None:
    store, user = Store(None), UserConfig()
    hub, catalogue = Hub(store), Catalogue.load(user=user)
    off = Config(state=tmp_path)
    assert device_server(off, catalogue, user, hub, store, Doors()) is None
    assert not list(hub.sources)
    on = Config(state=tmp_path, websocket_devices=WebsocketDevices(enabled=True, port=0))
    made = device_server(on, catalogue, user, hub, store, Doors())
    assert made is not None
    assert list(hub.sources) == [made[1]]


def test_no_group_and_no_stand_in_is_no_source(tmp_path: Path) -> None:
    hub = Hub(Store(None))
    add_virtual_devices(Config(state=tmp_path), hub)
    assert not list(hub.sources)


def test_a_simulated_toy_that_nobody_knows_is_the_users_to_mend(tmp_path: Path) -> None:
    config = Config(state=tmp_path, radio=RadioSection(simulate=("Lovense Hsh",)))
    with pytest.raises(ConfigError, match="Lovense Hush"):
        own_radios(config, UserConfig())
    assert own_radios(Config(state=tmp_path), UserConfig()) == []


def test_an_app_that_listens_is_dialed_with_its_fingerprint_or_without() -> None:
    for entry in ("ws://127.0.0.1:2", DialSection(url="ws://127.0.0.1:2")):
        assert dialing(entry).url == "ws://127.0.0.1:2"
    with pytest.raises(ConfigError, match="http://x"):
        dialing("http://x")
