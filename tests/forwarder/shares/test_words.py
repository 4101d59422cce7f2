from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.shares.bounds import MAX_WHOLE_BYTES, WORDS_S
from forwarder.shares.words import (
    GuestLeaseWord,
    GuestRest,
    Said,
    ShareEnd,
    ShareNews,
    ShareWord,
    Told,
    Unpacker,
    WordRate,
    packed,
)
from relay.link.errors import LinkViolation
from relay.link.security.transport import MAX_PLAINTEXT_BYTES

_PART = b"+" + b" " * (MAX_PLAINTEXT_BYTES - 1)


@pytest.mark.parametrize(
    ("word", "guest"),
    [(GuestLeaseWord(at=12.5), True), (GuestLeaseWord(at=1), False), (GuestRest(), False),
     (GuestLeaseWord(at=1, heard=None), False), (GuestLeaseWord(at=900.5, heard=600.25), False),
     (ShareWord(owner="Kim", name="Marie", state="asked", percent=60, left_s=None), True),
     (ShareNews(held=None, devices={"0": "Paused."}), True),
     (ShareEnd(reason="ended", text="Over."), True)],
)  # fmt: skip
def test_words_arrive(word: Said | Told, guest: bool) -> None:
    [plaintext] = packed(word)
    assert Unpacker(guest=guest).take(plaintext) == word


@pytest.mark.parametrize("length", [2, MAX_PLAINTEXT_BYTES - 1, MAX_PLAINTEXT_BYTES, 300_000])
def test_frames_of_any_length_arrive_whole(length: int) -> None:
    frame = "[" + "x" * (length - 2) + "]"
    unpacker = Unpacker(guest=True)
    *more, last = packed(frame)
    assert [unpacker.take(part) for part in more] == [None] * len(more)
    assert unpacker.take(last) == frame
    assert all(len(part) <= MAX_PLAINTEXT_BYTES for part in (*more, last))


@pytest.mark.parametrize(
    "plaintext", [b'{"t":"share"}', b'{"t":"end","reason":"x","text":"y"}', b"{", b"[\xff]"]
)
def test_what_no_guest_says_is_a_violation(plaintext: bytes) -> None:
    with pytest.raises(LinkViolation):
        Unpacker(guest=False).take(plaintext)


def test_a_frame_in_the_middle_of_another_is_a_violation() -> None:
    unpacker = Unpacker(guest=False)
    unpacker.take(_PART)
    with pytest.raises(LinkViolation):
        unpacker.take(b"[]")


def test_a_frame_that_never_ends_is_given_up() -> None:
    unpacker = Unpacker(guest=False)
    for _ in range(MAX_WHOLE_BYTES // (len(_PART) - 1)):
        assert unpacker.take(_PART) is None
    with pytest.raises(LinkViolation, match="too long"):
        unpacker.take(_PART)


@pytest.mark.parametrize("part", [b"+", b"+[", _PART[:-1]])
def test_a_part_that_is_shorter_than_it_can_be_is_none(part: bytes) -> None:
    """Else parts of nothing could come for ever."""
    with pytest.raises(LinkViolation, match="no part"):
        Unpacker(guest=False).take(part)


def test_words_are_counted_by_the_second() -> None:
    rate = WordRate()
    for number in range(WORDS_S):
        rate.count(7 + number / WORDS_S)
    for _ in range(WORDS_S):
        rate.count(8.5)
    with pytest.raises(LinkViolation, match="too many words"):
        rate.count(8.9)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_frame_a_word_or_a_violation(plaintext: bytes) -> None:
    try:
        said = Unpacker(guest=False).take(plaintext)
    except LinkViolation:
        return
    assert said is None or isinstance(said, str | GuestLeaseWord | GuestRest)
