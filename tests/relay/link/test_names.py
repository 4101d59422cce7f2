from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.link.bounds import MAX_NAME
from relay.link.names import neutralise, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("attic", "attic"),
        ("  Grannys \t\n Pi  ", "Grannys Pi"),
        ("Zoë’s 電話 📱", "Zoë’s 電話 📱"),
        ("a\x1b[2Jb", "a�[2Jb"),
        ("gpj\u202etxt.exe", "gpj�txt.exe"),
        ("a\u200bb\u2028c\x85d\x00e", "a�b c d�e"),
        ("\ud800", "�"),
        ("e" + "\u0301" * 50, "é\u0301\u0301\u0301"),
        ("Mia 👩‍❤️‍👩 Ann", "Mia 👩‍❤️‍👩 Ann"),  # one picture, of four
        ("👩🏽‍🚀", "👩🏽‍🚀"),
        ("a\u200db 👩\u200d", "a�b 👩�"),
        ("", ""),
        ("x" * 200, "x" * 127 + "…"),
    ],
)
def test_names_are_shown_on_one_harmless_line(text: str, shown: str) -> None:
    assert neutralise(text) == shown


@given(st.text(st.characters(), max_size=400), st.integers(1, MAX_NAME))
def test_whatever_comes_in_is_short_harmless_and_stays_so(text: str, limit: int) -> None:
    shown = neutralise(text, limit)
    assert len(shown) <= limit
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert not any(unicodedata.category(c) in hidden and c != "\u200d" for c in shown)
    assert neutralise(shown, limit) == shown


def test_a_name_in_a_sentence_is_spelt_as_people_spell_it() -> None:
    assert quoted("O'Brien's \\ toy") == "'O'Brien's \\ toy'"
    assert quoted("a\nb\u202e") == "'a b\N{REPLACEMENT CHARACTER}'"
    assert quoted("x" * 99, 8) == "'xxxxxxx…'"
