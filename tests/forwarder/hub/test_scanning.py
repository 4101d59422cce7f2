"""Sources look for devices while any client wants that; a hub among the clients asks for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from forwarder.hub.bounds import HUB_SCAN_S
from forwarder.hub.scanning import Scanning
from tests.doubles.clock import run_virtual
from tests.forwarder.hub.test_hub import FakeClient, FakeSource


class Scene:
    def __init__(self) -> None:
        self.sources = [FakeSource(), FakeSource()]
        self.sources[1].name = "other"
        self.scanning = Scanning(self.sources)
        self.app, self.hub = FakeClient(), FakeClient()
        self.hub.hub_id = "a" * 16

    @property
    def scans(self) -> list[list[bool]]:
        return [source.scans for source in self.sources]


def play(scene: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(Scene())

    run_virtual(main())


def test_all_sources_scan_while_anybody_wants_it() -> None:
    async def scene(it: Scene) -> None:
        assert not it.scanning
        it.scanning.start(it.app)
        assert it.scanning
        assert it.scans == [[True], [True]]
        it.scanning.end(it.app)
        assert not it.scanning
        assert it.scans == [[True, False]] * 2

    play(scene)


def test_a_scan_is_over_when_the_last_source_has_ended_it() -> None:
    async def scene(it: Scene) -> None:
        it.scanning.ended(it.sources[0])
        assert it.app.told == []
        it.scanning.start(it.app)
        it.scanning.ended(it.sources[0])
        assert it.app.told == []
        assert it.scanning
        it.scanning.ended(it.sources[1])
        assert it.app.told == ["finished"]
        assert not it.scanning
        it.scanning.ended(it.sources[1])
        assert it.app.told == ["finished"]

    play(scene)


def test_another_hub_scans_for_a_minute_and_an_app_for_as_long_as_it_likes() -> None:
    async def scene(it: Scene) -> None:
        it.scanning.start(it.hub)
        it.scanning.start(it.app)
        await asyncio.sleep(HUB_SCAN_S - 1)
        assert it.hub.told == []
        await asyncio.sleep(2)
        assert it.hub.told == ["finished"]
        await asyncio.sleep(10 * HUB_SCAN_S)
        assert it.app.told == []
        assert it.scanning
        it.scanning.end(it.app)
        assert it.scans == [[True, False]] * 2

    play(scene)


def test_another_hub_that_asks_again_has_a_minute_from_then_on() -> None:
    async def scene(it: Scene) -> None:
        it.scanning.start(it.hub)
        await asyncio.sleep(HUB_SCAN_S - 1)
        it.scanning.start(it.hub)
        await asyncio.sleep(HUB_SCAN_S - 1)
        assert it.hub.told == []
        assert it.scanning
        await asyncio.sleep(2)
        assert it.hub.told == ["finished"]
        assert not it.scanning

    play(scene)


def test_another_hub_whose_scan_ended_is_told_no_second_time() -> None:
    async def scene(it: Scene) -> None:
        it.scanning.start(it.hub)
        for source in it.sources:
            it.scanning.ended(source)
        assert it.hub.told == ["finished"]
        await asyncio.sleep(2 * HUB_SCAN_S)
        assert it.hub.told == ["finished"]
        it.scanning.start(it.hub)
        it.scanning.end(it.hub)
        it.scanning.start(it.app)
        await asyncio.sleep(2 * HUB_SCAN_S)
        assert it.hub.told == ["finished"]
        assert it.scanning

    play(scene)


def test_another_hub_that_stopped_and_starts_again_has_its_whole_minute() -> None:
    async def scene(it: Scene) -> None:
        it.scanning.start(it.hub)
        await asyncio.sleep(HUB_SCAN_S / 2)
        it.scanning.end(it.hub)
        it.scanning.start(it.hub)
        await asyncio.sleep(HUB_SCAN_S - 1)
        assert it.hub.told == []
        assert it.scanning

    play(scene)
