"""The wearer's phone shows who is in control by a link, allows each once, and ends it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from forwarder.access.share_link import ShareLink
from forwarder.api.documents.shares import ShareBody, ShareMade
from forwarder.commands.api_client import ApiClient
from forwarder.shares.dialer import SharedChannel, ShareIsOver, join
from relay.link.security.noise import KeyPair
from tests.doubles.chromium_bluez import phone_rig
from tests.web.test_look import look
from tests.web.test_real_hub import chosen, hub, until

pytestmark = pytest.mark.chromium


async def _drive(channel: SharedChannel) -> None:
    hello = {"Id": 1, "ClientName": "x", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
    value = {
        "Id": 2, "DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 10}},
    }  # fmt: skip
    for message in ({"RequestServerInfo": hello}, {"OutputCmd": value}):
        await channel.send(json.dumps([message]))
        assert "Error" not in await channel.receive()


async def _end(channel: SharedChannel) -> None:
    while True:
        await channel.receive()


async def test_the_wearer_sees_allows_and_ends_a_guest(tmp_path: Path) -> None:
    async with phone_rig() as rig, hub(tmp_path) as app:
        client, _ = await chosen(rig, app)

        def share() -> ShareMade:
            return ApiClient(tmp_path).send("POST", "/shares", ShareMade, ShareBody(name="Marie"))

        made = await asyncio.to_thread(share)
        guest = await join(ShareLink.parse(made.link), KeyPair.generate(), "Firefox on Mac")
        leasing = asyncio.create_task(guest.keep_lease())
        await rig.page.until(
            "document.getElementById('guest-list').innerText"
            ".includes('Marie (Firefox on Mac) asks to drive your toys.')"
        )
        await look(rig.page, "guest-asks")
        await rig.page.click(".guest-yes")
        await asyncio.wait_for(guest.allowed(), 5)
        await _drive(guest)
        await until(lambda: rig.toy.levels == {"vibrate": 0.5}, "half")
        await rig.page.until(
            "document.getElementById('guest-list').innerText.includes('is in control')"
        )
        await look(rig.page, "guest-drives")
        await rig.page.click(".guest-no")
        with pytest.raises(ShareIsOver, match="was ended"):
            await asyncio.wait_for(_end(guest), 2)
        await until(lambda: rig.toy.levels == {"vibrate": 0.0}, "the stop", 1.5)
        await rig.page.until("document.getElementById('guests').hidden")
        leasing.cancel()
        await guest.close()
        await client.disconnect()
