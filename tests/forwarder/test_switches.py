"""Switches: what they change, what wins over them, what keeps them, and what is refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from forwarder.cli import parser
from forwarder.commands.program.run import started
from forwarder.config import Config, GroupSection, StandIn
from forwarder.config_file import read
from forwarder.errors import ConfigError
from forwarder.switches import FILE, FILE_ONLY, SWITCHES, Fixed, Switches, value_of


def made(folder: Path, text: str = "", **options: object) -> Switches:
    (folder / "hub.toml").write_text(text)
    return Switches(folder, read(folder / "hub.toml"), options)


def test_each_switch_is_a_key_of_the_configuration_and_an_option_that_exists() -> None:
    help_ = parser(whole=True).format_help() + _help("run")
    for switch in SWITCHES:
        value = value_of(Config(), switch)
        kinds = {
            "bool": bool, "text": str, "texts": tuple, "port": int, "groups": tuple,
            "stand_ins": tuple,
        }  # fmt: skip
        assert isinstance(value, kinds[switch.kind]), switch.name
        assert switch.option in help_, switch.name
        assert switch.label


def _words(word: str) -> argparse.ArgumentParser:
    words = parser(whole=True)._subparsers
    assert words is not None
    found = words._group_actions[0].choices
    assert isinstance(found, dict)
    one = found[word]
    assert isinstance(one, argparse.ArgumentParser)
    return one


def _help(word: str) -> str:
    return _words(word).format_help()


def test_each_option_is_a_switch_or_is_named_as_none_with_the_reason() -> None:
    options = {
        option
        for action in _words("run")._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    switched = [switch.option for switch in SWITCHES if switch.option]
    named = [option for one in FILE_ONLY for option in one.options]
    assert sorted(switched + named) == sorted(options)
    assert all(one.why for one in FILE_ONLY)


def test_what_another_option_implies_is_fixed_by_that(tmp_path: Path) -> None:
    switches = made(tmp_path, direct_at=["203.0.113.7:12349"])
    assert switches.fixed["link.direct"] == Fixed("--direct-at")
    with pytest.raises(ConfigError, match="--direct-at says it"):
        switches.change({"link.direct": False})


def test_a_switch_is_kept_and_counts_from_the_next_start(tmp_path: Path) -> None:
    switches = made(tmp_path)
    values = {"link.lan": True, "radio.simulate": ["Lovense Hush", " "], "link.https_port": 0}
    assert switches.change(values)
    assert not switches.change({"link.lan": True})
    for again in (switches, made(tmp_path)):
        config = again.config()
        assert config.link.lan
        assert config.radio.simulate == ("Lovense Hush",)
        assert config.link.https_port == 0
        assert again.any
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_groups_and_stand_ins_are_kept_as_tables(tmp_path: Path) -> None:
    switches = made(tmp_path)
    groups = [{"name": "Both", "devices": ["0", "Lovense *"]}]
    stand_ins = [{"device": "1", "role": "vibrator", "low": 0.2, "high": 0.8}]
    assert switches.change({"groups": groups, "stand_ins": stand_ins})
    for again in (switches, made(tmp_path)):
        config = again.config()
        assert config.groups == (GroupSection("Both", ("0", "Lovense *")),)
        assert config.stand_ins == (StandIn("1", "vibrator", 0.2, 0.8),)
        by_name = {switch.name: switch for switch in SWITCHES}
        assert value_of(config, by_name["groups"]) == (groups[0],)
    assert switches.change({"groups": []})
    assert made(tmp_path).config().groups == ()


@pytest.mark.parametrize(
    "groups",
    [
        "Both", [3], [{}], [{"name": ""}], [{"name": "a", "devices": 3}], [{"name": "a", "b": 1}],
        [{"name": "a"}] * 17,
    ],
)  # fmt: skip
def test_a_group_that_makes_no_sense_changes_nothing(tmp_path: Path, groups: object) -> None:
    switches = made(tmp_path)
    with pytest.raises(ConfigError):
        switches.change({"groups": groups})
    assert not switches.any
    assert not (tmp_path / FILE).exists()


def test_groups_in_the_file_are_fixed_there(tmp_path: Path) -> None:
    switches = made(tmp_path, "name = 'a'\n[[groups]]\nname = 'Both'\n")
    assert switches.fixed["groups"] == Fixed(str(tmp_path / "hub.toml"), 2)
    with pytest.raises(ConfigError, match="line 2"):
        switches.change({"groups": []})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[link]\nlan = false\n", 2),
        ("name = 'a'\n\n[link]  # here\n  lan=false\n", 4),
        ("link.lan = false\n", 1),
        ("link = { lan = false }\n", 1),
    ],
)
def test_hub_toml_wins_and_its_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    assert made(tmp_path).change({"link.lan": True, "mdns": True})
    switches = made(tmp_path, text)
    assert switches.fixed["link.lan"] == Fixed(str(tmp_path / "hub.toml"), line)
    assert not switches.config().link.lan
    assert switches.config().mdns
    with pytest.raises(ConfigError, match=f"hub.toml, line {line} says it"):
        switches.change({"link.lan": True})


def test_the_command_line_wins_over_both(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path)]
    (tmp_path / "hub.toml").write_text("[radio]\nsimulate = ['Lovense Edge']\n")
    made(tmp_path, "").change({"link.lan": False, "radio.simulate": ["Lovense Hush"]})
    (tmp_path / "hub.toml").write_text("[radio]\nsimulate = ['Lovense Edge']\n")
    words = ["run", *state, "--config", str(tmp_path / "hub.toml"), "--lan"]
    switches = started(parser().parse_args(words))
    assert switches.config().link.lan
    assert switches.config().radio.simulate == ("Lovense Edge",)
    assert switches.fixed["link.lan"] == Fixed("--lan")
    # Also over what a person is about to switch.
    assert switches.proposed({"mdns": True}).link.lan


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"colour": "red"}, "colour is no switch"),
        ({"link.lan": "yes"}, "Phones and other computers is on or off"),
        ({"link.lan": 1}, "on or off"),
        ({"name": ""}, "Name of this hub is a text"),
        ({"name": "x" * 65}, "name"),
        ({"link.https_port": 70_000}, "a number up to 65535"),
        ({"link.https_port": True}, "a number up to 65535"),
        ({"link.meet": "wss://a"}, "a list of texts"),
        ({"link.meet": ["wss://a"] * 5}, "meet"),
        ({"radio.simulate": [3]}, "a list of texts"),
    ],
)
def test_nonsense_is_refused_in_words_and_changes_nothing(
    tmp_path: Path, values: dict[str, object], words: str
) -> None:
    switches = made(tmp_path)
    with pytest.raises(ConfigError, match=words):
        switches.change({"mdns": True, **values})
    assert not (tmp_path / FILE).exists()
    assert not switches.config().mdns


def test_without_them_everything_is_as_the_file_says(tmp_path: Path) -> None:
    switches = made(tmp_path)
    switches.change({"link.lan": True})
    assert not switches.without("it could not be").link.lan
    assert switches.trouble == "it could not be"


def test_what_a_newer_version_switched_decides_nothing_and_a_damaged_file_is_said(
    tmp_path: Path,
) -> None:
    made(tmp_path).change({"mdns": True})
    kept = json.loads((tmp_path / FILE).read_text())
    kept["values"]["from.tomorrow"] = True
    (tmp_path / FILE).write_text(json.dumps(kept))
    assert made(tmp_path).config().mdns
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ConfigError, match=FILE):
        made(tmp_path)
