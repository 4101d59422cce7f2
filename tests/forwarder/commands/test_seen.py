"""`forwarder seen` at a hub with one simulated toy that nobody scans for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forwarder.cli import run
from relay.link.messages import Advertisement
from tests.doubles.running_hub import RunningHub, running_hub

WAND = Advertisement("AA:00:00:00:00:02", "Wand-7", -40)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path / "hub", ("Lovense Hush",)) as made:
        yield made


async def seen(hub: RunningHub, *arguments: str) -> int:
    return await asyncio.to_thread(run, ["seen", *arguments, "--state", str(hub.folder)])


async def test_it_listens_and_says_why_nothing_is_connected(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await seen(hub, "--seconds", "0.5") == 0
    said = capsys.readouterr().out
    assert "LVS-Z011  Lovense Hush  " in said
    assert "start a scan in your app" in said
    assert "heard by simulated toys -55 dBm" in said
    assert not hub.app.hub.devices


async def test_an_unknown_device_is_saved_once_under_the_name_of_its_protocol(
    hub: RunningHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    relays = hub.app.relays
    (relay,) = relays.relays.values()
    relays._finder.sighted(relay, WAND)
    path = tmp_path / "wand-7.toml"
    assert await seen(hub, "--save", "Wand-7", str(path)) == 0
    assert 'names = ["Wand-7"]' in path.read_text()
    assert await seen(hub, "--save", "Wand-7", str(path)) == 2
    assert "is there already" in capsys.readouterr().err
    assert await seen(hub, "--save", "Wand-7", str(tmp_path / "My Wand.toml")) == 2
    assert "Call the file my-wand.toml" in capsys.readouterr().err
    assert await seen(hub, "--save", "Nobody", str(tmp_path / "x.toml")) != 0
    assert "nothing that is called" in capsys.readouterr().err
