"""A share of a whole hub, dialed as its link says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from forwarder.access.share_link import ShareLink
from forwarder.shares.bounds import WORDS_S
from forwarder.shares.dialer import SharedChannel, ShareIsOver, join
from forwarder.shares.words import GuestLeaseWord
from relay.link.channel import channel_pair
from relay.link.errors import LinkError, LinkViolation
from relay.link.security.handshake import HandshakeRefused
from relay.link.security.noise import KeyPair
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until


async def _shared(hub: RunningHub, **more: object) -> ShareLink:
    status, made = await hub.ask("POST", "/shares", {"name": "Marie", **more})
    assert status == 201
    assert isinstance(made, dict)
    return ShareLink.parse(made["link"])


async def _said(channel: SharedChannel, frame: object) -> dict[str, object]:
    await channel.send(json.dumps([frame]))
    answer: dict[str, object] = json.loads(await channel.receive())[0]
    return answer


_HELLO = {
    "RequestServerInfo": {
        "Id": 1, "ClientName": "Kim's hub", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0,
    }
}  # fmt: skip


def _vibrate(value: int) -> object:
    command = {"Vibrate": {"Value": value}}
    return {"OutputCmd": {"Id": 2, "DeviceIndex": 0, "FeatureIndex": 0, "Command": command}}


async def test_a_guest_is_asked_about_allowed_drives_and_is_ended(tmp_path: Path) -> None:
    async with running_hub(tmp_path, ("Lovense Edge",)) as hub:
        await hub.with_devices(1)
        link = await _shared(hub, percent=50)
        key = KeyPair.generate()
        channel = await join(link, key, "Kim's hub")
        leasing = asyncio.create_task(channel.keep_lease())
        asked = asyncio.create_task(channel.allowed())

        async def guest() -> dict[str, object]:
            _, shares = await hub.ask("GET", "/shares")
            assert isinstance(shares, list)
            one: dict[str, object] = shares[0]["guests"][0]
            return one

        assert await guest() == {
            "number": 1, "browser": "Kim's hub", "state": "asked", "here": True, "drives": [],
        }  # fmt: skip
        assert (await hub.ask("POST", "/shares/allow", {"name": "Marie"}))[0] == 200
        await asked
        assert "ServerInfo" in await _said(channel, _HELLO)
        assert "Error" in await _said(channel, _vibrate(11))
        assert "Ok" in await _said(channel, _vibrate(10))
        [device] = hub.app.hub.devices.values()
        assert device.running
        assert (await guest())["drives"] == ["Lovense Edge"]
        _, status = await hub.ask("GET", "/status")
        assert isinstance(status, dict)
        assert [(c["name"], c["kind"]) for c in status["clients"]] == [("Marie", "guest")]

        assert await hub.ask("DELETE", "/shares/Marie") == (200, {"names": ["Marie"], "guests": 1})
        await until(lambda: not device.running, "the stop")
        with pytest.raises(ShareIsOver, match="has ended"):
            await channel.receive()
        with pytest.raises(HandshakeRefused, match="has ended"):
            await join(link, key, "Kim's hub")
        leasing.cancel()
        await channel.close()


async def test_a_hub_that_says_words_without_end_is_left() -> None:
    ours, theirs = channel_pair(2 * WORDS_S + 1)
    channel = SharedChannel(ours, b"key")
    for _ in range(2 * WORDS_S + 1):  # a second may end in between
        await theirs.send(msgspec.json.encode(GuestLeaseWord(at=1)))
    with pytest.raises(LinkViolation, match="too many words"):
        await channel.receive()


async def test_a_relay_is_not_taken_for_a_guest_nor_another_hub_for_the_sharers(
    tmp_path: Path,
) -> None:
    async with running_hub(tmp_path, ("Lovense Edge",)) as hub:
        link = await _shared(hub, ask=False)
        with pytest.raises(HandshakeRefused, match="another hub"):
            await join(link, KeyPair.generate(), "x", hub_key=b"?" * 32)
        with pytest.raises(LinkError):
            await join(ShareLink(("ws://127.0.0.1:9/link",), link.psk), KeyPair.generate(), "x")
        _, relays = await hub.ask("GET", "/relays")
        assert isinstance(relays, list)
        assert [relay["name"] for relay in relays if relay["paired"]] == []


async def test_without_the_right_to_it_nobody_shares(tmp_path: Path) -> None:
    async with running_hub(tmp_path, ()) as hub:
        assert (await hub.ask("POST", "/shares", {"name": "x"}, token=""))[0] == 401
        _, made = await hub.ask("POST", "/tokens", {"name": "guest"})
        assert isinstance(made, dict)
        for method, path in (("GET", "/shares"), ("DELETE", "/shares")):
            assert (await hub.ask(method, path, token=made["token"]))[0] == 403
