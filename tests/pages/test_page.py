"""Pages are read as their readers read them."""

from __future__ import annotations

import pytest

from tests.pages.page import Answer, BadPage, ByHand, Carry, Command, File, missing, steps

PAGE = """
# A page

Do this:

<!-- at desk, stays -->

    $ one --lan
    first   line
    …
    $ two LINK
    second …

Not this:

    $ never

1. In a list.
   <!-- carry a.ini b.py from desk to room -->
2. And by hand. <!-- not a step -->
<!-- by hand: scan the code -->
   <!-- at room -->

       $ three
"""


def test_commands_are_found_with_their_place_and_what_is_seen() -> None:
    one, two, carry, hand, three = steps(PAGE)
    assert one == Command(8, "desk", "one --lan", ("first   line", "…"))
    assert two == Command(11, "desk", "two LINK", ("second …",), stays=True)
    assert carry == Carry(19, ("a.ini", "b.py"), "desk", "room")
    assert hand == ByHand(21, "scan the code")
    assert three == Command(24, "room", "three")
    assert isinstance(two, Command)
    assert two.typed == len("two ")


def test_answers_are_typed_into_what_runs() -> None:
    found = steps(
        "<!-- answer 1 at room -->\n<!-- answer y at desk, and it ends -->\n"
        "<!-- answer n at room, then -->\n\n    well, no\n"
    )
    assert found == [
        Answer(1, "1", "room"),
        Answer(2, "y", "desk", ends=True),
        Answer(3, "n", "room", seen=("well, no",)),
    ]
    with pytest.raises(BadPage):
        steps("<!-- answer -- -->\n<!-- answer y -->")
    with pytest.raises(BadPage):
        steps("<!-- answer y at desk, then -->\n\nnothing\n")


def test_a_file_is_written_as_it_stands_there() -> None:
    (file,) = steps("<!-- file a/b.toml at desk -->\n\n    [a]\n    b = 1\n\nMore text.\n")
    assert file == File(1, "a/b.toml", "desk", "[a]\nb = 1\n")


def test_what_others_have_running_comes_first() -> None:
    one, two = steps("<!-- at a -->\n\n    $ one\n\n<!-- at b, runs before -->\n\n    $ two\n")
    assert isinstance(one, Command)
    assert isinstance(two, Command)
    assert [one.text, one.before, two.text, two.before] == ["two", True, "one", False]


@pytest.mark.parametrize(
    "text", ["<!-- at desk -->\n\ntext", "<!-- at desk -->\n\n    out\n", "<!-- at desk, maybe -->",
             "<!-- carry a -->", "<!-- at desk -->", "<!-- file a.toml at desk -->\n\nno block"],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_told(text: str) -> None:
    with pytest.raises(BadPage):
        steps(text)


@pytest.mark.parametrize(
    ("seen", "output", "wanted"),
    [
        (("a", "c"), "a\nb\nc\n", None),
        (("c", "a"), "a\nb\nc\n", "a"),
        (("a … c",), "a  b   c", None),
        (("a … c",), "a b d", "a … c"),
        (("…", "a"), "x\na", None),
        (("a",), "aa", "a"),
        (("1 + 1 (two)",), "1 + 1 (two)", None),
    ],
)
def test_lines_are_looked_for_in_their_order(
    seen: tuple[str, ...], output: str, wanted: str | None
) -> None:
    assert missing(seen, output) == wanted
