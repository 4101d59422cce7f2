"""Who gets in, by token, host, origin and what the browser says of the page that asks."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from forwarder.access.admission import HostNames, HttpVisitor
from forwarder.access.bounds import MAX_PAGES
from forwarder.access.tokens import TokenGrant
from forwarder.api.access import Access, AccessRefused, Caller, Right, admin_token
from forwarder.errors import ConfigError

ADMIN = "bpfa_" + "a" * 43
GUEST = "bpft_" + "g" * 43
HERE = "127.0.0.1"
ALL = Right.LOOK | Right.READ | Right.DRIVE | Right.ADMIN | Right.STOP


def access() -> Access:
    grant = TokenGrant("phone")
    return Access(ADMIN, HostNames(["desk.local"]), lambda token: grant if token == GUEST else None)


def visitor(
    address: str = HERE,
    host: str = "127.0.0.1:12346",
    origin: str | None = None,
    token: str | None = None,
    *,
    forwarded: bool = False,
    secure: bool = False,
) -> HttpVisitor:
    tokens = () if token is None else (token,)
    return HttpVisitor(address, host, origin, tokens, forwarded, secure)


def page(host: str = "localhost:12346", token: str | None = None) -> HttpVisitor:
    """The dashboard's own script, as a browser on this machine sends it."""
    return visitor(host=host, origin=f"http://{host}", token=token)


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
        (visitor(token=ADMIN), ALL),
        (visitor("10.0.0.9", token=ADMIN, secure=True), ALL),
        (visitor(), Right.LOOK | Right.READ | Right.STOP),
        (visitor(token=GUEST), Right.LOOK | Right.DRIVE | Right.STOP),
        (visitor("10.0.0.9", token=GUEST), Right.LOOK | Right.DRIVE | Right.STOP),
    ],
)
def test_what_a_caller_may(seen: HttpVisitor, rights: Right) -> None:
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
        visitor(host="desk.local:12346"),
        visitor(host="hub.localhost:12346"),
        page("desk.local:12346"),
        visitor(token=""),
        visitor(token="\udcff"),
        HttpVisitor(HERE, HERE, None, (ADMIN, "wrong")),
        HttpVisitor(HERE, HERE, None, (GUEST, "")),
    ],
)
def test_who_is_nobody(seen: HttpVisitor) -> None:
    caller = access().caller(seen)
    assert isinstance(caller, AccessRefused)
    assert caller.status == 401


@pytest.mark.parametrize("forwarded", [False, True])
def test_the_admin_token_does_not_work_where_the_network_can_read_it(forwarded: bool) -> None:
    address = HERE if forwarded else "10.0.0.9"
    caller = access().caller(visitor(address, token=ADMIN, forwarded=forwarded))
    assert isinstance(caller, AccessRefused)
    assert caller.status == 403
    assert "--renew" in caller.text
    # It is said as the reason of a websocket's end, too (RFC 6455, 5.5).
    assert len(caller.text.encode()) <= 123


@pytest.mark.parametrize("host", ["localhost:12346", "127.0.0.1:12346", "[::1]:12346"])
def test_a_page_of_this_machine_gets_a_token_that_is_an_owners(host: str) -> None:
    door = access()
    token = door.new_page(page(host))
    assert isinstance(token, str)
    caller = door.caller(page(host, token=token))
    assert isinstance(caller, Caller)
    assert caller.may(Right.ADMIN)
    assert token not in repr(caller)
    away = door.caller(visitor("10.0.0.9", token=token, secure=True))
    assert isinstance(away, AccessRefused)


def test_where_the_hub_has_an_address_of_its_own_only_a_page_there_gets_a_token() -> None:
    door = Access(ADMIN, HostNames(), lambda _: None, home="127.83.1.2")
    assert isinstance(door.new_page(page("127.83.1.2:12346")), str)
    for host in ("localhost:12346", "127.0.0.1:12346", "[::1]:12346", "127.83.1.3:12346"):
        refused = door.new_page(page(host))
        assert isinstance(refused, AccessRefused)
        assert refused.status == 403


@pytest.mark.parametrize(
    "asking",
    [
        page("desk.local:12346"),  # whoever answers for a name in mDNS was that a moment ago
        page("hub.localhost:12346"),
        page("192.168.1.5:12346"),
        page("127.0.0.1%25.evil.example"),
        visitor(),  # no page at all
        visitor("10.0.0.9", origin="http://127.0.0.1:12346"),
        visitor(origin="http://127.0.0.1:12346", forwarded=True),
    ],
)
def test_no_other_page_gets_one(asking: HttpVisitor) -> None:
    refusal = access().new_page(asking)
    assert isinstance(refusal, AccessRefused)
    assert refusal.status == 403


def test_a_page_that_is_connected_keeps_its_token_whatever_others_ask_for() -> None:
    door = access()
    first = door.new_page(page())
    idle = door.new_page(page())
    assert isinstance(first, str)
    assert isinstance(idle, str)
    caller = door.by_token(first, page())
    assert isinstance(caller, Caller)
    with door.connected(caller):
        for _ in range(3 * MAX_PAGES):
            assert isinstance(door.new_page(page()), str)
        assert door.holds(caller)
        assert isinstance(door.by_token(idle, page()), AccessRefused)
    for _ in range(MAX_PAGES):
        door.new_page(page())
    assert not door.holds(caller)


def test_no_more_pages_than_there_may_be() -> None:
    door = access()
    with ExitStack() as stack:
        for _ in range(MAX_PAGES):
            token = door.new_page(page())
            assert isinstance(token, str)
            caller = door.by_token(token, page())
            assert isinstance(caller, Caller)
            stack.enter_context(door.connected(caller))
        refusal = door.new_page(page())
        assert isinstance(refusal, AccessRefused)
        assert refusal.status == 503


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


@pytest.mark.parametrize(
    ("seen", "site", "status"),
    [
        (visitor(), None, None),
        (visitor(origin="http://127.0.0.1:12346"), "same-origin", None),
        (visitor(), "same-site", None),
        (visitor(token="bpfp_of_an_earlier_run"), None, None),
        (visitor(), "cross-site", 403),
        (visitor(origin="http://127.0.0.1:3000"), "same-site", 403),
        (visitor(origin="null"), None, 403),
        (visitor(host="evil.example"), None, 421),
        (visitor("10.0.0.9"), None, 401),
        (visitor(forwarded=True), None, 401),
        (visitor(forwarded=True, token="bpfp_of_an_earlier_run"), None, 401),
    ],
)
def test_to_stop_needs_no_sign_in_on_this_machine_but_no_foreign_page_may(
    seen: HttpVisitor, site: str | None, status: int | None
) -> None:
    caller = access().stopper(seen, site)
    if status is None:
        assert isinstance(caller, Caller)
        assert caller.may(Right.STOP)
        assert not caller.may(Right.ADMIN)
    else:
        assert isinstance(caller, AccessRefused)
        assert caller.status == status


def test_a_stop_with_a_token_is_that_tokens() -> None:
    guest = access().stopper(visitor(token=GUEST))
    assert isinstance(guest, Caller)
    assert guest.grant is not None
