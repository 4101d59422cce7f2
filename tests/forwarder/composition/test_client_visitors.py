from __future__ import annotations

import asyncio
import json
import time

import pytest

from forwarder.access.admission import Admitted, HttpVisitor
from forwarder.access.tokens import TokenBook
from forwarder.clients.driver import ClientOptions
from forwarder.composition.client_visitors import ClientVisitors
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual

HELLO = json.dumps(
    [
        {
            "RequestServerInfo": {
                "Id": 1,
                "ClientName": "game",
                "ProtocolVersionMajor": 4,
                "ProtocolVersionMinor": 0,
            }
        }
    ]
)


def visitors() -> tuple[ClientVisitors, Hub, TokenBook]:
    hub, tokens = Hub(Store(None)), TokenBook(None)
    return ClientVisitors(hub, ClientOptions("Desk"), tokens), hub, tokens


async def greeted(channel: Channel) -> dict[str, object]:
    await channel.send(HELLO)
    answer = json.loads(await channel.receive())
    assert isinstance(answer[0]["ServerInfo"], dict)
    return dict(answer[0]["ServerInfo"])


def test_a_visitor_without_a_token_has_no_grant_and_one_bad_token_spoils_all() -> None:
    came, _, tokens = visitors()
    assert came.grant(HttpVisitor("127.0.0.1")) is None
    good = tokens.new("game", time.time())
    grant = came.grant(HttpVisitor("127.0.0.1", tokens=(good,)))
    assert grant is not None
    assert grant.name == "game"
    assert came.grant(HttpVisitor("127.0.0.1", tokens=(good, "bpft_wrong"))) is None


@pytest.mark.parametrize("by_token", [False, True])
def test_an_app_is_served_until_it_leaves(by_token: bool) -> None:
    async def main() -> None:
        came, hub, tokens = visitors()
        token = (tokens.new("game", time.time()),) if by_token else ()
        visitor = HttpVisitor("127.0.0.1", tokens=token)
        ours, theirs = channel_pair()
        serving = asyncio.ensure_future(came.came(theirs, Admitted(visitor, came.grant(visitor))))
        assert (await greeted(ours))["ServerName"] == "Desk"
        assert len(hub.clients) == 1
        await ours.close()
        await serving
        assert len(hub.clients) == 0

    run_virtual(main())


def test_a_token_that_ends_ends_its_session() -> None:
    async def main() -> None:
        came, _, tokens = visitors()
        visitor = HttpVisitor("127.0.0.1", tokens=(tokens.new("game", time.time()),))
        ours, theirs = channel_pair()
        serving = asyncio.ensure_future(came.came(theirs, Admitted(visitor, came.grant(visitor))))
        await greeted(ours)
        assert came.guests.end(tokens.revoke("game")) == 1
        await serving
        with pytest.raises(ChannelClosed, match="the token was revoked"):
            await ours.receive()

    run_virtual(main())
