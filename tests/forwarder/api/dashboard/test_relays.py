"""Relays as documents: by which path, how far away."""

from __future__ import annotations

from forwarder.api.dashboard.relays import absent_relay, relay_view
from forwarder.connectors.base import LinkPath, PathKind, path_from
from forwarder.sources.relays.relay import Relay
from relay.link.messages import Hello

HELLO = Hello(version=2, name="attic", software="relay 1", platform="linux")


def test_a_relay_that_is_away_has_no_path() -> None:
    assert absent_relay("attic").path is None
    away = relay_view(Relay("key", "attic", HELLO), True)
    assert (away.connected, away.path, away.round_trip_ms) == (False, None, None)


def test_an_address_says_which_network_a_link_goes_over() -> None:
    assert path_from("127.0.0.1") == path_from("::1") == LinkPath(PathKind.HERE)
    assert path_from("192.168.1.7") == LinkPath(PathKind.NETWORK, "192.168.1.7")
    assert path_from("fe80::1%eth0").kind is PathKind.NETWORK
    assert path_from("8.8.8.8") == LinkPath(PathKind.INTERNET, "8.8.8.8")
