"""What is heard, by the API and on the command line, of a whole hub with simulated toys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from forwarder.api.documents.seen import SeenList
from forwarder.commands.seen import seen_lines
from relay.link.messages import Advertisement, Signal
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until

HUSH = "Lovense Hush"
CAST = "0000fe9f-0000-1000-8000-00805f9b34fb"
UART = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, (HUSH,)) as made:
        yield made


def hears(hub: RunningHub, *advertisements: Advertisement) -> None:
    """The embedded relay hears these."""
    relays = hub.app.relays
    (relay,) = relays.relays.values()
    for advertisement in advertisements:
        relays._finder.sighted(relay, advertisement)


async def seen(hub: RunningHub) -> SeenList:
    status, answer = await hub.ask("GET", "/seen")
    assert status == 200
    return msgspec.convert(answer, SeenList)


async def reason(hub: RunningHub, name: str) -> str:
    return next(toy.reason.value for toy in (await seen(hub)).toys if toy.name == name)


async def test_everything_heard_is_listed_with_the_reason(hub: RunningHub) -> None:
    await asyncio.sleep(0.3)
    hears(
        hub,
        Advertisement("AA:00:00:00:00:01", "LVS-P36", -50, radios=(Signal("hci1", -50),)),
        Advertisement("AA:00:00:00:00:02", "Television", -40, (CAST,)),
        Advertisement("AA:00:00:00:00:03", "LVS-DFU", -60),
        # Any chip with a serial port offers this service: that is no brand.
        Advertisement("AA:00:00:00:00:04", "My lamp", -60, (UART,)),
        Advertisement("AA:00:00:00:00:05", "BT05", -60),
    )  # fmt: skip
    shown = {toy.name: toy for toy in (await seen(hub)).toys}
    edge = shown["LVS-P36"]
    assert (edge.reason, edge.model) == ("nobody_scans", "Lovense Edge")
    assert [(one.radio, one.signal_dbm) for one in edge.heard] == [("hci1", -50)]
    assert "start a scan" in edge.text
    assert (shown["Television"].reason, shown["Television"].model) == ("unknown", None)
    assert shown["LVS-DFU"].reason == "left_alone"
    assert shown["My lamp"].model is None
    assert shown["BT05"].model is None
    lines = "\n".join(seen_lines(await seen(hub)))
    assert "LVS-P36  Lovense Edge  AA:00:00:00:00:01" in lines
    assert "/hci1 -50 dBm" in lines
    assert lines.index("Unknown, the nearest first") < lines.index("Television")


async def test_listening_connects_nothing_and_a_scan_does(hub: RunningHub) -> None:
    status, _ = await hub.ask("POST", "/seen", {"for_s": 1})
    assert status == 204
    await until(lambda: bool(len(hub.app.relays._finder.sightings)), "the toy being heard")
    (toy,) = (await seen(hub)).toys
    assert (toy.reason, (await seen(hub)).listening) == ("nobody_scans", True)
    assert not hub.app.hub.devices
    await hub.ask("POST", "/scan", {"for_s": 5})
    await until(lambda: bool(hub.app.hub.devices), "a device")
    (toy,) = (await seen(hub)).toys
    assert (toy.index, toy.model) == (0, HUSH)


async def test_a_skeleton_is_made_by_name_or_address_of_one_device(hub: RunningHub) -> None:
    await asyncio.sleep(0.3)
    hears(
        hub,
        Advertisement("AA:00:00:00:00:02", "Wand/7", -40),
        Advertisement("AA:00:00:00:00:03", "Twin", -40),
        Advertisement("AA:00:00:00:00:04", "Twin", -40),
    )
    for name in ("wand%2F7", "aa:00:00:00:00:02"):
        status, made = await hub.ask("GET", f"/seen/{name}/skeleton?protocol=wand-7")
        assert status == 200
        assert isinstance(made, dict)
        assert made["file"] == "wand-7.toml"
        assert 'names = ["Wand/7"]' in made["text"]
    for name, said in (("Twin", "2 are called"), ("Nobody", "nothing that is called")):
        status, answer = await hub.ask("GET", f"/seen/{name}/skeleton")
        assert (status, said in str(answer)) == (422, True)
