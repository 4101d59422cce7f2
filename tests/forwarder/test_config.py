"""The configuration file: defaults, what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config import CLIENT_PORT, Config
from forwarder.config_file import load
from forwarder.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    path.write_text(text)
    return path


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, ""))
    assert config == Config()
    assert config.clients.port == CLIENT_PORT
    assert config.clients.hosts == ("127.0.0.1", "::1")
    assert not config.link.lan
    assert not config.websocket_devices.enabled


def test_what_is_written_counts(tmp_path: Path) -> None:
    config = load(
        written(
            tmp_path,
            'name = "desk"\nstate = "/var/lib/x"\n[clients]\nport = 0\norigins = ["https://a.example"]\n'
            '[[upstream]]\nname = "phone"\ndial = "ws://192.0.2.7:12345"\n',
        )
    )
    assert (config.name, config.state_dir, config.clients.port) == ("desk", Path("/var/lib/x"), 0)
    assert config.upstream[0].dial == "ws://192.0.2.7:12345"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae = 'x'", r"nmae: this is unknown here; did you mean name\?"),
        ("[clients]\nport = 70000", r"clients\.port"),
        ("[clients]\nport = '1'", r"clients\.port"),
        ("[[upstream]]\ndial = 'ws://x'", r"upstream\[1\]\.name: it is missing"),
        ("name = ", r"hub\.toml"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        load(written(tmp_path, text))
    assert "hub.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def test_relative_paths_count_from_the_file_that_names_them(tmp_path: Path) -> None:
    text = "[devices]\nofficial = 'mine/v5.json'\nuser = '/etc/user.json'\ncatalogue = '~/toys'"
    devices = load(written(tmp_path, text)).devices
    assert devices.official == tmp_path / "mine" / "v5.json"
    assert devices.user == Path("/etc/user.json")
    assert devices.catalogue == Path.home() / "toys"


def test_a_mark_of_windows_is_no_fault_and_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_bytes(b"\xef\xbb\xbfname = 'desk'\n")
    assert load(path).name == "desk"
    path.write_bytes("name = 'desk'".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"hub\.toml is not UTF-8: save the file as UTF-8\.$"):
        load(path)
