"""`relay doctor`: the hub by each of its places, the radio, and who refuses."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forwarder.config import Link
from relay.checks.examine import doctor_checks, radio_checks
from relay.checks.findings import Finding, Mark, run_checks
from relay.checks.machine import announced, bluetooth, clock, judged, state_folder
from relay.config import FileConfig, make_state
from relay.hub_link.hubs import HUB_FILE, pair_with
from relay.link.security.pairing import load_hub, save_hub
from relay.radio.choice import RadioChoice
from relay.supervision.adapters import Adapter, NoBluez, adapters_of_bluez
from relay.wanted import NamedRadios
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_process import bluez_process, require_dbus_daemon
from tests.doubles.running_hub import RunningHub, config_for, running_hub
from tests.relay.link.direct.pairs import listening
from tests.system.processes import free_ports


async def examined(state: Path) -> list[Finding]:
    checks = doctor_checks(FileConfig(), None, state, RadioChoice(simulate="Lovense Edge"))
    return await asyncio.to_thread(lambda: list(run_checks(checks)))


async def paired(hub: RunningHub, state: Path) -> None:
    make_state(state)
    _, answer = await hub.ask("POST", "/pairing", {})
    assert isinstance(answer, dict)
    await asyncio.to_thread(pair_with, answer["link"], state, "Attic")


def bads(findings: list[Finding]) -> list[str]:
    return [one.text for one in findings if one.mark is Mark.BAD]


@pytest.mark.parametrize("shown", [True, False])
def test_whether_a_hub_shows_itself_by_mdns_is_told(*, shown: bool) -> None:
    async def look(key: bytes) -> tuple[str, ...]:
        assert key == b"k" * 32
        return ("ws://192.168.1.2:12346/link", "ws://192.168.1.2:12346/link") if shown else ()

    (finding,) = announced(b"k" * 32, look, "the hub")
    assert finding.mark is (Mark.GOOD if shown else Mark.NOTE)
    wanted = "at 192.168.1.2:12346." if shown else "UDP port 5353"
    assert wanted in finding.text


async def test_each_place_of_the_hub_has_its_own_error_and_a_revocation_is_said(
    tmp_path: Path,
) -> None:
    state = tmp_path / "relay"
    async with running_hub(tmp_path / "hub") as hub:
        await paired(hub, state)
        assert not bads(await examined(state))
        known = load_hub(state / HUB_FILE)
        assert known is not None
        (port,) = free_ports(1)
        places = (*known.urls, f"ws://127.0.0.1:{port}/link", "ws://no-such-hub.invalid:1/link")
        save_hub(state / HUB_FILE, type(known)(known.key, known.name, places))
        refused, unknown = bads(await examined(state))
        assert "nothing listens there" in refused
        assert "no such host" in unknown
        assert all("--lan" in text for text in (refused, unknown))
        await hub.ask("DELETE", "/relays/Attic")
        assert any("pair again" in text for text in bads(await examined(state)))


async def test_a_direct_path_is_tried_like_any_place(tmp_path: Path) -> None:
    async with listening():
        pass  # skips where the library is not there
    link = Link(port=0, https_port=0, direct=True, direct_port=0)
    config = config_for(tmp_path / "hub", (), link)
    async with running_hub(tmp_path / "hub", (), config) as hub:
        assert hub.app.direct is not None
        await asyncio.wait_for(hub.app.direct.ready.wait(), 10)
        await paired(hub, tmp_path / "relay")
        found = await examined(tmp_path / "relay")
        assert not bads(found)
        assert "A hub answers at the end of its direct path." in [one.text for one in found]


async def test_a_relay_that_is_not_paired_is_told_how(tmp_path: Path) -> None:
    (wrong,) = bads(await examined(tmp_path))
    assert "relay pair LINK" in wrong


async def test_bluez_is_asked_and_its_absence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_dbus_daemon()
    async with bluez_process("Lovense Hush", tmp_path / "record.jsonl") as bluez:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        found = await adapters_of_bluez(3)
        assert ("hci0", True) in [(one.name, one.powered) for one in found]
        # In a container there may be no bus at all, or one without BlueZ.
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
        with pytest.raises(NoBluez, match=r"system D-Bus cannot be used.*start dbus"):
            await adapters_of_bluez(3)
    async with private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        with pytest.raises(NoBluez, match="BlueZ is not running: install and start it"):
            await adapters_of_bluez(3)


@pytest.mark.parametrize(
    ("adapters", "named", "said"),
    [
        ([], (), "BlueZ has no adapter"),
        ([Adapter("hci0", False)], (), "bluetoothctl power on"),
        ([Adapter("hci0", True, False)], (), "no Bluetooth LE"),
        ([Adapter("hci0", True)], (), ""),
        ([Adapter("hci0", False), Adapter("hci1", True)], ("hci1",), ""),
    ],
)
def test_adapters_that_cannot_be_used_are_named(
    adapters: list[Adapter], named: tuple[str, ...], said: str
) -> None:
    found = bads(list(judged(adapters, named)))
    assert len(found) == (1 if said else 0)
    assert all(said in text for text in found)


def test_a_radio_that_is_missing_is_bad_for_a_relay_and_simulated_toys_need_none() -> None:
    assert not bads(list(run_checks(radio_checks(RadioChoice(simulate="Lovense Edge")))))
    checks = radio_checks(RadioChoice(NamedRadios(bluetooth=("hci99",))))
    assert any("hci99" in text for text in bads(list(run_checks(checks))))


def test_a_relay_without_an_adapter_is_told_nothing_of_a_hub(tmp_path: Path) -> None:
    first, *_ = bluetooth(wanted=True, adapters=tmp_path, rfkill=tmp_path, bus=tmp_path)
    assert first.text == "This machine has no Bluetooth adapter: plug one in."
    said = "pair a phone or another computer with `forwarder pair`"
    first, *_ = bluetooth(instead=said, adapters=tmp_path, rfkill=tmp_path, bus=tmp_path)
    assert first.text == f"This machine has no Bluetooth adapter: {said}, or plug one in."


def test_who_names_other_radios_is_not_asked_for_bluetooth() -> None:
    assert not list(radio_checks(RadioChoice(NamedRadios(serial=("/dev/ttyUSB0=tcode",)))))
    assert list(radio_checks(RadioChoice()))


def test_a_state_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        (wrong,) = bads(list(state_folder(folder, "relay")))
        assert "--state" in wrong


def test_a_clock_that_was_never_set_is_said() -> None:
    assert bads(list(clock(datetime(1970, 1, 1, tzinfo=UTC))))
    assert not bads(list(clock()))


def test_a_clock_before_the_newest_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "hub.key").touch()
    os.utime(tmp_path / "hub.key", (0, datetime(2027, 5, 1, tzinfo=UTC).timestamp()))
    (bad,) = clock(datetime(2027, 4, 1, tzinfo=UTC), tmp_path)
    assert bad.mark is Mark.BAD
    assert "2027-04-01, and it is 2027-05-01 at least: set it" in bad.text
    # A day is no more than what a zone or a correction makes.
    (good,) = clock(datetime(2027, 4, 30, 12, tzinfo=UTC), tmp_path)
    assert good.mark is Mark.GOOD
    assert [one.mark for one in clock(datetime(2027, 4, 1, tzinfo=UTC), tmp_path / "no")] == [
        Mark.GOOD
    ]
