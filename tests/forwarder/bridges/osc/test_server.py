"""The OSC port: what a game says is carried out in time, whoever is slow."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

from forwarder.bridges.client import BridgeClient
from forwarder.bridges.osc.parameters import Rule
from forwarder.bridges.osc.server import OscLink, OscServer
from forwarder.bridges.senders import Senders
from forwarder.buttplug.messages import OutputType
from relay.link.channel import Channel
from tests.doubles.clock import run_virtual
from tests.doubles.remote_toys import remote_device
from tests.forwarder.bridges.test_performer import Stage

TOUCH = "/avatar/parameters/OGB/Orf/mouth/TouchOthers"


async def _no_channel() -> Channel:
    raise AssertionError("nobody connects here")


class SlowSystem:
    """Never says which program speaks."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def met(self, sender: object, port: int) -> None:
        self.asked.append(port)
        await asyncio.Event().wait()


def said(value: float) -> bytes:
    message = OscMessageBuilder(TOUCH)
    message.add_arg(value)
    return bytes(message.build().dgram)


def test_an_off_waits_neither_for_a_slow_radio_nor_for_the_name_of_the_game() -> None:
    async def scene() -> None:
        stage = Stage(OutputType.VIBRATE)
        stage.dialogue.answer_s = 4.0
        server = OscServer(_no_channel, port=0, host="127.0.0.1", links=[OscLink(Rule())])
        server._client = cast("BridgeClient", stage)
        system = SlowSystem()
        async with asyncio.TaskGroup() as tasks:
            works = [
                tasks.create_task(stage.performer.run()),
                tasks.create_task(server._follow(stage.performer)),
                tasks.create_task(server._meet(cast("Senders", system))),
            ]
            server.datagram_received(said(0.5), ("127.0.0.1", 9000))
            await asyncio.sleep(0.2)
            assert stage.dialogue.said == [(0, OutputType.VIBRATE, 10)]
            assert system.asked == [9000]
            server.datagram_received(said(0.0), ("127.0.0.1", 9000))
            await asyncio.sleep(0.2)
            assert stage.dialogue.said[1:] == ["stop"]
            for work in works:
                work.cancel()

    run_virtual(scene())


TOY = remote_device(*OutputType, name="Everything", index=4)


@pytest.mark.parametrize(
    ("link", "kinds"),
    [
        # Nobody named them: a touch sprays, heats, lights and moves to no place.
        (OscLink(Rule()), {"Vibrate", "Rotate", "Oscillate", "Constrict"}),
        (OscLink(Rule(), output=OutputType.SPRAY), {"Spray"}),
        (OscLink(Rule(), ("4",), OutputType.POSITION), {"Position"}),
        (OscLink(Rule(), ("Everything",), OutputType.LED), {"Led"}),
        (OscLink(Rule(), ("5", "Every")), set()),
    ],
)
def test_a_link_means_the_kind_that_it_names_or_what_has_a_level(
    link: OscLink, kinds: set[str]
) -> None:
    assert {kind.value for _, kind in link.slots(TOY)} == kinds
