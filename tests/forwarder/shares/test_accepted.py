"""A hub as the guest of another: what is shared there is here for any app, within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from forwarder.client.client import Client
from forwarder.composition.sources import upstream_source
from forwarder.errors import ConfigError
from forwarder.hub.device import Device
from forwarder.shares.accepted import AcceptedShares
from relay.link.files.statefile import Versioned, write_state
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until


@dataclass(slots=True)
class Couple:
    """Ann shares, Bo's hub is her guest."""

    ann: RunningHub
    bo: RunningHub
    folder: Path

    async def shared(self, **more: object) -> str:
        status, made = await self.ann.ask("POST", "/shares", {"name": "Bo", "ask": False, **more})
        assert status == 201
        assert isinstance(made, dict)
        return str(made["link"])

    async def accept(self, link: str, name: str | None = None) -> tuple[int, dict[str, object]]:
        status, answer = await self.bo.ask("POST", "/accepted", {"link": link, "name": name})
        assert isinstance(answer, dict)
        return status, answer

    async def becomes(self, state: str, text: str = "") -> None:
        (visit,) = self.bo.app.accepted
        await until(lambda: visit.state == state and text in visit.text, f"{state}: {text}")

    async def view(self) -> dict[str, object]:
        _, views = await self.bo.ask("GET", "/accepted")
        assert isinstance(views, list)
        (view,) = views
        assert isinstance(view, dict)
        return view

    @property
    def toy(self) -> Device:
        """As Ann's hub has it."""
        (device,) = self.ann.app.hub.devices.values()
        return device

    async def here(self) -> Device:
        """As Bo's hub has it."""
        await until(lambda: len(self.bo.app.hub.devices) == 1, "the shared device")
        (device,) = self.bo.app.hub.devices.values()
        return device


@asynccontextmanager
async def couple(folder: Path) -> AsyncIterator[Couple]:
    async with (
        running_hub(folder / "ann", ("Lovense Edge",)) as ann,
        running_hub(folder / "bo", ()) as bo,
    ):
        await ann.with_devices(1)
        yield Couple(ann, bo, folder)


async def test_an_app_drives_what_is_shared_within_its_ceiling_and_the_end_takes_it_away(
    tmp_path: Path,
) -> None:
    async with couple(tmp_path) as pair:
        status, view = await pair.accept(await pair.shared(percent=50))
        assert (status, view["name"]) == (201, "Desk")
        device = await pair.here()
        async with Client.over(pair.bo.app.open_client()) as app:
            await until(lambda: len(app.devices) == 1, "the device in the app")
            (toy,) = app.devices
            await toy.vibrate(1.0)
            # All that Bo's apps can ask for is half of what Ann's can: 10 steps of 20.
            await until(lambda: [to for _, to, _ in pair.toy.levels.values()] == [10, 10], "half")
            assert pair.toy.running
            assert device.running
            assert (await pair.view())["percent"] == 50
            clock = asyncio.get_running_loop().time
            ended = clock()
            await pair.ann.ask("DELETE", "/shares/Bo")
            await until(lambda: not pair.toy.running and not pair.bo.app.hub.devices, "its end")
            assert clock() - ended < 1.0
        await pair.becomes("over", "ended")


async def test_a_guest_hub_that_hangs_stops_what_it_drives(tmp_path: Path) -> None:
    async with couple(tmp_path) as pair:
        await pair.accept(await pair.shared())
        await pair.here()
        async with Client.over(pair.bo.app.open_client()) as app:
            await until(lambda: len(app.devices) == 1, "the device in the app")
            (toy,) = app.devices
            await toy.vibrate(1.0)
            await until(lambda: pair.toy.running, "it runs")
            (visit,) = pair.bo.app.accepted
            assert visit.channel is not None
            # The lease is a message of its own: what else the channel carries renews nothing.
            turn = visit.channel._turn
            async with turn:
                began = asyncio.get_running_loop().time()
                await until(lambda: not pair.toy.running, "the stop")
                assert asyncio.get_running_loop().time() - began < 1.1


async def test_the_sharer_is_asked_first_and_pausing_reaches_the_guest(tmp_path: Path) -> None:
    async with couple(tmp_path) as pair:
        _, view = await pair.accept(await pair.shared(ask=True), "Ann")
        assert view["name"] == "Ann"
        await pair.becomes("asked")
        assert not pair.bo.app.hub.devices
        await pair.ann.ask("POST", "/shares/allow", {"name": "Bo"})
        device = await pair.here()
        assert device.source == "Ann"
        await pair.ann.ask("POST", "/pause", {})
        await pair.becomes("allowed", "paused")


async def test_it_is_here_again_after_a_restart_under_its_index_and_gone_once_left(
    tmp_path: Path,
) -> None:
    async with running_hub(tmp_path / "ann", ("Lovense Edge",)) as ann:
        await ann.with_devices(1)
        link, indexes = "", []
        for _ in range(2):
            async with running_hub(tmp_path / "bo", ()) as bo:
                pair = Couple(ann, bo, tmp_path)
                if not link:
                    link = await pair.shared()
                    assert (await pair.accept(link))[0] == 201
                indexes.append((await pair.here()).index)
        assert indexes[0] == indexes[1]
        async with running_hub(tmp_path / "bo", ()) as bo:
            pair = Couple(ann, bo, tmp_path)
            await pair.here()
            assert (await pair.accept(link))[0] == 422  # it is here already
            assert (await bo.ask("DELETE", "/accepted/Desk"))[0] == 204
            await until(lambda: not bo.app.hub.devices, "it is left")
            assert (await bo.ask("GET", "/accepted")) == (200, [])
            assert (await bo.ask("DELETE", "/accepted/Desk"))[0] == 422


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("nonsense", "share link"),
        ("bpforward://127.0.0.1:1/#" + "A" * 43, "shares nothing"),
        ("http://127.0.0.1:9/remote/#" + "A" * 43, "cannot be had"),
    ],
)
async def test_what_is_no_share_is_said_in_words(tmp_path: Path, link: str, words: str) -> None:
    async with running_hub(tmp_path / "bo", ()) as bo:
        status, answer = await bo.ask("POST", "/accepted", {"link": link})
        assert status == 422
        assert words in str(answer)
        assert await bo.ask("GET", "/accepted") == (200, [])


async def test_a_key_that_cannot_be_kept_takes_no_use_of_the_link(tmp_path: Path) -> None:
    async with couple(tmp_path) as pair:
        link = await pair.shared()
        file = tmp_path / "bo" / "accepted.json"
        file.mkdir()  # nothing can be written there
        status, answer = await pair.accept(link)
        assert (status, "cannot be written" in str(answer)) == (422, True)
        ((_, share),) = pair.ann.app.shares
        assert not share.guests
        file.rmdir()
        assert (await pair.accept(link))[0] == 201
        await pair.here()


async def test_a_link_that_was_taken_and_not_kept_is_taken_again_with_the_same_key(
    tmp_path: Path,
) -> None:
    """The disk fails, or the hub dies, between the sharer's word and the last write."""
    async with couple(tmp_path) as pair:
        link, written = await pair.shared(), 0

        def write(path: Path, state: Versioned) -> None:
            nonlocal written
            written += 1
            if written == 2:
                raise OSError(28, "No space left on device")
            write_state(path, state)

        def hub(path: Path) -> AcceptedShares:
            app = pair.bo.app
            made = partial(upstream_source, config=app.config, hub=app.hub, user=app.user)
            return AcceptedShares(path, "Bo", made, app.hub.sources.remove, write=write)

        path = tmp_path / "accepted.json"
        with pytest.raises(ConfigError, match="No space left"):
            await hub(path).accept(link, None)
        # The link has one use, and it is that key's.
        visit = await hub(path).accept(link, None)
        assert visit.entry.name == "Desk"
        ((_, share),) = pair.ann.app.shares
        assert len(share.guests) == 1
        assert [each.entry.name for each in hub(path)] == ["Desk"]
