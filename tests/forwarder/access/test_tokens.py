from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forwarder.access.shares import ShareBook
from forwarder.access.tokens import MAX_TOKENS, TokenBook, TokenGrant, without_tokens
from forwarder.buttplug.messages import OutputType
from forwarder.errors import ConfigError

_TOKEN = "bpft_" + "A" * 43


@dataclass
class Toy:
    index: int | None
    name: str
    display_name: str | None = None


_LUSH = Toy(3, "Lovense Lush 3", "Lush")
_NORA = Toy(30, "Lovense Nora")
_HISMITH = Toy(4, "Hismith Pro")


def test_a_token_grants_what_it_was_made_for_until_it_is_revoked() -> None:
    book = TokenBook(None)
    token = book.new("vr game", 0.0, outputs=["vibrate"], level=0.5)
    assert book.check(token, 1.0) == TokenGrant("vr game", (), (OutputType.VIBRATE,), 0.5)
    grant = book.revoke("VR game")
    assert book.check(token, 1.0) is None
    assert not book.holds(grant, 1.0)


def test_tokens_survive_a_restart_as_hashes_only(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = TokenBook(path).new("app", 0.0, devices=["Lush"], valid_s=60)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token[5:15] not in path.read_text()
    again = TokenBook(path)
    assert again.check(token, 1.0) == TokenGrant("app", ("Lush",), expires=60.0)
    again.revoke("app")
    assert TokenBook(path).check(token, 1.0) is None


def test_a_token_ends_at_its_time() -> None:
    book = TokenBook(None)
    token = book.new("app", 1000.0, valid_s=60)
    grant = book.check(token, 1059.9)
    assert grant is not None
    assert book.holds(grant, 1059.9)
    assert book.check(token, 1060.0) is None
    assert not book.holds(grant, 1060.0)


def test_a_token_without_an_end_holds_until_it_is_revoked() -> None:
    book = TokenBook(None)
    grant = book.check(book.new("app", 0.0, devices=["x"] * 64, valid_s=None), 1e12)
    assert grant is not None
    assert book.holds(grant, 1e12)
    assert book.revoke("app") == grant, "so that its clients can be ended"
    assert not book.holds(grant, 0.0)


def test_a_token_may_end_within_a_second() -> None:
    book = TokenBook(None)
    token = book.new("app", 0.0, valid_s=0.5)
    assert book.check(token, 0.4) is not None
    assert book.check(token, 0.5) is None


def test_a_name_of_any_length_is_cut_the_same_way_when_made_and_when_revoked() -> None:
    book = TokenBook(None)
    book.new("x" * 70, 0.0)
    (grant,) = book
    assert len(grant.name) == 64
    with pytest.raises(ConfigError, match="already"):
        book.new("x" * 80, 0.0)
    assert book.revoke("x" * 90) == grant


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    TokenBook(path).new("app", 0.0)
    assert '"version":1' in path.read_text().replace(" ", "")
    assert MAX_TOKENS == 256, "more would be a script that went wrong; docs name the number"


def test_every_token_is_its_own() -> None:
    book = TokenBook(None)
    tokens = {book.new(f"app {n}", 0.0) for n in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == len(_TOKEN) for token in tokens)
    assert sorted(grant.name for grant in book) == sorted(f"app {n}" for n in range(20))


@pytest.mark.parametrize("token", ["", "x", _TOKEN, "bpft_", _TOKEN + "A", _TOKEN + "\n"])
def test_what_is_no_token_of_ours_grants_nothing(token: str) -> None:
    book = TokenBook(None)
    book.new("app", 0.0)
    assert book.check(token, 1.0) is None


@pytest.mark.parametrize(
    ("devices", "seen"),
    [
        ((), {"Lovense Lush 3", "Lovense Nora", "Hismith Pro"}),
        (("3",), {"Lovense Lush 3"}),
        (("lush",), {"Lovense Lush 3"}),
        (("LOVENSE LUSH 3",), {"Lovense Lush 3"}),
        (("lovense*",), {"Lovense Lush 3", "Lovense Nora"}),
        (("Hismith Pro", "30"), {"Lovense Nora", "Hismith Pro"}),
        (("love",), set()),
        (("*",), {"Lovense Lush 3", "Lovense Nora", "Hismith Pro"}),
        (("",), set()),
        (("٣",), set()),
    ],
)
def test_a_grant_sees_the_devices_it_names(devices: tuple[str, ...], seen: set[str]) -> None:
    grant = TokenGrant("app", devices)
    assert {toy.name for toy in (_LUSH, _NORA, _HISMITH) if grant.sees(toy)} == seen


def test_a_grant_limits_outputs_and_their_level() -> None:
    grant = TokenGrant("app", ("Lush",), (OutputType.VIBRATE,), 0.3)
    assert grant.allows(_LUSH, OutputType.VIBRATE)
    assert not grant.allows(_LUSH, OutputType.ROTATE)
    assert not grant.allows(_NORA, OutputType.VIBRATE)
    assert grant.ceiling(_LUSH, OutputType.VIBRATE) == 0.3
    assert grant.ceiling(_LUSH, OutputType.ROTATE) == 0.0
    assert grant.ceiling(_NORA, OutputType.VIBRATE) == 0.0
    assert TokenGrant("all").ceiling(_NORA, OutputType.ROTATE) == 1.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": "\n"}, "needs a name"),
        ({"name": "Taken"}, "already"),
        ({"outputs": ["Vibrator"]}, "no output type 'Vibrator'; there are Vibrate, "),
        ({"level": 0.0}, "ceiling"),
        ({"level": 1.1}, "ceiling"),
        ({"level": float("nan")}, "ceiling"),
        ({"valid_s": 0.0}, "valid for some time"),
        ({"valid_s": float("inf")}, "valid for some time"),
        ({"devices": ["x"] * 65}, "names 64 devices at most"),
        ({"valid_s": -1.0}, "valid for some time"),
    ],
)
def test_a_token_that_cannot_be_is_refused_with_the_reason(
    options: dict[str, object], text: str
) -> None:
    book = TokenBook(None)
    book.new("taken", 0.0)
    with pytest.raises(ConfigError, match=text):
        book.new(**{"name": "app", "now": 0.0, **options})  # type: ignore[arg-type]  # a table
    assert len(list(book)) == 1


def test_tokens_are_bounded() -> None:
    book = TokenBook(None)
    for number in range(MAX_TOKENS):
        book.new(str(number), 0.0)
    with pytest.raises(ConfigError, match="end one first"):
        book.new("one more", 0.0)


def test_revoking_what_is_not_there_names_what_is() -> None:
    book = TokenBook(None)
    with pytest.raises(ConfigError, match="tokens: none"):
        book.revoke("app")
    book.new("game", 0.0)
    with pytest.raises(ConfigError, match="no token 'app'; tokens: game"):
        book.revoke("app")


def test_a_damaged_or_open_file_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(b"{")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="damaged"):
        TokenBook(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        TokenBook(path)


def test_every_token_given_has_to_be_good_and_the_first_counts() -> None:
    book = TokenBook(None)
    one, two = book.new("one", 0.0), book.new("two", 0.0, valid_s=5)
    assert book.check_all([two, one], 1.0) == TokenGrant("two", expires=5.0)
    assert book.check_all([two, one], 9.0) is None
    assert book.check_all([one, ""], 1.0) is None
    assert book.check_all([one], 9.0) == TokenGrant("one")
    assert book.check_all([], 9.0) is None


@given(st.lists(st.text(st.characters()) | st.just(_TOKEN)))
@example(["\ud800", "bpft_" + "é" * 43])
def test_nothing_else_is_a_token(tokens: list[str]) -> None:
    book = TokenBook(None)
    book.new("app", 0.0)
    assert book.check_all(tokens, 0.0) is None


def test_logs_do_not_show_tokens() -> None:
    line = without_tokens(f'GET /token/{_TOKEN}?token={_TOKEN} "x"')
    assert line == 'GET /token/bpft_…?token=bpft_… "x"'


def test_a_share_is_no_token_that_could_be_revoked_as_one() -> None:
    tokens = TokenBook(None)
    ShareBook(tokens.table).new("friend", 0.0)
    with pytest.raises(ConfigError, match="no token"):
        tokens.revoke("friend")
    assert [entry.grant.name for entry in tokens.table] == ["friend"]
