"""What nobody knows about a toy, and what its wearer keeps, is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from forwarder.api.documents.model import LiveDeviceView
from forwarder.api.documents.stop import HoldView
from forwarder.commands.show import hold_lines, outputs_in_words
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, ("Lovense Nora",)) as hub:
        await hub.with_devices(1)
        yield hub


async def told(house: RunningHub, path: str) -> dict[str, object]:
    _, answer = await house.ask("GET", path)
    assert isinstance(answer, dict)
    return answer


async def hold(house: RunningHub) -> HoldView:
    return msgspec.convert((await told(house, "/status"))["hold"], HoldView)


async def test_a_toy_in_doubt_is_shown_as_one_that_may_be_running(house: RunningHub) -> None:
    live = (await told(house, "/devices/0"))["live"]
    assert isinstance(live, dict)
    assert (live["may_run"], live["notice"]) == ([], None)
    body = {"type": "Vibrate", "percent": 50, "for_ms": 60_000}
    await house.ask("PUT", "/devices/0/outputs", body)
    house.app.hub.devices[0].lost_sight()
    live = (await told(house, "/devices/0"))["live"]
    assert isinstance(live, dict)
    assert (live["running"], live["may_run"]) == (True, [0])
    assert "may be running" in live["notice"]
    device = msgspec.convert(await told(house, "/devices/0"), LiveDeviceView)
    assert outputs_in_words(device).endswith("may be running")


async def test_what_a_wearer_keeps_is_said_on_its_card_and_when_it_is_away(
    house: RunningHub,
) -> None:
    app = house.app
    (relay,) = app.relays.relays.values()
    app.agents[0].pause()
    await until(lambda: relay.blocked is not None, "the pause")
    live = (await told(house, "/devices/0"))["live"]
    assert isinstance(live, dict)
    assert live["notice"] == relay.blocked
    assert (await hold(house)).kept == ()
    (opened,) = relay.devices.values()
    app.relays.gone(relay, opened, "it is out of reach")
    (kept,) = (await hold(house)).kept
    assert (kept.name, kept.why) == ("Lovense Nora", relay.blocked)
    (line,) = hold_lines(await hold(house))
    assert "Lovense Nora is kept from other relays until its wearer resumes" in line


async def test_what_is_not_connected_because_everything_is_held_is_said(house: RunningHub) -> None:
    app = house.app
    app.person.stop("Dashboard")
    assert (await hold(house)).held_back == ()
    (relay,) = app.relays.relays.values()
    (opened,) = relay.devices.values()
    app.relays.gone(relay, opened, "it is out of reach")
    assert (await hold(house)).held_back == ("Lovense Nora",)
    assert [line for line in hold_lines(await hold(house)) if "Nora" in line] == [
        "  Lovense Nora is not connected: stopped by a person; it connects when they resume"
    ]
    app.person.resume("Dashboard")
    assert (await hold(house)).held_back == ()
