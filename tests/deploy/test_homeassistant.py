"""The Home Assistant add-on: its files are what the supervisor wants, its command line starts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from forwarder.cli import parser
from forwarder.commands.program.run import merged
from relay.version import __version__

ADDON = Path(__file__).parents[2] / "deploy/homeassistant/buttplug_forwarder"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("addon_run", ADDON / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_description_has_what_a_supervisor_demands() -> None:
    config = yaml.safe_load((ADDON / "config.yaml").read_text())
    for key in ("name", "version", "slug", "description", "arch", "options", "schema"):
        assert config[key], key
    assert set(config["options"]) == set(config["schema"])
    assert config["slug"] == ADDON.name
    assert config["version"] == __version__
    assert config["host_network"]
    assert config["host_dbus"]


def test_its_options_become_a_command_line_that_the_hub_understands(
    run: ModuleType, tmp_path: Path
) -> None:
    config = yaml.safe_load((ADDON / "config.yaml").read_text())
    (tmp_path / "hub.toml").write_text("name = 'Home'\n")
    options = {**config["options"], "meet": ["wss://meet.example.org"]}
    program, *words = run.command(options, tmp_path / "hub.toml")
    assert program == "forwarder"
    made = merged(parser().parse_args(words))
    assert (made.link.lan, made.radio.local, made.name) == (True, True, "Home")
    assert made.link.meet == ("wss://meet.example.org",)
    _, *words = run.command({"lan": False, "local_radio": False}, tmp_path / "none.toml")
    made = merged(parser().parse_args(words))
    assert (made.link.lan, made.radio.local, made.link.meet) == (False, False, ())


def test_the_image_is_built_of_what_is_in_its_folder() -> None:
    lines = (ADDON / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert copied == ["*.whl", "run.py"]
    assert (ADDON / "run.py").exists()
