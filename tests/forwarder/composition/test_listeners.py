from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest
from aiohttp import web

from forwarder.access.admission import AdmissionRefused, Admitted, HttpVisitor
from forwarder.composition.listeners import (
    LinkGate,
    SecureGate,
    certificate,
    https_listener,
    link_listener,
)
from forwarder.config import Config, Link, TlsSection
from forwarder.connectors.doors import Doors
from forwarder.connectors.host_addresses import addresses
from forwarder.errors import ConfigError


def test_an_app_elsewhere_shows_its_token_over_https_only() -> None:
    gate = SecureGate(authorise=lambda visitor: "grant")
    away = HttpVisitor("192.168.1.9", tokens=("good",))
    refused = gate.admit(away)
    assert isinstance(refused, AdmissionRefused)
    assert "wss" in refused.text
    assert isinstance(gate.admit(dataclasses.replace(away, secure=True)), Admitted)
    assert isinstance(gate.admit(HttpVisitor("127.0.0.1")), Admitted)


def test_any_relay_may_knock_and_has_proven_nothing_by_that() -> None:
    admitted = LinkGate().admit(HttpVisitor("203.0.113.5"))
    assert isinstance(admitted, Admitted)
    assert not admitted.proven


def test_the_certificate_is_the_hubs_own_unless_the_user_has_one(tmp_path: Path) -> None:
    config = Config(state=tmp_path)
    own = certificate(config, None)
    assert certificate(config, None).fingerprint == own.fingerprint
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        certificate(config, TlsSection(tmp_path / "nowhere.pem", tmp_path / "nowhere.key"))


@pytest.mark.parametrize("lan", [False, True])
def test_others_reach_the_link_and_https_only_where_that_is_wanted(
    tmp_path: Path, *, lan: bool
) -> None:
    config = Config(state=tmp_path, link=Link(port=0, https_port=0, lan=lan))
    pages, doors = web.Application(), Doors()
    away = next((str(each) for each in addresses() if each.version == 4), None)
    if away is None:
        pytest.skip("this machine has no address but loopback")
    for listener in (
        link_listener(config, pages, None, doors),
        https_listener(config, pages, certificate(config, None), doors),
    ):
        listener.bind()
        try:
            # Another machine would come to this one's own address, which is not loopback.
            with socket.socket() as other:
                try:
                    other.connect((away, listener.port))
                    reached = True
                except ConnectionRefusedError:
                    reached = False
            assert reached is lan
        finally:
            listener.close()
