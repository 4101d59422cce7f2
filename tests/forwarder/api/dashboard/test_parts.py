"""What readers are sent: nothing but what is different, and all of that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from forwarder.api.bounds import GONE_MOST, LOOKED_AT
from forwarder.api.dashboard.parts import Parts, Section
from tests.doubles.running_hub import RunningHub, running_hub
from tests.forwarder.api.test_events import change, opened
from tests.system.processes import until


def test_only_what_is_different_is_new() -> None:
    parts = Parts()
    parts.put(("live", "0"), b"1")
    parts.put(("live", "1"), b"1")
    told = parts.number
    parts.put(("live", "1"), b"1")
    assert list(parts.since(told)) == []
    parts.put(("live", "0"), b"2")
    parts.put(("hub", ""), b"3")
    parts.put(("live", "0"), b"4")
    assert list(parts.since(told)) == [(("live", "0"), b"4"), (("hub", ""), b"3")]
    assert parts.whole() == [(("hub", ""), b"3"), (("live", "0"), b"4"), (("live", "1"), b"1")]


def test_what_is_gone_is_told_once_and_is_no_part_of_the_whole() -> None:
    parts = Parts()
    parts.put(("live", "0"), b"1")
    told = parts.number
    parts.put(("live", "0"), None)
    parts.put(("live", "7"), None)
    assert list(parts.since(told)) == [(("live", "0"), None)]
    assert parts.whole() == []
    parts.put(("live", "0"), b"2")
    assert list(parts.since(told)) == [(("live", "0"), b"2")]


def test_who_has_not_heard_of_too_much_that_is_gone_needs_everything() -> None:
    parts = Parts()
    told = parts.number
    for number in range(3 * GONE_MOST):
        parts.put(("live", str(number)), b"1")
        parts.put(("live", str(number)), None)
    assert parts.whole_since > told
    assert sum(1 for _ in parts.since(0)) <= GONE_MOST


class Looked:
    """Counts what is done for each document."""

    def __init__(self) -> None:
        self.facts = self.made = 0
        self.section = Section("live", self._facts, self._made)
        self.parts = Parts()

    def _facts(self, value: int) -> int:
        self.facts += 1
        return value

    def _made(self, value: int, facts: int) -> int:
        self.made += 1
        return facts

    def look(self, there: dict[str, int]) -> tuple[int, int]:
        """Returns how many facts were gathered and documents made."""
        before = self.facts, self.made
        self.section.look(there, self.parts)
        return self.facts - before[0], self.made - before[1]


def test_a_document_is_made_anew_only_when_its_facts_are_others() -> None:
    it = Looked()
    assert it.look({"0": 5, "1": 6}) == (2, 2)
    assert it.look({"0": 5, "1": 6}) == (2, 0)
    assert it.look({"0": 5, "1": 7}) == (2, 1)
    assert it.look({"1": 7}) == (1, 0)
    assert it.parts.whole() == [(("live", "1"), b"7")]


def test_of_many_so_many_are_looked_at_each_time_and_all_of_them_in_turns() -> None:
    it = Looked()
    there = {str(number): 0 for number in range(3 * LOOKED_AT)}
    assert [it.look(there) for _ in range(3)] == [(LOOKED_AT, LOOKED_AT)] * 3
    assert len(list(it.parts.whole())) == 3 * LOOKED_AT
    there = dict.fromkeys(there, 1)
    assert sum(it.look(there)[1] for _ in range(3)) == 3 * LOOKED_AT


# --- of a whole hub ------------------------------------------------------------------------------


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        yield hub


class Reader:
    """Puts together what it is sent, as a dashboard does."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self.state: dict[str, Any] = {}

    async def take(self) -> None:
        news = await change(self._ws)
        for section, value in news.items():
            if section in ("relays", "devices", "live"):
                merged = {**self.state.get(section, {}), **value}
                self.state[section] = {k: v for k, v in merged.items() if v is not None}
            else:
                self.state[section] = value

    @property
    def status(self) -> object:
        """What it knows, as the status says it, but for times that pass."""
        devices = [
            {**self.state["devices"][at], "live": live} for at, live in self.state["live"].items()
        ]
        relays = sorted(self.state["relays"].values(), key=lambda one: one["name"].casefold())
        return _still(devices), _still(relays), self.state["clients"], self.state["hold"]


def _still(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what a beat of the link changes."""
    for document in documents:
        for each in (document, document.get("live", {})):
            for name in ("round_trip_ms", "link_ms", "radio_ms", "battery_age_s"):
                each.pop(name, None)
    return sorted(documents, key=lambda one: one.get("index", 0))


async def _agrees(reader: Reader, house: RunningHub) -> bool:
    await reader.take()
    _, status = await house.ask("GET", "/status")
    assert isinstance(status, dict)
    known = _still(status["devices"]), _still(status["relays"]), status["clients"], status["hold"]
    return reader.status == known


async def test_all_changes_together_are_what_the_status_says(house: RunningHub) -> None:
    reader = Reader(await opened(house))
    app = house.app
    (relay,) = app.relays.relays.values()
    limit = {"feature": 0, "type": "Vibrate", "lowest": 0, "highest": 50}

    async def ask(method: str, path: str, body: object) -> None:
        assert (await house.ask(method, path, body))[0] < 300, path

    async def same(what: str) -> None:
        for _ in range(40):
            if await _agrees(reader, house):
                return
        _, status = await house.ask("GET", "/status")
        raise AssertionError(f"{what}: {reader.status} and {status}")

    await same("at first")
    await ask("PUT", "/devices/0/outputs", {"type": "Vibrate", "percent": 50, "for_ms": 60_000})
    await same("a value")
    await ask("PUT", "/devices/0", {"limits": [limit]})
    await same("a limit")
    await ask("PUT", "/devices/1", {"display_name": "Left", "pin": relay.name})
    await same("a name and a pin")
    app.hub.devices[0].lost_sight()
    await same("a doubt")
    await ask("POST", "/stop", {})
    await same("a stop")
    await ask("POST", "/resume", {})
    app.agents[0].pause()
    await until(lambda: relay.blocked is not None, "the pause")
    await same("the wearer's pause")
    app.agents[0].resume()
    app.relays.let_go(app.hub.devices[1], "a test")
    await same("one less")
