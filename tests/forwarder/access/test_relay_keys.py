from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.access.bounds import (
    CODE_S,
    MAX_CODES,
    MAX_GREETING,
    MAX_GREETING_EACH,
    MAX_RELAYS,
    MAX_SPENT,
    MAX_TRIES,
    MEETING_SHARE,
)
from forwarder.access.proven_networks import ProvenNetworks
from forwarder.access.relay_keys import HubTrust, PairingDesk, RelayBook
from forwarder.errors import ConfigError, ForwarderError
from relay.link.security.handshake import (
    HandshakeRefused,
    HandshakeStep,
    HubHandshake,
    RefusalCode,
    RelayHandshake,
    code_id,
)
from relay.link.security.noise import KeyPair
from relay.link.security.secure import Door


def _key(number: int) -> bytes:
    return number.to_bytes(32, "big")


# --- pairing codes ------------------------------------------------------------------------------


def test_a_code_is_offered_until_it_is_spent_and_then_never_again() -> None:
    desk = PairingDesk()
    secret = desk.issue(0.0)
    assert len(secret) == 32
    assert desk.offer(code_id(secret), 1.0) == secret
    assert desk.offer(code_id(secret), 2.0) == secret
    assert desk.is_open(secret, 2.0)
    assert desk.spend(code_id(secret), 3.0)
    assert not desk.is_open(secret, 3.0)
    assert not desk.spend(code_id(secret), 3.0)
    assert desk.offer(code_id(secret), 4.0) is RefusalCode.CODE_SPENT


def test_a_code_expires_by_the_monotonic_clock_alone() -> None:
    desk = PairingDesk()
    secret = desk.issue(1000.0)
    assert desk.offer(code_id(secret), 1000.0 + CODE_S - 0.001) == secret
    assert not desk.spend(code_id(secret), 1000.0 + CODE_S)
    assert desk.offer(code_id(secret), 1000.0 + CODE_S) is RefusalCode.CODE_SPENT


@pytest.mark.parametrize("valid_s", [0.0, -1.0, CODE_S + 1, float("nan"), float("inf")])
def test_no_code_lives_longer_than_two_minutes(valid_s: float) -> None:
    with pytest.raises(ValueError):
        PairingDesk().issue(0.0, valid_s)


def test_a_code_that_was_never_issued_is_wrong_not_expired() -> None:
    desk = PairingDesk()
    desk.issue(0.0)
    for code in (code_id(b"other"), b"", b"short", bytes(8)):
        assert desk.offer(code, 1.0) is RefusalCode.WRONG_CODE
        assert not desk.spend(code, 1.0)


def test_tries_are_limited() -> None:
    desk = PairingDesk()
    secret = desk.issue(0.0)
    for _ in range(MAX_TRIES):
        assert desk.offer(code_id(secret), 1.0) == secret
    assert desk.offer(code_id(secret), 1.0) is RefusalCode.CODE_SPENT
    assert not desk.is_open(secret, 1.0)


def test_the_oldest_of_too_many_codes_ends() -> None:
    desk = PairingDesk()
    codes = [desk.issue(float(n)) for n in range(MAX_CODES + 1)]
    assert desk.offer(code_id(codes[0]), 10.0) is RefusalCode.CODE_SPENT
    assert [desk.is_open(code, 10.0) for code in codes] == [False] + [True] * MAX_CODES


def test_a_code_that_has_expired_makes_room_before_any_other_has_to() -> None:
    desk = PairingDesk()
    codes = [desk.issue(0.0) for _ in range(MAX_CODES - 1)]
    desk.issue(0.0, valid_s=0.5)
    desk.issue(1.0)
    assert all(desk.is_open(code, 1.0) for code in codes)


@pytest.mark.parametrize("late_s", [-0.001, 0.0])
def test_at_the_end_of_its_time_a_code_is_over_whoever_asks(late_s: float) -> None:
    over = late_s >= 0
    desk = PairingDesk()
    secret = desk.issue(0.0)
    assert desk.is_open(secret, CODE_S + late_s) is not over
    desk = PairingDesk()
    secret = desk.issue(0.0)
    expected = RefusalCode.CODE_SPENT if over else secret
    assert desk.offer(code_id(secret), CODE_S + late_s) == expected


def test_a_code_can_be_withdrawn() -> None:
    desk = PairingDesk()
    secret = desk.issue(0.0)
    desk.withdraw(secret)
    desk.withdraw(secret)
    assert desk.offer(code_id(secret), 1.0) is RefusalCode.CODE_SPENT


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["issue", "offer", "spend", "withdraw"]),
            st.integers(0, 5),
            st.floats(0, 60),
        ),
        max_size=60,
    )
)
def test_no_code_is_ever_spent_twice_or_late(steps: list[tuple[str, int, float]]) -> None:
    numbers = iter(range(100))
    desk = PairingDesk(lambda size: next(numbers).to_bytes(size, "big"))
    issued: list[tuple[bytes, float]] = []
    spent: set[bytes] = set()
    now = 0.0
    for verb, which, later in steps:
        now += later
        if verb == "issue":
            issued.append((desk.issue(now), now))
            continue
        if not issued:
            continue
        secret, born = issued[which % len(issued)]
        if verb == "withdraw":
            desk.withdraw(secret)
        elif verb == "spend" and desk.spend(code_id(secret), now):
            assert secret not in spent
            assert now < born + CODE_S
            spent.add(secret)
        elif verb == "offer" and desk.offer(code_id(secret), now) == secret:
            assert secret not in spent
            assert now < born + CODE_S


# --- the book -----------------------------------------------------------------------------------


def test_a_relay_is_known_until_it_is_revoked_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "relays.json"
    book = RelayBook(path)
    assert book.add(_key(1), "attic").name == "attic"
    book.add(_key(2), "phone")
    assert RelayBook(path).name(_key(1)) == "attic"
    assert book.revoke("ATTIC").key == _key(1)
    assert book.name(_key(1)) is None
    again = RelayBook(path)
    assert [relay.name for relay in again] == ["phone"]
    assert len(again) == 1


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "relays.json"
    RelayBook(path).add(_key(1), "attic")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        RelayBook(path)


def test_names_are_made_harmless_and_unique() -> None:
    book = RelayBook(None)
    names = ["attic", "Attic", "attic 2", "a\x1b[2J", "", "", "x" * 300, "x" * 300]
    assert [book.add(_key(n), name).name for n, name in enumerate(names)] == [
        "attic",
        "Attic 2",
        "attic 2 2",
        "a�[2J",
        "relay",
        "relay 2",
        "x" * 123 + "…",
        "x" * 123 + "… 2",
    ]


def test_a_relay_that_pairs_again_keeps_one_entry() -> None:
    book = RelayBook(None)
    book.add(_key(1), "attic")
    assert book.add(_key(1), "attic").name == "attic"
    assert book.add(_key(1), "cellar").name == "cellar"
    assert [relay.name for relay in book] == ["cellar"]


def test_revoking_who_is_not_there_names_who_is() -> None:
    book = RelayBook(None)
    with pytest.raises(ConfigError, match="paired relays: none"):
        book.revoke("attic")
    book.add(_key(1), "phone")
    with pytest.raises(ConfigError, match="no relay 'attic'; paired relays: phone"):
        book.revoke("attic")


def test_a_revocation_holds_even_if_the_disk_refuses(tmp_path: Path) -> None:
    path = tmp_path / "state" / "relays.json"
    book = RelayBook(path)
    book.add(_key(1), "attic")
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way")
    with pytest.raises(OSError):
        book.revoke("attic")
    assert book.name(_key(1)) is None
    with pytest.raises(OSError):
        book.add(_key(2), "phone")
    assert book.name(_key(2)) is None


def test_the_book_is_bounded() -> None:
    book = RelayBook(None)
    for number in range(MAX_RELAYS):
        book.add(_key(number), f"r{number}")
    with pytest.raises(ForwarderError, match="revoke one first"):
        book.add(_key(MAX_RELAYS), "one more")
    assert book.add(_key(0), "again").name == "again"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"version":1,"relays":[{"key":"AAAA","name":"attic"}]}'],
)
def test_a_damaged_book_is_explained_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "relays.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="damaged"):
        RelayBook(path)
    assert path.read_bytes() == content


# --- the door -----------------------------------------------------------------------------------


def _meet(
    trust: HubTrust, relay: RelayHandshake, now: float
) -> tuple[HandshakeStep, HandshakeStep]:
    hub, frame = HubHandshake(trust), relay.start()
    at_relay = HandshakeStep()
    while True:
        at_hub = hub.receive(frame, now)
        if at_hub.frame is None:
            return at_relay, at_hub
        at_relay = relay.receive(at_hub.frame)
        if at_relay.frame is None:
            return at_relay, at_hub
        frame = at_relay.frame


def test_from_a_code_to_a_link_to_a_revocation(tmp_path: Path) -> None:
    trust = HubTrust.open(tmp_path / "state", "desk")
    key = KeyPair.generate()
    secret = trust.desk.issue(0.0)
    at_relay, at_hub = _meet(trust, RelayHandshake(key, secret=secret, name="attic"), 1.0)
    assert at_relay.opened is not None
    assert at_hub.opened is not None
    assert at_hub.opened.name == "attic"
    # The next start of the hub knows both.
    trust = HubTrust.open(tmp_path / "state", "desk")
    hub_key = at_relay.opened.remote_key
    at_relay, at_hub = _meet(trust, RelayHandshake(key, hub_key=hub_key), 1.0)
    assert at_hub.opened is not None
    trust.book.revoke("attic")
    at_relay, _ = _meet(trust, RelayHandshake(key, hub_key=hub_key), 1.0)
    assert str(at_relay.refused) == "revoked by the hub"


def test_of_two_relays_with_one_code_the_first_to_finish_is_in() -> None:
    trust = HubTrust(KeyPair.generate(), "desk", RelayBook(None))
    secret = trust.desk.issue(0.0)
    slow, slow_hub = RelayHandshake(KeyPair.generate(), secret=secret), HubHandshake(trust)
    answer = slow_hub.receive(slow.start(), 1.0).frame
    assert answer is not None
    quick, _ = _meet(trust, RelayHandshake(KeyPair.generate(), secret=secret), 2.0)
    assert quick.opened is not None
    key_frame = slow.receive(answer).frame
    assert key_frame is not None
    late = slow_hub.receive(key_frame, 3.0)
    assert late.frame is not None
    refused = slow.receive(late.frame).refused
    assert refused is not None
    assert refused.refusal is RefusalCode.CODE_SPENT
    assert len(trust.book) == 1


def test_a_hub_whose_disk_is_full_pairs_nobody_and_says_so(tmp_path: Path) -> None:
    state = tmp_path / "state"
    trust = HubTrust.open(state, "desk")
    (state / "hub.key").unlink()
    state.rmdir()
    state.write_text("in the way")
    secret = trust.desk.issue(0.0)
    at_relay, _ = _meet(trust, RelayHandshake(KeyPair.generate(), secret=secret), 1.0)
    assert "cannot store" in str(at_relay.refused)
    assert len(trust.book) == 0


def test_the_hubs_own_key_cannot_be_a_relay() -> None:
    key = KeyPair.generate()
    trust = HubTrust(key, "desk", RelayBook(None))
    secret = trust.desk.issue(0.0)
    at_relay, _ = _meet(trust, RelayHandshake(key, secret=secret), 1.0)
    assert "own key" in str(at_relay.refused)


def test_a_state_folder_with_open_keys_is_a_configuration_error(tmp_path: Path) -> None:
    HubTrust.open(tmp_path, "desk")
    (tmp_path / "hub.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        HubTrust.open(tmp_path, "desk")
    (tmp_path / "in the way").write_text("")
    with pytest.raises(ConfigError, match="cannot be read"):
        HubTrust.open(tmp_path / "in the way" / "state", "desk")


def test_the_trust_is_also_the_door() -> None:
    trust = HubTrust(KeyPair.generate(), "desk", RelayBook(None))
    door: Door = trust
    for port in range(MAX_GREETING_EACH):
        assert door.enter(f"10.0.0.1:{port}", 0.0)
    assert not door.enter("10.0.0.1:99", 0.0)
    door.leave("10.0.0.1:1")
    assert door.enter("10.0.0.1:99", 0.0)
    trust.proven("10.0.0.2:1")
    for number in range(MAX_GREETING):
        door.enter(f"10.1.{number}.1:1", 0.0)
    assert not door.enter("10.0.0.3:1", 0.0)
    assert door.enter("10.0.0.2:1", 0.0)
    crowd = [trust.meeting_door.enter(f"10.2.{n}.1:1", 0.0) for n in range(MAX_GREETING)]
    assert sum(crowd) == MAX_GREETING * MEETING_SHARE
    crowd = [trust.direct_door.enter(f"10.3.{n}.1:1", 0.0) for n in range(MAX_GREETING)]
    assert sum(crowd) == MAX_GREETING * MEETING_SHARE, "each way has a share of its own"


def test_who_has_proven_itself_before_a_restart_is_known_behind_it(tmp_path: Path) -> None:
    networks = ProvenNetworks(tmp_path / "networks.json", b"secret")
    trust = HubTrust(KeyPair.generate(), "desk", RelayBook(None), networks)
    assert trust.networks is networks
    assert HubTrust(KeyPair.generate(), "desk", RelayBook(None)).networks is not networks


def test_whoever_shows_a_code_learns_whom_it_brought_of_the_last_few() -> None:
    trust = HubTrust(KeyPair.generate(), "desk", RelayBook(None))
    codes = []
    for number in range(MAX_SPENT + 1):
        codes.append(code_id(trust.desk.issue(0.0)))
        assert trust.file(codes[-1], _key(number), f"relay {number}", 0.0) == f"relay {number}"
    assert codes[0] not in trust.joined
    assert [trust.joined[code] for code in codes[1:]] == [
        f"relay {number}" for number in range(1, MAX_SPENT + 1)
    ]


def test_a_hub_with_too_many_relays_says_so_to_one_that_pairs() -> None:
    trust = HubTrust(KeyPair.generate(), "desk", RelayBook(None))
    for number in range(MAX_RELAYS):
        trust.book.add(_key(number), "relay")
    with pytest.raises(HandshakeRefused, match="revoke one first"):
        trust.file(code_id(trust.desk.issue(0.0)), _key(MAX_RELAYS), "one more", 0.0)


def test_a_state_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(ConfigError, match="cannot be used for keys"):
        HubTrust.open(tmp_path / "state", "desk")


def test_a_refusal_to_file_is_certain() -> None:
    trust = HubTrust(KeyPair.generate(), "desk", RelayBook(None))
    with pytest.raises(HandshakeRefused) as refused:
        trust.file(b"no such code", _key(1), "attic", 0.0)
    assert refused.value.refusal is RefusalCode.CODE_SPENT
