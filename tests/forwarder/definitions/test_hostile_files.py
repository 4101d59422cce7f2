"""Whatever a file holds, loading it ends soon and in one kind of error."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.definitions.lines import locate
from forwarder.definitions.loader import load
from forwarder.definitions.schema import DefinitionError
from forwarder.protocols.expressions import OUTPUT_NAMES, ExpressionError, Scope, check
from forwarder.protocols.packets import compile_bytes, compile_text
from tests.forwarder.definitions.test_schema import GOOD

SCOPE = Scope(OUTPUT_NAMES)
PIECES = st.sampled_from(
    ["v", "i", "s[0]", "(", ")", "{", "}", "*", "x9", "?", "0", "ff", " ", "+", "<<", "'", '"', ":",
     "u8", "sum(0)", "if", "else", "[", "]", ".", "__class__", ",", "\\", "\n", "9" * 30, "not "]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    for compiler in (check, compile_bytes, compile_text):
        with suppress(ExpressionError):
            compiler(text, SCOPE)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_loads_or_is_refused_with_a_line_of_it(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(TEXTS) + text[at + cut :]
    try:
        load(text, "toy.toml", {})
    except DefinitionError as error:
        line = int(str(error).split(":")[1])
        assert 1 <= line <= text.count("\n") + 1


@given(st.text(alphabet="[]{}=.,\"'#\n ab1", max_size=60))
@settings(max_examples=500, deadline=None)
def test_looking_for_a_line_ends_whatever_the_text_is(text: str) -> None:
    with suppress(tomllib.TOMLDecodeError):
        tomllib.loads(text)
        assert locate(text, ("a", 0, "b")) >= 1


def test_tables_that_nest_too_deeply_are_refused() -> None:
    with pytest.raises(DefinitionError, match="nest too deeply"):
        load("a = " + "[" * 20_000, "toy.toml", {})


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "a*a*a*a*b", "(?:x+x+)+y", r"([a-z]+)*$", "(a{2,}){3,}"]
)
def test_patterns_that_can_run_for_ages_are_refused(pattern: str) -> None:
    with pytest.raises(DefinitionError, match=r"a pattern may"):
        load(GOOD.replace('read = "rx"', f"from = 'rx'\nmatch = '{pattern}'"), "toy.toml", {})
