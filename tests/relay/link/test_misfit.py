"""What msgspec complains of, in a person's words; never in its own."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config import Config, RadioSection
from forwarder.config_file import _path
from relay.config import FileConfig
from relay.link.misfit import TABLE, misfit, near

CASES: list[tuple[object, object, str]] = [
    (Config, {"clients": {"port": "x"}}, "clients.port: a number is wanted, not text"),
    (Config, {"clients": {"port": -1}}, "clients.port: a number of at least 0 is wanted"),
    (Config, {"clients": {"port": 99999}}, "clients.port: a number of at most 65535 is wanted"),
    (Config, {"clients": {"port": 1.5}}, "clients.port: a whole number is wanted, not a number"),
    (
        Config,
        {"clients": {"prot": 1}},
        "clients.prot: this is unknown here; did you mean port?",
    ),
    (Config, {"clinets": {}}, "clinets: this is unknown here; did you mean clients?"),
    (
        Config,
        {"radio": {"zzz": 1}},
        f"radio.zzz: this is unknown here; known are {', '.join(RadioSection.__struct_fields__)}",
    ),
    (Config, {"upstream": [{"dial": "x"}]}, "upstream[1].name: it is missing"),
    (Config, {"upstream": [{"name": "x", "dail": ""}]},
     "upstream[1].dail: this is unknown here; did you mean dial?"),
    (Config, {"clients": {"hosts": "a"}}, "clients.hosts: a list is wanted, not text"),
    (Config, {"clients": {"hosts": [1]}}, "clients.hosts[1]: text is wanted, not a number"),
    (Config, {"clients": {"dial": [5]}},
     "clients.dial[1]: text or a table is wanted, not a number"),
    (Config, {"name": ""}, "name: it is empty"),
    (Config, {"name": "x" * 70}, "name: text of at most 64 characters is wanted"),
    (Config, {"clients": 5}, "clients: a table is wanted, not a number"),
    (Config, {"link": {"lan": "yes"}}, "link.lan: true or false is wanted, not text"),
    (Config, {"radio": {"adapter": 3}}, "radio.adapter: text is wanted, not a number"),
    (FileConfig, {"ceiling": [{"level": 60}]}, "ceiling[1].level: a number of at most 1 is wanted"),
    (Config, {"state": 5}, "state: text is wanted, not a number"),
    (Config, {"devices": {"user": []}}, "devices.user: text is wanted, not a list"),
    (Literal["a", "b"], "c", "c is unknown here; known are a, b"),
    (Config, {"bridges": {"osc": {"links": [{"output": "Vibrat"}]}}},
     "bridges.osc.links[1].output: Vibrat is unknown here; did you mean Vibrate?"),
    (Config, {"devices": {"pins": [{"address": "a", "relay": "b", "how": "x"}]}},
     "devices.pins[1].how: x is unknown here; known are only, prefer, never"),
    (Annotated[str, msgspec.Meta(pattern="^x$")], "y",
     "this text has another form than is wanted here"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "said"), CASES, ids=[said for *_, said in CASES])
def test_it_is_said_in_words(kind: type, value: object, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind, dec_hook=partial(_path, Path()))
    assert str(misfit(caught.value, kind, table=TABLE)) == said


def test_what_is_no_json_is_said() -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(b"{")
    assert str(misfit(caught.value)) == "this is no JSON"


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["clients", "port", "link", "hosts", "x`", "name"]), inner,
                        max_size=3), max_leaves=8))  # fmt: skip
def test_no_word_of_the_library_is_left(value: object) -> None:
    try:
        msgspec.convert(value, Config, dec_hook=lambda kind, given: Path(str(given)))
    except msgspec.ValidationError as error:
        said = str(misfit(error, Config))
        assert "Expected" not in said
        assert "`" not in said
        assert "$" not in said
        assert "\n" not in said


def test_what_is_too_long_for_a_word_is_compared_with_none() -> None:
    assert near("prot", ["port", "host"]) == ["port"]
    begun = time.process_time()
    assert near("x" * 1_000_000, ["port"] * 1000) == []
    assert time.process_time() - begun < 0.5
