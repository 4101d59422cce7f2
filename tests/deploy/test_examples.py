"""The example configurations load, name every key, and say the true defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import forwarder.config
import forwarder.config_file
import relay.config

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def every_key(kind: object) -> Iterator[str]:
    """The names of all fields of a struct type and of the structs in it, whatever wraps them."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            yield field.name
            yield from every_key(field.type)
    for part in get_args(kind):
        yield from every_key(part)


def uncommented(text: str) -> str:
    """With all that is shown behind a `#`, except where a key would then stand there twice."""
    shown = re.sub(r"^#(?=[\w\[])", "", text, flags=re.M)
    return shown.replace("dial = []\n", "").replace("…", "00:" * 29 + "00")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("hub.toml", forwarder.config.Config), ("relay.toml", relay.config.FileConfig)],
)
def test_an_example_names_every_key_and_no_other(name: str, kind: type) -> None:
    text = uncommented((EXAMPLES / name).read_text(encoding="utf-8"))
    named = set(re.findall(r"(?:^|[{,] )([a-z_]+) = ", text, flags=re.M))
    tables = re.findall(r"^\[+([a-z_.]+)\]+$", text, flags=re.M)
    named |= {part for table in tables for part in table.split(".")}
    assert named == set(every_key(kind))


def test_the_hubs_example_says_the_defaults() -> None:
    assert forwarder.config_file.load(EXAMPLES / "hub.toml") == forwarder.config.Config()


def test_the_relays_example_says_the_defaults() -> None:
    assert relay.config.load(EXAMPLES / "relay.toml") == relay.config.FileConfig()


@pytest.mark.parametrize("name", ["hub.toml", "relay.toml"])
def test_what_an_example_shows_can_be_used(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(uncommented((EXAMPLES / name).read_text(encoding="utf-8")), encoding="utf-8")
    if name == "hub.toml":
        config = forwarder.config_file.load(file)
        assert [entry.name for entry in config.upstream] == ["phone", "studio"]
        assert len(config.clients.dial) == 2
    else:
        assert relay.config.load(file).ceiling[0].level == 0.6
