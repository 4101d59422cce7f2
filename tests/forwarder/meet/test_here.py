"""A hub that is its own meeting point, and what stands before it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from forwarder.app import App
from forwarder.config import Clients, Config, Link
from forwarder.errors import ConfigError
from forwarder.meet.here import meeting_here
from relay.link.close_codes import NOT_HERE
from relay.link.errors import ChannelClosed
from relay.link.reach import connect, pair
from relay.link.security.meeting import hub_id, visit_url
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import PairingLink, known_hub
from relay.link.websocket import dial
from tests.forwarder.meet.test_server import closed
from tests.system.processes import free_ports, until

RELAY = KeyPair.generate()


def test_only_the_hub_itself_may_register_there() -> None:
    id = hub_id(RELAY.public)
    table = meeting_here("https://desk.example.ts.net", 0, id, "desk").table
    assert [table._only(other) for other in (id, "a" * 26)] == [True, False]


def test_what_is_no_address_is_said_to_be_none() -> None:
    with pytest.raises(ConfigError, match="--meet-here"):
        meeting_here("http://desk.example.org", 0, "a" * 26, "desk")


async def test_a_hub_is_its_own_meeting_point_under_the_name_that_a_tunnel_gives_it(
    tmp_path: Path,
) -> None:
    """The tunnel is played by dialing the port, for a name that leads nowhere here."""
    port, here = free_ports(2)
    config = Config(
        name="hub",
        state=tmp_path,
        clients=Clients(port=0),
        link=Link(port=port, https_port=0, meet_here="https://desk.example.ts.net", meet_port=here),
    )
    app = App(config)
    task = asyncio.ensure_future(app.run())
    try:
        async with asyncio.timeout(20):
            (point,) = app.meetings
            await until(lambda: point.registered, "the hub at its own meeting point")
            assert point.url == visit_url(
                "https://desk.example.ts.net", hub_id(app.trust.key.public)
            )

            async def by_tunnel(url: str) -> object:
                path = url.removeprefix("wss://desk.example.ts.net")
                return await dial(f"ws://127.0.0.1:{here}{path}", heartbeat_s=None)

            secret = app.trust.desk.issue(asyncio.get_running_loop().time())
            link = PairingLink((), secret, meetings=(point.url,))
            hub = await pair(link, RELAY, "attic", by_tunnel)  # type: ignore[arg-type]
            assert hub == known_hub(link, app.trust.key.public, "hub", point.url)
            channel, url = await connect(hub, RELAY, by_tunnel)  # type: ignore[arg-type]
            assert url == point.url
            await channel.close()
            nobody = f"ws://127.0.0.1:{here}/at/{'a' * 26}"
            ended: ChannelClosed = await closed(nobody)
            assert ended.code == NOT_HERE
    finally:
        app.stop()
        await asyncio.wait([task])
