from __future__ import annotations

import pytest

from forwarder.access.bounds import MAX_GIVEN
from forwarder.access.credentials import given
from forwarder.access.tokens import PREFIX, TokenBook


@pytest.mark.parametrize(
    "path", ["/", "", "/buttplug", "/a/b/c", "/token", "/tokens/x", "/x/token"]
)
def test_other_paths_give_nothing(path: str) -> None:
    assert given([], [], path) == ()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/token/abc", ("abc",)),
        ("/token/abc/", ("abc",)),
        ("/token/", ("",)),
        ("/bpft_abc", ("bpft_abc",)),
        ("/deep/bpft_abc/", ("bpft_abc",)),
        ("/BPFT_abc", ("BPFT_abc",)),
        ("/bpft_", ("bpft_",)),
        ("/token/bpft_abc", ("bpft_abc",)),
    ],
)
def test_a_path_gives_what_stands_behind_token_or_looks_like_one(
    path: str, found: tuple[str, ...]
) -> None:
    assert given([], [], path) == found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Bearer", ""),
        ("", ""),
        ("Basic dXNlcjpw", ""),
        ("abc", ""),
        ("Bearer \udcff", "\udcff"),
    ],
)
def test_an_authorization_that_is_none_was_given_all_the_same(header: str, found: str) -> None:
    assert given([header]) == (found,)


def test_everything_given_is_there_and_too_much_is_never_good() -> None:
    assert given(["Bearer one"], ["two", ""], "/bpft_three") == ("one", "two", "", "bpft_three")
    book = TokenBook(None)
    token = book.new("app", 0.0)
    assert book.check_all(given(["Bearer " + token] * MAX_GIVEN), 1.0) is not None
    assert book.check_all(given(["Bearer " + token] * (MAX_GIVEN + 1)), 1.0) is None
    # A token behind many other parts of a path is still seen.
    assert given([], [], "/x" * 40 + "/" + token) == (token,)


def test_what_looks_like_a_token_is_what_the_book_makes() -> None:
    assert given([], [], f"/{PREFIX}abc") == (f"{PREFIX}abc",)
