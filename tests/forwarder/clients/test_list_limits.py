"""A list that a client cannot read is an error that says so, not the end of its connection."""

from __future__ import annotations

import asyncio
import json

from forwarder.buttplug.server import ServerSession
from forwarder.clients.bounds import LEAST_BYTES, LIST_LIMITS_MOST
from forwarder.clients.driver import ClientOptions, serve
from forwarder.clients.list_limits import ListLimits
from forwarder.connectors.bounds import SERVER_FRAME_BYTES
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from relay.link.channel import MemoryChannel, channel_pair
from relay.link.close_codes import MESSAGE_TOO_BIG
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual
from tests.doubles.driver import device
from tests.forwarder.buttplug.devices import nora
from tests.forwarder.hub.test_hub import FakeClient

TOO_BIG = ChannelClosed(MESSAGE_TOO_BIG, "")

HELLO = (
    '[{"RequestServerInfo":{"Id":1,"ClientName":"Small","ProtocolVersionMajor":4,'
    '"ProtocolVersionMinor":0}},{"RequestDeviceList":{"Id":2}}]'
)


def test_who_refused_a_frame_reads_less_than_that() -> None:
    limits = ListLimits()
    one, other = FakeClient("a"), FakeClient("b")
    assert limits.most(one) is None
    limits.ended(one, 100_000, TOO_BIG)
    assert limits.most(one) == 99_999
    limits.ended(one, 200_000, TOO_BIG)
    assert limits.most(one) == 99_999
    limits.ended(other, LEAST_BYTES - 1, TOO_BIG)
    limits.ended(other, 100_000, ChannelClosed(1000, ""))
    assert limits.most(other) is None


def test_another_hubs_limit_is_known() -> None:
    limits, hub = ListLimits(), FakeClient("hub")
    hub.hub_id = "a" * 16
    assert limits.most(hub) == SERVER_FRAME_BYTES
    assert limits.too_long(hub, 1000, SERVER_FRAME_BYTES) is None
    assert limits.too_long(hub, 1000, SERVER_FRAME_BYTES + 1) is not None
    limits.ended(hub, LEAST_BYTES + 1, TOO_BIG)
    assert limits.most(hub) == LEAST_BYTES


def test_few_names_are_remembered() -> None:
    limits = ListLimits()
    for number in range(LIST_LIMITS_MOST + 1):
        limits.ended(FakeClient(str(number)), 100_000, TOO_BIG)
    assert limits.most(FakeClient("0")) is None
    assert limits.most(FakeClient(str(LIST_LIMITS_MOST))) == 99_999


def test_a_session_says_what_is_wrong_with_a_list_under_the_requests_id() -> None:
    limits, client = ListLimits(), FakeClient("Small")
    limits.ended(client, LEAST_BYTES, TOO_BIG)
    session = ServerSession(
        "x",
        devices=lambda: {0: nora()},
        too_long=lambda count, size: limits.too_long(client, count, size + LEAST_BYTES),
    )
    _, answer = session.receive(HELLO, 0.0)
    assert isinstance(answer, str)
    ((kind, fields),) = json.loads(answer)[0].items()
    assert (kind, fields["Id"], fields["ErrorCode"]) == ("Error", 2, 4)
    assert "The list of 1 devices has" in fields["ErrorMessage"]
    assert session.listed_bytes == 0


async def _answer(hub: Hub, *, closes: bool) -> str:
    """The answer to a request for the list; the client ends as one does that cannot read it."""
    here, there = channel_pair()
    assert isinstance(here, MemoryChannel)

    async def client() -> str:
        await here.send(HELLO)
        await here.receive()
        ((kind, _),) = json.loads(await here.receive())[0].items()
        await here.close(MESSAGE_TOO_BIG if closes else 1000)
        return str(kind)

    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(client())
        tasks.create_task(serve(there, hub, ClientOptions()))
    return asked.result()


def test_a_client_that_ended_over_a_long_list_is_told_when_it_is_back() -> None:
    async def main() -> None:
        hub = Hub(Store(None))
        for number in range(100):
            hub.add(device(address=f"A{number}"))
        assert await _answer(hub, closes=False) == "DeviceList"
        assert await _answer(hub, closes=True) == "DeviceList"
        assert await _answer(hub, closes=True) == "Error"

    run_virtual(main())
