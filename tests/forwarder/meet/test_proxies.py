from __future__ import annotations

import pytest

from forwarder.errors import ConfigError
from forwarder.meet.proxies import Proxies


@pytest.mark.parametrize(
    ("networks", "peer", "fields", "address"),
    [
        ([], "203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody's word but a proxy's
        ([], "127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ([], "::1", ["192.0.2.1, 198.51.100.1"], "198.51.100.1"),  # what it was told is hearsay
        ([], "127.0.0.1", [], "127.0.0.1"),
        ([], "127.0.0.1", ["nonsense"], "127.0.0.1"),
        (["10.0.0.0/8"], "10.1.2.3", ["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", ["198.51.100.1", "10.9.9.9"], "198.51.100.1"),
    ],
)
def test_the_last_address_that_no_proxy_has_counts(
    networks: list[str], peer: str, fields: list[str], address: str
) -> None:
    assert Proxies(networks).address(peer, fields) == address


def test_what_is_no_network_is_said_to_be_none() -> None:
    with pytest.raises(ConfigError, match="no network"):
        Proxies(["everywhere"])
