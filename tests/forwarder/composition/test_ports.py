from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp import web

from forwarder.access.admission import OriginPolicy
from forwarder.api.control import ControlSocket
from forwarder.api.services import ApiPlaces
from forwarder.bridges.bridges import HubBridges
from forwarder.clients.driver import ClientOptions
from forwarder.composition.listeners import client_server
from forwarder.composition.ports import Ports
from forwarder.config import Clients, Config, Link
from forwarder.connectors.doors import Doors
from forwarder.errors import ConfigError
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store


def made(folder: Path, *, clients: int = 0, https: int = 0) -> tuple[Ports, ApiPlaces]:
    config = Config(
        state=folder, clients=Clients(port=clients), link=Link(port=0, https_port=https)
    )
    doors, origins, places = Doors(), OriginPolicy(()), ApiPlaces()
    bridges = HubBridges(
        config,
        Hub(Store(None)),
        ClientOptions("Desk"),
        origins=origins,
        doors=doors,
        certificate=lambda section: pytest.fail("no bridge has one here"),
        version="1",
        hub_id="0",
    )
    ports = Ports(
        config,
        web.Application(),
        places,
        doors,
        clients=client_server(config, origins, lambda visitor: None, doors),
        others=(),
        bridges=bridges,
        control=ControlSocket(folder, web.Application()),
        here=None,
    )
    return ports, places


def taken(port: int) -> bool:
    with socket.socket() as other:
        return other.connect_ex(("127.0.0.1", port)) == 0


def test_what_was_taken_is_told_and_given_back(tmp_path: Path) -> None:
    ports, places = made(tmp_path)
    ports.bind()
    assert taken(places.client_port)
    assert taken(places.link_port)
    assert places.https_port is None
    ports.close()
    ports.close()
    assert not taken(places.client_port)
    assert not taken(places.link_port)


def test_a_port_that_another_has_is_the_users_to_mend(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports, _ = made(tmp_path, clients=other.getsockname()[1])
        with pytest.raises(ConfigError):
            ports.bind()
        ports.close()


def test_without_the_port_for_phones_all_else_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports, places = made(tmp_path, https=other.getsockname()[1])
        try:
            ports.bind()
            assert places.https_port is None
            assert "no https for phones" in caplog.text
            names = []
            for name, work in ports.work():
                names.append(name)
                work.close()
            assert names == ["links", "commands"]
        finally:
            ports.close()
