"""The guest's whole way by a meeting point: its page, its id, the drive, a lost point, the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from forwarder.config import Link
from tests.doubles.chromium import Chromium
from tests.doubles.running_hub import config_for, running_hub
from tests.forwarder.meet.points import meeting_server
from tests.system.processes import until
from tests.web.test_remote import TOYS, Guest, link_of

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


async def test_a_guest_comes_by_a_meeting_point_and_by_the_id_of_its_share_alone(
    browser: Chromium, tmp_path: Path
) -> None:
    async with meeting_server() as meet:
        link = Link(port=0, https_port=0, meet=(meet.origin,))
        async with running_hub(tmp_path, config=config_for(tmp_path, TOYS, link)) as hub:
            await hub.with_devices(1)
            [here] = hub.app.meetings
            await until(lambda: here.registered, "the hub at its meeting point", 10)
            text = await link_of(hub)
            assert text.startswith(f"{meet.origin}/remote/#")
            own = urlsplit(here.url).path
            assert own not in text
            guest = Guest(hub, await browser.page(text))
            await guest.says("who serves it could change it")
            await guest.open()
            await guest.drive()
            for waiting in list(meet._visitors.values()):
                await waiting.channel.close()  # the point loses this visitor
            await guest.stops()
            await guest.says("Shared with Marie", 8)
            await guest.drive()
            await hub.ask("DELETE", "/shares/Marie")
            await guest.stops()
            await guest.says("This share has ended", 1)
            await guest.page.close()
            # Its id is dead.
            place = text.partition("m=")[2]
            async with (
                asyncio.timeout(5),
                aiohttp.ClientSession() as http,
                http.ws_connect(place) as ws,
            ):
                ended = await ws.receive()
            assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, 4404)
