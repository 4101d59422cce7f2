"""The state as documents, of a house that is large: everybody else has a turn in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

from forwarder.api.bounds import SHOWN_AT_ONCE
from forwarder.app import App
from tests.doubles.driver import RecordingDriver, device
from tests.doubles.running_hub import config_for

COUNT = 3 * SHOWN_AT_ONCE


def house(folder: Path) -> App:
    app = App(config_for(folder, ()))
    for number in range(COUNT):
        app.hub.add(device(RecordingDriver(), address=f"A{number}"))
    return app


async def test_of_many_devices_some_are_made_documents_of_in_a_pass(tmp_path: Path) -> None:
    app = house(tmp_path)
    showing = asyncio.create_task(app.api.view.devices())
    passes = 0
    while not showing.done():
        await asyncio.sleep(0)
        passes += 1
    assert passes > COUNT // SHOWN_AT_ONCE
    assert [each.index for each in showing.result()] == list(range(COUNT))
    assert len((await app.api.view.status()).devices) == COUNT


async def test_what_goes_meanwhile_is_not_shown(tmp_path: Path) -> None:
    app = house(tmp_path)
    showing = asyncio.create_task(app.api.view.devices())
    await asyncio.sleep(0)
    app.hub.remove(app.hub.devices[COUNT - 1], "a test")
    app.hub.remove(app.hub.devices[0], "a test")
    shown = [each.index for each in await showing]
    assert shown == list(range(COUNT - 1)), "what was shown already is"
