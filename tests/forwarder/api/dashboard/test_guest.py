"""Who comes with a token: drives as a guest of a share does, and no longer than it is heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from forwarder.api.dashboard.guest import PATH
from forwarder.shares.sessions import GuestDriver
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        yield hub


async def token(hub: RunningHub, **more: object) -> str:
    _, made = await hub.ask("POST", "/tokens", {"name": "Marie", "devices": ["1"], **more})
    assert isinstance(made, dict)
    said: str = made["token"]
    return said


class Guest:
    """What the page does, by hand."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self._id = 0

    @classmethod
    async def come(cls, hub: RunningHub, token: str) -> Guest:
        ws = await hub.http.ws_connect(hub.url + PATH)
        await ws.send_json({"t": "hello", "token": token})
        return cls(ws)

    async def say(self, value: object) -> None:
        await self.ws.send_bytes(json.dumps(value).encode())

    async def lease(self) -> None:
        await self.say({"t": "lease", "at": 1000 * asyncio.get_running_loop().time()})

    async def word(self, kind: str) -> Any:
        """The next word of a kind, or the next Buttplug message of one."""
        async with asyncio.timeout(5):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                said = json.loads(message.data)
                if isinstance(said, dict) and said["t"] == kind:
                    return said
                if isinstance(said, list) and kind in said[0]:
                    return said[0][kind]

    async def ask(self, name: str, answer: str, **fields: object) -> Any:
        self._id += 1
        await self.say([{name: {"Id": self._id, **fields}}])
        return await self.word(answer)

    async def open(self) -> Any:
        """The devices that it sees."""
        await self.lease()
        assert (await self.word("share"))["state"] == "allowed"
        await self.ask(
            "RequestServerInfo", "ServerInfo",
            ClientName="Firefox", ProtocolVersionMajor=4, ProtocolVersionMinor=0,
        )  # fmt: skip
        return (await self.ask("RequestDeviceList", "DeviceList"))["Devices"]

    async def drive(self, value: int, answer: str = "Ok") -> Any:
        command = {"Vibrate": {"Value": value}}
        return await self.ask("OutputCmd", answer, DeviceIndex=1, FeatureIndex=0, Command=command)


async def test_it_sees_and_drives_what_the_token_says_while_it_is_heard(house: RunningHub) -> None:
    guest = await Guest.come(house, await token(house, percent=50))
    assert set(await guest.open()) == {"1"}
    device = house.app.hub.devices[1]
    await guest.drive(1)
    assert [type(one) for one in house.app.hub.owners(device).values()] == [GuestDriver]
    assert [one.name for one in house.app.hub.owners(device).values()] == ["Marie"]
    # Silent, with its socket open.
    await until(lambda: not device.running, "the end of its lease", 3)
    assert "not heard" in (await guest.drive(1, "Error"))["ErrorMessage"]
    await guest.lease()
    await guest.drive(2)
    await guest.ws.close()
    await until(lambda: not device.running, "the end of its connection", 1)


async def test_a_revoked_token_ends_it_for_good(house: RunningHub) -> None:
    said = await token(house)
    guest = await Guest.come(house, said)
    await guest.open()
    await guest.drive(1)
    _, gone = await house.ask("DELETE", "/tokens/Marie")
    assert gone == {"name": "Marie", "clients": 1}
    await until(lambda: not house.app.hub.devices[1].running, "the stop", 1)
    again = await Guest.come(house, said)
    assert (await again.word("end"))["reason"] == "token"
    assert (await again.ws.receive()).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize("who", ["the owner", "nobody"])
async def test_it_is_for_guests_alone(house: RunningHub, who: str) -> None:
    guest = await Guest.come(house, house.admin if who == "the owner" else "")
    assert (await guest.word("end"))["reason"] == "token"


@pytest.mark.parametrize("frame", ["text", '{"t": "hello"}', b"\xff", b'{"t":"lease"}', b"+" * 99])
async def test_what_no_page_says_ends_its_connection_alone(
    house: RunningHub, frame: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    guest = await Guest.come(house, await token(house))
    await guest.open()
    await guest.drive(1)
    await (guest.ws.send_str(frame) if isinstance(frame, str) else guest.ws.send_bytes(frame))
    if frame == b"+" * 99:  # the part of a frame, which something else follows
        await guest.lease()
    await until(lambda: not house.app.hub.devices[1].running, "the stop", 2)
    async with asyncio.timeout(5):
        while (await guest.ws.receive()).type is not aiohttp.WSMsgType.CLOSE:
            pass
    assert not [line for line in caplog.records if line.exc_info]
    await (await Guest.come(house, await token(house, name="Kim"))).open()


async def test_a_page_of_another_site_is_refused(house: RunningHub) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await house.http.ws_connect(house.url + PATH, headers={"Origin": "https://example.com"})
    assert refused.value.status == 403
