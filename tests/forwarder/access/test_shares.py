from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.access.grants import GrantTable
from forwarder.access.share_link import ShareLink, ShareLinkError, is_share_link, share_psk
from forwarder.access.shares import ShareBook, Standing, TakenShare
from forwarder.access.tokens import TokenBook
from forwarder.errors import ConfigError
from relay.link.security.handshake import HandshakeRefused, RefusalCode, code_id
from relay.link.security.pairing import PairingLink

_PHONE, _LAPTOP = b"p" * 32, b"l" * 32


def _book() -> ShareBook:
    return ShareBook(GrantTable(None))


def _taken(book: ShareBook, secret: bytes, key: bytes = _PHONE, now: float = 0.0) -> TakenShare:
    psk = book.offer(code_id(share_psk(secret)), now)
    assert isinstance(psk, bytes)
    return book.take(psk, key, "Firefox on Android", now)


def test_the_first_browser_takes_the_link_and_waits_until_it_is_allowed() -> None:
    book = _book()
    taken = _taken(book, book.new("Marie", 0.0, level=0.6))
    assert book.standing(taken, 1.0)[0] is Standing.ASKED
    book.allow("marie")
    standing, grant = book.standing(taken, 1.0)
    assert standing is Standing.ALLOWED
    assert grant is not None
    assert grant.level == 0.6


def test_nobody_is_asked_where_that_was_said() -> None:
    book = _book()
    taken = _taken(book, book.new("Marie", 0.0, ask=False))
    assert book.standing(taken, 1.0)[0] is Standing.ALLOWED


def test_a_link_that_was_passed_on_is_refused_in_words_and_the_first_browser_stays() -> None:
    book = _book()
    secret = book.new("Marie", 0.0, ask=False)
    taken = _taken(book, secret)
    with pytest.raises(HandshakeRefused, match="opened in another browser"):
        _taken(book, secret, _LAPTOP)
    assert _taken(book, secret) == taken


def test_as_many_browsers_take_a_link_as_it_has_uses_and_the_refused_count() -> None:
    book = _book()
    secret = book.new("friends", 0.0, uses=2)
    _taken(book, secret)
    book.refuse("friends", 1)
    _taken(book, secret, _LAPTOP)
    with pytest.raises(HandshakeRefused, match="another browser"):
        _taken(book, secret, b"x" * 32)
    with pytest.raises(HandshakeRefused, match="not allowed"):
        _taken(book, secret)


def test_offering_a_link_takes_none_of_its_uses() -> None:
    book = _book()
    secret = book.new("Marie", 0.0)
    for _ in range(100):
        assert book.offer(code_id(share_psk(secret)), 0.0) == share_psk(secret)
    [(_, terms)] = book
    assert terms.guests == ()


def test_its_time_ends_it_and_renewing_gives_the_same_time_again() -> None:
    book = _book()
    secret = book.new("Marie", 1000.0, valid_s=60, ask=False)
    taken = _taken(book, secret, now=1000.0)
    assert book.standing(taken, 1060.0)[0] is Standing.EXPIRED
    assert book.offer(code_id(share_psk(secret)), 1060.0) is RefusalCode.CODE_SPENT
    again = book.renew("Marie", 2000.0)
    assert book.standing(taken, 2000.0)[0] is Standing.RENEWED
    assert book.standing(_taken(book, again, now=2059.0), 2059.9)[0] is Standing.ALLOWED


def test_renewing_before_the_end_leaves_the_end_where_it_is() -> None:
    book = _book()
    book.new("Marie", 1000.0, valid_s=60)
    book.renew("Marie", 1030.0)
    [(grant, _)] = book
    assert grant.expires == 1060.0


def test_an_ended_share_is_told_from_a_link_that_never_was() -> None:
    book = _book()
    secret = book.new("Marie", 0.0)
    taken = _taken(book, secret)
    book.end("Marie")
    assert book.standing(taken, 0.0)[0] is Standing.ENDED
    assert book.offer(code_id(share_psk(secret)), 0.0) is RefusalCode.CODE_SPENT
    assert book.offer(code_id(b"?" * 32), 0.0) is None
    with pytest.raises(HandshakeRefused, match="has ended"):
        book.take(share_psk(secret), _PHONE, "", 0.0)


def test_another_level_holds_at_once_and_every_change_is_told() -> None:
    book = _book()
    told: list[str] = []
    book.watch(lambda: told.append("changed"))
    taken = _taken(book, book.new("Marie", 0.0, ask=False))
    book.limit("Marie", 0.2)
    _, grant = book.standing(taken, 0.0)
    assert grant is not None
    assert grant.level == 0.2
    assert len(told) == 3  # made, taken, limited


def test_shares_and_tokens_are_one_table_and_no_token_is_a_share(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    tokens = TokenBook(path)
    shares = ShareBook(tokens.table)
    secret = shares.new("Marie", 0.0, ask=False)
    token = tokens.new("game", 0.0)
    with pytest.raises(ConfigError, match="is a share 'Marie' already"):
        tokens.new("marie", 0.0)
    with pytest.raises(ConfigError, match="is a token 'game' already"):
        shares.new("Game", 0.0)
    with pytest.raises(ConfigError, match="no token 'Marie'"):
        tokens.revoke("Marie")
    with pytest.raises(ConfigError, match="no share 'game'"):
        shares.end("game")
    assert [grant.name for grant in tokens] == ["game"]
    taken = _taken(shares, secret)

    again = TokenBook(path)
    assert again.check(token, 0.0) is not None
    assert ShareBook(again.table).standing(taken, 0.0)[0] is Standing.ALLOWED
    assert secret.hex() not in path.read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"uses": 0}, "1 to 16"), ({"uses": 17}, "1 to 16"), ({"level": 0.0}, "above 0"),
     ({"outputs": ["purr"]}, "no output type"), ({"valid_s": 0.0}, "some time")],
)  # fmt: skip
def test_a_share_that_cannot_be_is_refused_with_the_reason(
    options: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        _book().new("Marie", 0.0, **options)  # type: ignore[arg-type]


def test_nobody_waits_is_said() -> None:
    book = _book()
    book.new("Marie", 0.0)
    with pytest.raises(ConfigError, match="Nobody"):
        book.allow("Marie")


_SECRET = "A" * 43
_ID = "a" * 26


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        (f"https://meet.example.org/remote/#{_SECRET}&m=wss://meet.example.org/at/{_ID}",
         (f"wss://meet.example.org/at/{_ID}",)),
        (f"https://10.0.0.2:12347/remote/?h=10.0.0.3:12347#{_SECRET}",
         ("wss://10.0.0.2:12347/link", "wss://10.0.0.3:12347/link")),
        (f"http://127.0.0.1:12346/remote/#{_SECRET}", ("ws://127.0.0.1:12346/link",)),
        (f"https://example.org/a/remote/index.html#{_SECRET}&m=wss://m.example/at/{_ID}",
         (f"wss://m.example/at/{_ID}",)),
    ],
)  # fmt: skip
def test_a_link_says_where_the_hub_is(text: str, urls: tuple[str, ...]) -> None:
    link = ShareLink.parse(text)
    assert link.urls == urls
    assert link.psk == share_psk(bytes(32))
    assert "psk" not in repr(link)


@pytest.mark.parametrize(
    ("text", "words"),
    [(f"https://10.0.0.2:12347/relay/#{_SECRET}", "pairs a radio"),
     (f"bpforward://10.0.0.2:12346/#{_SECRET}", "pairs a radio"),
     ("https://10.0.0.2/remote/", "secret after the # is missing"),
     ("", "share link is empty")],
)  # fmt: skip
def test_what_is_no_share_link_is_said(text: str, words: str) -> None:
    with pytest.raises(ShareLinkError, match=words):
        ShareLink.parse(text)


def test_a_share_pairs_no_relay_and_a_pairing_secret_is_no_share() -> None:
    text = f"https://10.0.0.2:12347/remote/#{_SECRET}"
    assert is_share_link(text)
    book = ShareBook(GrantTable(None), random=lambda size: bytes(size))
    book.new("Marie", 0.0)
    assert book.offer(code_id(PairingLink.parse(text).secret), 0.0) is None
    assert book.offer(code_id(ShareLink.parse(text).psk), 0.0) == share_psk(bytes(32))
