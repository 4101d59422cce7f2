"""One conversation with a server that the test plays, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from forwarder.buttplug.client import (
    ClientEvent,
    ClientSession,
    DevicesListed,
    HandshakeFailed,
    Ready,
    ScanEnded,
)
from forwarder.buttplug.messages import Ok, StartScanning, StopCmd, StopScanning
from forwarder.client.bounds import SEND_S
from forwarder.client.session_driver import ServerGone, ServerRefused, SessionDriver
from forwarder.connectors.bounds import SERVER_BURST, SERVER_MESSAGES_S, TURN_MESSAGES
from forwarder.errors import Code
from relay.link.channel import Channel, channel_pair
from relay.link.errors import ChannelClosed
from tests.doubles.clock import run_virtual


class Server:
    """The other end, by hand."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def hear(self) -> tuple[str, int]:
        ((name, fields),) = json.loads(await self.channel.receive())[0].items()
        return name, fields["Id"]

    async def say(self, name: str, **fields: Any) -> None:
        await self.channel.send(json.dumps([{name: fields}]))

    async def greet(self) -> None:
        name, id = await self.hear()
        assert name == "RequestServerInfo"
        version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        await self.say("ServerInfo", Id=id, ServerName="far", MaxPingTime=0, **version)
        name, id = await self.hear()
        assert name == "RequestDeviceList"
        await self.say("DeviceList", Id=id, Devices={})


class Talk:
    def __init__(self, bound: int) -> None:
        here, there = channel_pair(bound, names=("far", "near"))
        self.server = Server(there)
        self.events: list[ClientEvent] = []
        self.dialogue = SessionDriver(here, ClientSession("a test"), self.events.append)
        self.running = asyncio.create_task(self.dialogue.run())

    async def ended(self) -> str:
        with pytest.raises(ServerGone) as gone:
            await self.running
        return str(gone.value)


def scenario(test: Callable[[Talk], Awaitable[None]], bound: int = 64) -> None:
    async def main() -> None:
        talk = Talk(bound)
        await talk.server.greet()
        await asyncio.sleep(0.1)
        await test(talk)
        talk.running.cancel()
        await asyncio.wait([talk.running])

    run_virtual(main())


def test_news_come_in_order() -> None:
    async def test(talk: Talk) -> None:
        assert talk.events == [Ready("far", 4, 0), DevicesListed({})]

    scenario(test)


def test_each_request_gets_its_own_answer() -> None:
    async def test(talk: Talk) -> None:
        first = talk.dialogue.ask(StartScanning(id=1))
        second = talk.dialogue.ask(StopScanning(id=1))
        assert await talk.server.hear() == ("StartScanning", first.id)
        assert await talk.server.hear() == ("StopScanning", second.id)
        await talk.server.say("Error", Id=second.id, ErrorCode=4, ErrorMessage="no")
        await talk.server.say("Ok", Id=first.id)
        assert await first.reply == Ok(id=first.id)
        with pytest.raises(ServerRefused, match="no") as refused:
            await second.reply
        assert refused.value.code is Code.DEVICE

    scenario(test)


def test_what_is_urgent_overtakes_what_has_not_left() -> None:
    async def test(talk: Talk) -> None:
        for _ in range(3):
            talk.dialogue.ask(StartScanning(id=1))
        await asyncio.sleep(0.1)
        talk.dialogue.ask(StopCmd(id=1), urgent=True)
        heard = [(await talk.server.hear())[0] for _ in range(4)]
        # The channel holds one frame, and the writer waits with another in its hand.
        assert heard == ["StartScanning", "StartScanning", "StopCmd", "StartScanning"]

    scenario(test, bound=1)


def test_what_has_not_left_can_be_taken_back() -> None:
    async def test(talk: Talk) -> None:
        kept = talk.dialogue.ask(StartScanning(id=1))
        taken = talk.dialogue.ask(StopScanning(id=1))
        assert talk.dialogue.withdraw(taken.id)
        assert taken.reply.cancelled()
        assert await talk.server.hear() == ("StartScanning", kept.id)
        assert not talk.dialogue.withdraw(kept.id)
        await talk.server.say("Ok", Id=kept.id)
        await kept.reply

    scenario(test)


def test_a_request_without_an_answer_fails_after_its_time() -> None:
    async def test(talk: Talk) -> None:
        await asyncio.sleep(100)
        start = asyncio.get_running_loop().time()
        asked = talk.dialogue.ask(StartScanning(id=1))
        with pytest.raises(ServerRefused, match="no answer within 10 s"):
            await asked.reply
        assert asyncio.get_running_loop().time() - start == pytest.approx(10, abs=0.01)

    scenario(test)


def test_a_server_that_does_not_read_is_given_up() -> None:
    async def test(talk: Talk) -> None:
        asked = [talk.dialogue.ask(StartScanning(id=1)) for _ in range(3)]
        start = asyncio.get_running_loop().time()
        assert await talk.ended() == "far does not read"
        assert asyncio.get_running_loop().time() - start == pytest.approx(SEND_S)
        for each in asked:
            assert isinstance(each.reply.exception(), ServerGone)

    scenario(test, bound=1)


def test_the_end_of_the_channel_fails_what_waits_and_what_comes() -> None:
    async def test(talk: Talk) -> None:
        asked = talk.dialogue.ask(StartScanning(id=1))
        await talk.server.channel.close(1001, "going away")
        assert await talk.ended() == "going away"
        with pytest.raises(ServerGone, match="going away"):
            await asked.reply
        with pytest.raises(ServerGone, match="going away"):
            talk.dialogue.ask(StartScanning(id=1))
        assert talk.dialogue.ended

    scenario(test)


def test_hanging_up_fails_what_waits_at_once_and_closes_the_channel() -> None:
    async def test(talk: Talk) -> None:
        asked = talk.dialogue.ask(StartScanning(id=1))
        talk.dialogue.hang_up("enough")
        assert asked.reply.done()
        assert await talk.ended() == "enough"
        with pytest.raises(ChannelClosed):
            await talk.server.channel.receive()

    scenario(test)


def test_a_refused_handshake_is_told_and_ends_it() -> None:
    async def main() -> None:
        talk = Talk(64)
        _, id = await talk.server.hear()
        await talk.server.say("Error", Id=id, ErrorCode=1, ErrorMessage="not you")
        assert await talk.ended() == "not you"
        assert talk.events == [HandshakeFailed(Code.INIT, "not you")]

    run_virtual(main())


def test_a_server_that_says_too_much_is_read_more_slowly_with_turns_for_others() -> None:
    count = int(SERVER_BURST + 4 * SERVER_MESSAGES_S)

    async def test(talk: Talk) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        said = [{"ScanningFinished": {"Id": 0}}] * count
        await talk.server.channel.send(json.dumps(said))
        before = most = 0
        while len(talk.events) < count:
            await asyncio.sleep(0)
            most, before = max(most, len(talk.events) - before), len(talk.events)
            if loop.time() - started > 60:
                break
            if before >= SERVER_BURST:
                await asyncio.sleep(0.01)
        heard = [event for event in talk.events if isinstance(event, ScanEnded)]
        assert len(heard) == count
        assert most <= TURN_MESSAGES
        assert 3.5 < loop.time() - started < 4.6

    scenario(test)


def test_answers_of_a_server_are_no_part_of_what_it_may_say() -> None:
    count = int(SERVER_BURST + 4 * SERVER_MESSAGES_S)

    async def test(talk: Talk) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(count // 64):
            asked = [talk.dialogue.ask(StopCmd(id=0)) for _ in range(64)]
            for _ in asked:
                await talk.server.say("Ok", Id=(await talk.server.hear())[1])
            await asyncio.gather(*(one.reply for one in asked))
        assert loop.time() - started < 0.5

    scenario(test)
