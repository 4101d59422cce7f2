from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from forwarder.buttplug.messages import OutputType
from relay.config import (
    AgentConfig,
    FileConfig,
    OutputName,
    agent_config,
    load,
    make_state,
    remembering,
)
from relay.errors import UsageError
from relay.link.messages import Ceiling

EVERYTHING = """
hub = "ws://attic:12346"
name = "bedside"
adapter = "hci1"
bluetooth = ["hci0"]
serial = ["/dev/ttyUSB0=tcode"]
tcode = ["udp://tcode.local"]
max_run_s = 1800

[[ceiling]]
output = "Vibrate"
level = 0.6

[[ceiling]]
address = "AA:BB:CC:DD:EE:FF"
level = 0
"""


def file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "relay.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    config = load(file(tmp_path, EVERYTHING))
    assert (config.hub, config.radios.bluetooth) == ("ws://attic:12346", ("hci0", "hci1"))
    assert config.radios.serial == ("/dev/ttyUSB0=tcode",)
    assert config.radios.tcode == ("udp://tcode.local",)
    agent = agent_config(config, None, tmp_path)
    assert agent.name == "bedside"
    assert agent.max_run_s == 1800
    assert agent.ceilings == (Ceiling(0.6, "Vibrate"), Ceiling(0, None, "AA:BB:CC:DD:EE:FF"))
    assert agent.state == tmp_path / "wearer.json"
    assert agent.audit == tmp_path / "audit.log"


def test_the_command_line_names_the_relay_before_the_file_and_the_file_before_the_host() -> None:
    assert agent_config(FileConfig(name="file"), "line", None).name == "line"
    assert agent_config(FileConfig(name="file"), None, None).name == "file"
    assert agent_config(FileConfig(), None, None).name == AgentConfig().name


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour"),
        ("max_run_s = -1", "max_run_s"),
        ("max_run_s = 'long'", "max_run_s"),
        ("name = 3", "name"),
        ("[[ceiling]]\nlevel = 2", "ceiling[1].level"),
        ("[[ceiling]]\noutput = 'Vibrate'", "level"),
        ("[[ceiling]]\nlevel = 1\nlevle = 1", "levle"),
        ("name = ", "TOML"),
        (b"\xff", "UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(
    tmp_path: Path, text: str | bytes, key: str
) -> None:
    path = file(tmp_path, text)
    with pytest.raises(UsageError) as error:
        load(path)
    assert str(error.value).startswith(str(path))
    assert key in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="There is no configuration file nowhere"):
        load(Path("nowhere.toml"))


def test_the_state_folder_is_for_this_user_only(tmp_path: Path) -> None:
    assert make_state(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="taken"):
        make_state(tmp_path / "taken")


def test_only_what_outlives_its_program_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FileConfig(name="attic")
    assert agent_config(file, None, tmp_path).records is None
    kept = agent_config(file, None, tmp_path, outlived=True)
    assert (kept.name, kept.records) == ("attic", tmp_path / "devices")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert remembering(kept, tmp_path).locks == Path("/run/user/7/buttplug-relay")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/buttplug-relay:/run/more")
    assert remembering(kept, tmp_path).locks == Path("/run/buttplug-relay")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert remembering(kept, tmp_path).locks == tmp_path / "locks"
    assert agent_config(file, None, None, outlived=True).records is None


def test_ceilings_are_for_the_outputs_that_hubs_know() -> None:
    assert set(get_args(OutputName)) == {kind.value for kind in OutputType}
