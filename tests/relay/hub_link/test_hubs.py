"""Which hub a relay dials, what it demands of it, and what it says when it will not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from relay.errors import RelayError, UsageError
from relay.hub_link.hubs import HUB_FILE, KEY_FILE, link_url, pair_with, target, unpair
from relay.link.security.pairing import KnownHub, save_hub


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("ws://hub.local", "ws://hub.local:12346/link"),
        ("ws://127.0.0.1:9", "ws://127.0.0.1:9/link"),
        ("wss://hub.example/", "wss://hub.example:12346/link"),
        ("ws://[::1]:9", "ws://[::1]:9/link"),
        ("ws://hub.local:9/behind/a/proxy", "ws://hub.local:9/behind/a/proxy"),
    ],
)
def test_an_address_is_completed(url: str, full: str) -> None:
    assert link_url(url) == full


@pytest.mark.parametrize("url", ["http://hub.local", "hub.local:12346", "ws://", "ws://h:99999"])
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageError):
        link_url(url)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9", "ws://localhost", "ws://[::1]:9"])
def test_a_hub_on_this_machine_needs_no_pairing(url: str, tmp_path: Path) -> None:
    assert target(url, tmp_path).where == link_url(url)
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("url", ["ws://192.0.2.1", "ws://hub.local", "ws://127.0.0.1.example"])
def test_a_hub_elsewhere_must_be_paired(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="forwarder pair"):
        target(url, tmp_path)


def test_without_pairing_and_address_the_user_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="relay pair LINK"):
        target(None, tmp_path)


def paired(folder: Path) -> None:
    save_hub(folder / HUB_FILE, KnownHub(bytes(32), "living room", ("ws://192.0.2.1:12346/link",)))


def test_a_paired_hub_is_found_again_and_keeps_its_name(tmp_path: Path) -> None:
    paired(tmp_path)
    assert target(None, tmp_path).where == "living room"
    # Also at another address: it must still prove that it is the same hub.
    assert target("ws://192.0.2.9", tmp_path).where == "living room"
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    paired(tmp_path)
    target(None, tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(UsageError, match=KEY_FILE):
        target(None, tmp_path)


def test_unpairing_forgets_the_hub_once(tmp_path: Path) -> None:
    paired(tmp_path)
    assert unpair(tmp_path)
    assert not unpair(tmp_path)


def test_what_is_no_pairing_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bpforward://"):
        pair_with("hello", tmp_path, "attic")


def test_a_hub_that_is_not_there_is_an_error_and_nothing_is_stored(tmp_path: Path) -> None:
    secret = "A" * 42 + "A"
    with pytest.raises(RelayError):
        pair_with(f"bpforward://127.0.0.1:9/#{secret}", tmp_path, "attic")
    assert not (tmp_path / HUB_FILE).exists()
