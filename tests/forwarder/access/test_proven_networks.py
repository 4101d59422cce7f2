"""Known networks and how many keys of each survive a restart, and the file names none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.access.bounds import MOST_KEYS, MOST_NETWORKS
from forwarder.access.proven_networks import ProvenNetworks
from forwarder.errors import ConfigError


def test_keys_are_counted_once_and_by_network() -> None:
    networks = ProvenNetworks()
    assert not networks.known("10.0.0.1")
    networks.note("10.0.0.1")
    assert networks.known("10.0.0.1")
    assert networks.keys("10.0.0.1") == 0
    for key in (b"a", b"b", b"a"):
        networks.note("10.0.0.1", key)
    assert networks.keys("10.0.0.1") == 2
    assert networks.keys("10.0.0.2") == 0


def test_they_survive_a_restart_and_the_file_tells_no_address(tmp_path: Path) -> None:
    path = tmp_path / "networks.json"
    first = ProvenNetworks(path, bytes(32))
    for number in range(1000):
        first.note("10.0.0.1", number.to_bytes(32, "big"))
    first.write(first.file())
    second = ProvenNetworks(path, bytes(32))
    assert second.known("10.0.0.1")
    assert second.keys("10.0.0.1") == 1000
    second.note("10.0.0.1", (7).to_bytes(32, "big"))
    assert second.keys("10.0.0.1") == 1000
    assert b"10.0.0.1" not in path.read_bytes()
    assert not ProvenNetworks(path, b"another hub").known("10.0.0.1")


def test_the_one_that_proved_something_longest_ago_is_forgotten() -> None:
    networks = ProvenNetworks()
    for number in range(MOST_NETWORKS + 1):
        networks.note(f"10.0.{number}.1")
        networks.note("10.0.0.1")
    assert networks.known("10.0.0.1")
    assert not networks.known("10.0.1.1")
    assert len(networks) == MOST_NETWORKS


def test_keys_are_bounded_in_all() -> None:
    networks = ProvenNetworks()
    networks.note("10.0.0.1", b"one")
    for number in range(MOST_KEYS + 10):
        networks.note("10.0.0.2", number.to_bytes(32, "big"))
    assert networks.keys("10.0.0.2") == MOST_KEYS
    assert not networks.known("10.0.0.1")


def test_a_file_of_a_newer_version_is_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "networks.json"
    path.write_text('{"version": 99, "networks": []}')
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        ProvenNetworks(path)
