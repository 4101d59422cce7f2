"""What a broker says is carried out side by side: no command waits for another's slow radio."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiomqtt import MqttError

from forwarder.bridges.bounds import LOOK_FOR_TOYS_S
from forwarder.bridges.client import BridgeClient
from forwarder.bridges.mqtt.bridge import BrokerPlace, MqttBridge, broker_words
from forwarder.bridges.mqtt.topics import Topics
from forwarder.buttplug.messages import OutputType
from relay.link.channel import Channel
from tests.doubles.clock import run_virtual
from tests.doubles.remote_toys import RecordedDialogue, remote_device
from tests.forwarder.bridges.test_performer import Stage

TOPICS = Topics("7f3a7f3a", "homeassistant")


async def _no_channel() -> Channel:
    raise AssertionError("nobody connects here")


@dataclass
class Said:
    topic: str
    payload: bytes
    retain: bool = False


class Broker:
    """Says one after the other, a moment apart, and then nothing."""

    def __init__(self, *said: tuple[str, bytes]) -> None:
        self._said = said

    @property
    async def messages(self) -> AsyncIterator[Said]:
        for topic, payload in self._said:
            yield Said(f"buttplug/7f3a7f3a/{topic}", payload)
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()


def _bridge(stage: Stage) -> MqttBridge:
    bridge = MqttBridge(
        _no_channel, BrokerPlace("broker", 1883, None, None, None), TOPICS,
        hub_name="Desk", version="1", neutral=True, levels=lambda index: {},
    )  # fmt: skip
    bridge._client = cast("BridgeClient", stage)
    return bridge


def told(*said: tuple[str, bytes]) -> list[list[tuple[int, OutputType, int] | str]]:
    """What two toys were told half a second later, of which the first needs 4 s to answer."""
    toys = [RecordedDialogue(), RecordedDialogue()]

    async def scene() -> None:
        stage = Stage()
        stage.devices = [
            remote_device(OutputType.VIBRATE, index=index, dialogue=dialogue)
            for index, dialogue in enumerate(toys)
        ]
        toys[0].answer_s = 4.0
        bridge = _bridge(stage)
        async with asyncio.TaskGroup() as tasks:
            works = [
                tasks.create_task(stage.performer.run()),
                tasks.create_task(bridge._listen(cast("Any", Broker(*said)), stage.performer)),
            ]
            await asyncio.sleep(0.5)
            for work in works:
                work.cancel()

    run_virtual(scene())
    return [toy.said for toy in toys]


def test_a_stop_does_not_wait_for_the_stop_of_another_toy() -> None:
    assert told(("0/stop", b"PRESS"), ("1/stop", b"PRESS")) == [["stop"], ["stop"]]


def test_neither_a_level_nor_an_off_waits_for_another_toy() -> None:
    slow, quick = told(
        ("0/0-vibrate/set", b"50"), ("1/0-vibrate/set", b"50"),
        ("0/0-vibrate/set", b"0"), ("1/0-vibrate/set", b"0"), ("1/0-vibrate/set", b"100"),
    )  # fmt: skip
    assert slow == [(0, OutputType.VIBRATE, 10), "stop"]
    assert quick == [(0, OutputType.VIBRATE, 10), "stop", (0, OutputType.VIBRATE, 20)]


class Radios(Stage):
    """What the bridge has radios do, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[tuple[str, float]] = []

    async def scan(self) -> None:
        self.did.append(("scan", asyncio.get_running_loop().time()))

    async def rest(self) -> None:
        self.did.append(("rest", asyncio.get_running_loop().time()))


def test_radios_look_for_a_while_and_again_only_when_it_is_pressed_again() -> None:
    async def scene() -> list[tuple[str, float]]:
        stage = Radios()
        bridge = _bridge(stage)
        async with asyncio.TaskGroup() as tasks:
            broker = cast("Any", Broker(("look", b"PRESS")))
            works = [
                tasks.create_task(bridge._look_for_toys()),
                tasks.create_task(bridge._listen(broker, stage.performer)),
            ]
            await asyncio.sleep(10 * LOOK_FOR_TOYS_S)
            for work in works:
                work.cancel()
        return stage.did

    (scan, begun), (rest, ended) = run_virtual(scene())
    assert (scan, rest) == ("scan", "rest")
    assert ended - begun == pytest.approx(LOOK_FOR_TOYS_S)


def _hidden(cause: OSError) -> Exception:
    """As aiomqtt hides what the system said."""
    try:
        try:
            raise cause
        except OSError as error:
            raise MqttError(str(error)) from None
    except MqttError as error:
        return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_hidden(socket.gaierror(-2, "Name or service not known")), "there is no such host"),
        (_hidden(ConnectionRefusedError(111, "Connection refused")), "nothing listens there"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (MqttError("[code:135] Not authorized"), "correct bridges.mqtt.user and its password_file"),
        (MqttError("[code:134] Bad user name or password"), "it refuses this user or password"),
        (MqttError("Operation timed out"), "operation timed out"),
    ],
)
def test_why_a_broker_cannot_be_used_is_in_a_persons_words(error: Exception, words: str) -> None:
    said = broker_words(error)
    assert words in said
    assert "Errno" not in said
    assert "[code" not in said
