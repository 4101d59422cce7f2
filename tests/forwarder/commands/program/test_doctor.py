"""What doctor finds: sentences with a next step."""

from __future__ import annotations

import json
import socket
import sys
from functools import partial
from pathlib import Path

import pytest

from forwarder.checks.making import making
from forwarder.checks.ports import ports
from forwarder.checks.running import standing_checks
from forwarder.cli import run
from forwarder.config import Clients, Config, DevicesSection, Link
from relay.checks.findings import Finding, Mark, run_checks
from relay.checks.machine import bluetooth, state_folder


def marks(findings: list[Finding]) -> list[str]:
    return [finding.mark.name for finding in findings]


def test_files_that_others_can_read_are_named_with_the_command_that_closes_them(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    assert marks(list(state_folder(tmp_path))) == ["GOOD"]
    key = tmp_path / "hub.key"
    key.touch(0o644)
    key.chmod(0o644)
    (bad,) = state_folder(tmp_path)
    assert bad == Finding(
        Mark.BAD, f"{key} is open to other users of this machine: run `chmod 600 {key}`."
    )
    key.chmod(0o600)
    tmp_path.chmod(0o755)
    (bad,) = state_folder(tmp_path)
    assert f"chmod 700 {tmp_path}" in bad.text


def test_a_folder_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    assert marks(list(state_folder(tmp_path / "none"))) == ["NOTE"]


def test_files_about_devices_that_would_keep_the_hub_from_starting_are_named(
    tmp_path: Path,
) -> None:
    user = tmp_path / "user.json"
    config = Config(state=tmp_path, devices=DevicesSection(user=user))
    bad, *_ = making(config)
    assert bad == Finding(Mark.BAD, f"{user} does not exist. Correct its name where it is named.")
    ways = [{"serial": {"port": "COM7"}}, {"btle": {"names": ["X"], "services": {}}}]
    protocols = {"tcode-v03": {"communication": ways}, "brand-new": {}}
    tree = {"version": {"major": 5}, "user_configs": {"protocols": protocols}}
    user.write_text(json.dumps(tree))
    way, brand, good = run_checks([("making", partial(making, config))])
    assert "devices of tcode-v03" in way.text
    assert "Devices of brand-new" in brand.text
    assert [one.mark for one in (way, brand, good)] == [Mark.NOTE, Mark.NOTE, Mark.GOOD]


def test_a_taken_port_is_named_with_who_wants_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = Config(clients=Clients(port=port), link=Link(port=0, https_port=0))
        (bad,) = ports(config)
    assert bad.mark is Mark.BAD
    assert f"Port {port} is taken" in bad.text
    assert "process" in bad.text
    assert "--port" in bad.text


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's /sys")
@pytest.mark.parametrize(
    ("soft", "hard", "bus", "expected"),
    [
        ("0", "0", True, ["GOOD"]),
        ("1", "0", True, ["GOOD", "BAD"]),
        ("0", "1", True, ["GOOD", "BAD"]),
        ("0", "0", False, ["GOOD", "BAD"]),
    ],
)
def test_bluetooth_that_is_off_says_how_to_switch_it_on(
    tmp_path: Path, soft: str, hard: str, bus: bool, expected: list[str]
) -> None:
    adapters, rfkill = tmp_path / "bluetooth", tmp_path / "rfkill"
    (adapters / "hci0").mkdir(parents=True)
    for number, kind in enumerate(("wlan", "bluetooth")):
        switch = rfkill / f"rfkill{number}"
        switch.mkdir(parents=True)
        (switch / "type").write_text(kind + "\n")
        (switch / "soft").write_text((soft if kind == "bluetooth" else "1") + "\n")
        (switch / "hard").write_text((hard if kind == "bluetooth" else "1") + "\n")
    socket_file = tmp_path / "bus"
    if bus:
        socket_file.touch()
    assert marks(list(bluetooth(adapters=adapters, rfkill=rfkill, bus=socket_file))) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's /sys")
def test_without_an_adapter_another_radio_is_proposed(tmp_path: Path) -> None:
    look = dict(standing_checks(Config(state=tmp_path)))["Bluetooth"]
    assert isinstance(look, partial)
    (note,) = look(adapters=tmp_path / "none", rfkill=tmp_path, bus=tmp_path)
    assert note.mark is Mark.NOTE
    assert "forwarder pair" in note.text


def test_what_was_switched_on_the_dashboard_is_looked_at_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.mkdir(0o700)
    switched = {"version": 1, "values": {"radio.simulate": ["Lovense Husj"]}}
    (state / "switches.json").write_text(json.dumps(switched))
    (state / "switches.json").chmod(0o600)
    config = tmp_path / "hub.toml"
    config.write_text("[clients]\nport = 0\n[link]\nport = 0\nhttps_port = 0\n")
    assert run(["doctor", "--state", str(state), "--config", str(config)]) == 1
    assert "Did you mean Lovense Hush" in capsys.readouterr().out
