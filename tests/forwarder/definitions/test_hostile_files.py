"""Whatever a file holds, loading it ends soon and in one kind of error."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.lines import locate
from forwarder.definitions.loader import load
from forwarder.definitions.schema import DefinitionError
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError
from forwarder.protocols.base import ProtocolError
from forwarder.protocols.expressions import OUTPUT_NAMES, ExpressionError, Scope, check
from forwarder.protocols.packets import compile_bytes, compile_text
from relay.link.messages import Advertisement
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


SERVICE = "0000ffe0-0000-1000-8000-00805f9b34fb"
PROTOCOLS = {
    "aneros": {
        "communication": [
            {"btle": {"names": ["Mine", "Mine*"], "services": {SERVICE: {"tx": SERVICE}},
                      "manufacturer_data": [{"company": 7, "data": [1, 2]}]}}
        ],
        "configurations": [
            {"id": "a", "name": "Mine", "identifier": ["Mine"], "message_gap_ms": 50,
             "features": [{"id": "b", "index": 0, "output": {"vibrate": {"value": [0, 9]}}}]}
        ],
        "defaults": {"id": "c", "name": "Any", "features": [
            {"id": "d", "index": 0, "output": {"vibrate": {"value": [0, 127]}}},
            {"id": "e", "index": 1,
             "input": {"battery": {"value": [[0, 100]], "command": ["Read"]}}},
        ]},
    }
}  # fmt: skip
OFFICIAL = {"version": {"major": 4, "minor": 9}, "protocols": PROTOCOLS}
USER = {
    "version": {"major": 4, "minor": 0},
    "user_configs": {
        "protocols": PROTOCOLS,
        "devices": [
            {"identifier": {"address": "AA", "protocol": "aneros", "identifier": "Mine"},
             "config": {"id": "f", "base_id": "a", "user_config": {"deny": True, "index": 1},
                        "features": [{"base_id": "b", "output": {"vibrate": {"value": [1, 5]}}}]}}
        ],
    },
}  # fmt: skip
JUNK: list[Any] = [
    None, True, -1, 0, 1, 256, 2**70, 1.5, "", "*", "x", "\0", "\ud800", [], [[]], {}, {"a": 1},
    [0, 0], [2, 1], [-5, 5], ["*"], SERVICE, "A" * 300,
]  # fmt: skip


def places(tree: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, object]] = []
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, list):
        items = list(enumerate(tree))
    return [found for key, value in items for found in ((*path, key), *places(value, (*path, key)))]


def damaged(tree: dict[str, Any], rng: random.Random) -> bytes:
    tree = copy.deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        *path, last = rng.choice(places(tree))
        around: Any = tree
        for key in path:
            around = around[key]
        if isinstance(around, dict) and rng.random() < 0.3:
            del around[last]
        else:
            around[last] = copy.deepcopy(rng.choice(JUNK))
    data = bytearray(json.dumps(tree).encode())
    if rng.random() < 0.1:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def use(catalogue: Catalogue) -> None:
    """Everything that the hub does with what a file brought."""
    catalogue.interests()
    for name in ("Mine", "Minex"):
        seen = Advertisement("AA", name, manufacturer={7: b"\1\2"})
        for candidate in catalogue.match(seen):
            with suppress(ProtocolError):
                model = candidate.resolve(name, seen)
                protocol = model.open(endpoints={"tx": 1})
                for feature in model.definition.features:
                    for kind, spec in feature.outputs.items():
                        protocol.output(feature.index, kind, spec.high, 100)
                protocol.stop(None)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_json_file_can_be_used_or_is_refused_by_name(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    official, user = tmp_path / "official.json", tmp_path / "user.json"
    used = 0
    for _ in range(100):
        official.write_bytes(damaged(OFFICIAL, rng))
        user.write_bytes(damaged(USER, rng))
        complaint = ""
        try:
            use(Catalogue.load(official=official))
            used += 1
        except ConfigError as error:
            complaint = str(error)
        assert "official.json" in (complaint or "official.json")
        assert "\n" not in complaint
        complaint = ""
        try:
            config = UserConfig.load(user)
            config.allowed("AA")
            use(Catalogue.load(user=config))
            config.save(tmp_path / "again.json")
            used += 1
        except ConfigError as error:
            complaint = str(error)
        assert "user.json" in (complaint or "user.json")
        assert "\n" not in complaint
    assert used > 5
