"""Who gets in, by token, host, origin and what the browser says of the page that asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.api.access import MAX_PAGES, Access, Caller, Refusal, Right, admin_token
from forwarder.connectors.admission import HostNames, Visitor
from forwarder.errors import ConfigError
from forwarder.tokens import Grant

ADMIN = "bpfa_" + "a" * 43
GUEST = "bpft_" + "g" * 43
HERE = "127.0.0.1"


def access() -> Access:
    grant = Grant("phone")
    return Access(ADMIN, HostNames(["desk.local"]), lambda token: grant if token == GUEST else None)


def visitor(
    address: str = HERE,
    host: str = "127.0.0.1:12346",
    origin: str | None = None,
    token: str | None = None,
    *,
    forwarded: bool = False,
) -> Visitor:
    tokens = () if token is None else (token,)
    return Visitor(address, host, origin, tokens, forwarded)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:12346", "localhost:12346", "[::1]:12346", "desk.local", "192.168.1.5:12346"]
)
def test_the_hub_is_called_by_its_names_and_addresses(host: str) -> None:
    assert access().refuse(visitor(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example:12346", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str) -> None:
    refusal = access().refuse(visitor(host=host))
    assert refusal is not None
    assert refusal.status == 421


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:3000",
        "http://localhost:12346",
        "null",
        "http://127.0.0.1:12346.evil.example",
        "http://[",
    ],
)
def test_a_page_from_elsewhere_is_refused_even_from_another_port(origin: str) -> None:
    refusal = access().refuse(visitor(origin=origin, token=ADMIN))
    assert refusal is not None
    assert refusal.status == 403


def test_the_hubs_own_page_is_let_in() -> None:
    assert access().refuse(visitor(origin="http://127.0.0.1:12346"), "same-origin") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_the_browser_says_of_the_page_counts_without_an_origin(site: str) -> None:
    assert access().refuse(visitor(), site) is not None


@pytest.mark.parametrize(
    ("seen", "rights"),
    [
        (visitor(token=ADMIN), Right.LOOK | Right.READ | Right.DRIVE | Right.ADMIN),
        (visitor("10.0.0.9", token=ADMIN), Right.LOOK | Right.READ | Right.DRIVE | Right.ADMIN),
        (visitor(), Right.LOOK | Right.READ),
        (visitor(token=GUEST), Right.LOOK | Right.DRIVE),
        (visitor("10.0.0.9", token=GUEST), Right.LOOK | Right.DRIVE),
    ],
)
def test_what_a_caller_may(seen: Visitor, rights: Right) -> None:
    caller = access().caller(seen)
    assert isinstance(caller, Caller)
    assert caller.rights == rights


@pytest.mark.parametrize(
    "seen",
    [
        visitor("10.0.0.9"),
        visitor(forwarded=True),
        visitor(token="wrong"),
        visitor(token=ADMIN + "x"),
        visitor("10.0.0.9", token="bpfp_" + "p" * 43),
    ],
)
def test_who_is_nobody(seen: Visitor) -> None:
    caller = access().caller(seen)
    assert isinstance(caller, Refusal)
    assert caller.status == 401


def test_a_page_has_a_token_until_too_many_others_came() -> None:
    door = access()
    first = door.new_page()
    caller = door.by_token(first)
    assert caller is not None
    assert caller.may(Right.ADMIN)
    for _ in range(MAX_PAGES):
        door.new_page()
    assert door.by_token(first) is None


def test_the_admin_token_is_made_once_and_private(tmp_path: Path) -> None:
    first = admin_token(tmp_path / "state")
    assert admin_token(tmp_path / "state") == first
    assert (tmp_path / "state" / "admin.token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "short\n", "\xff"])
def test_a_damaged_admin_token_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "admin.token"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"[Dd]elete it"):
        admin_token(tmp_path)


def test_an_admin_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    admin_token(tmp_path)
    (tmp_path / "admin.token").chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        admin_token(tmp_path)
