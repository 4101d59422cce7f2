"""A genuine broker (mosquitto), and what Home Assistant would do with it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from aiomqtt import Client

from forwarder.bridges.bounds import KEEPALIVE_S
from forwarder.config import BridgesSection, MqttSection
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.running_hub import RunningHub, config_for, running_hub
from tests.needs import needs
from tests.system.processes import Program, free_ports, until

TOYS = ("Lovense Edge",)


@dataclass
class Home:
    """A broker, a hub, and a client that sees everything the broker has."""

    hub: RunningHub
    client: Client
    broker: asyncio.subprocess.Process
    port: int
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        topics = [topic for topic in self.seen if topic.startswith("buttplug/")]
        (status,) = [each for each in topics if each.count("/") == 2 and each.endswith("/status")]
        return status.removesuffix("/status")

    @property
    def toy(self) -> Toy:
        (agent,) = self.hub.app.agents
        radio = agent._radio
        assert isinstance(radio, SimulatedRadio)
        return next(iter(radio.toys))

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.seen[str(message.topic)] = message.payload.decode()

    async def set(self, output: str, text: str, *, retain: bool = False) -> None:
        await self.client.publish(f"{self.base}/0/{output}/set", text, qos=1, retain=retain)

    async def shows(self, topic: str, payload: str) -> None:
        await until(
            lambda: self.seen.get(f"{self.base}/{topic}") == payload, f"{topic} = {payload}", 10
        )


async def _broker(folder: Path, port: int) -> asyncio.subprocess.Process:
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(
        needs("mosquitto"), "-c", str(file),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return process
    raise AssertionError("the broker did not start")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    (port,) = free_ports(1)
    broker = await _broker(tmp_path, port)
    section = MqttSection(enabled=True, broker="127.0.0.1", port=port)
    config = msgspec.structs.replace(
        config_for(tmp_path / "hub", TOYS), bridges=BridgesSection(mqtt=section)
    )
    try:
        async with (
            Client("127.0.0.1", port) as client,
            running_hub(tmp_path / "hub", TOYS, config) as hub,
        ):
            await client.subscribe("#", qos=1)
            found = Home(hub, client, broker, port)
            listening = asyncio.create_task(found.listen())
            await until(lambda: any(topic.endswith("/status") for topic in found.seen), "the hub")
            await client.publish(f"{found.base}/look", "PRESS", qos=1)
            await until(
                lambda: any(topic.endswith("/0/0-vibrate") for topic in found.seen), "a toy", 20
            )
            try:
                yield found
            finally:
                listening.cancel()
                await asyncio.wait([listening])
    finally:
        if broker.returncode is None:
            broker.kill()
            await broker.wait()


async def test_a_toy_is_announced_driven_and_its_sliders_show_the_truth(home: Home) -> None:
    documents = {
        topic: json.loads(text) for topic, text in home.seen.items() if topic.endswith("/config")
    }
    assert len(documents) == 2  # the hub, and the toy
    (toy,) = [each for topic, each in documents.items() if topic.endswith("_0/config")]
    assert toy["device"]["name"] == "Device 0"  # its name is nobody's business
    assert set(toy["components"]) == {"0-vibrate", "1-vibrate", "stop", "battery"}
    await home.shows("status", "online")
    await home.set("0-vibrate", "50")
    await home.shows("0/0-vibrate", "50")
    assert not home.toy.at_rest
    await home.set("1-vibrate", "20")
    await home.shows("0/1-vibrate", "20")
    assert home.seen[f"{home.base}/0/0-vibrate"] == "50"
    # Whoever stops it, the slider goes back.
    await home.hub.ask("POST", "/stop", {})
    await home.shows("0/0-vibrate", "0")
    assert home.toy.at_rest
    await home.set("0-vibrate", "30")
    await asyncio.sleep(0.5)
    assert home.toy.at_rest
    await home.hub.ask("POST", "/resume", {})
    await home.set("0-vibrate", "30")
    await home.shows("0/0-vibrate", "30")
    await home.client.publish(f"{home.base}/0/stop", "PRESS", qos=1)
    await home.shows("0/0-vibrate", "0")
    assert home.toy.at_rest


async def test_an_old_command_that_the_broker_kept_does_nothing(home: Home) -> None:
    await home.set("0-vibrate", "80", retain=True)
    await home.set("1-vibrate", "0")
    await home.shows("0/0-vibrate", "80")  # said while it was there: that one counts
    await home.client.publish(f"{home.base}/stop", "", qos=1)
    await home.shows("0/0-vibrate", "0")
    topic = f"{home.base}/+/+/set"
    async with Client("127.0.0.1", home.port) as late:
        await late.subscribe(topic, qos=1)
        message = await anext(aiter(late.messages))
        assert message.retain
    assert home.toy.at_rest


async def test_the_loss_of_the_broker_stops_what_came_from_there(home: Home) -> None:
    loop = asyncio.get_running_loop()
    await home.set("0-vibrate", "50")
    await home.shows("0/0-vibrate", "50")
    home.broker.kill()
    begun = loop.time()
    await until(lambda: home.toy.at_rest, "rest", 5)
    assert loop.time() - begun <= 1.0


async def test_home_assistant_that_goes_stops_what_it_set_going(home: Home) -> None:
    await home.set("0-vibrate", "50")
    await home.shows("0/0-vibrate", "50")
    await home.client.publish("homeassistant/status", "offline", qos=1)
    await until(lambda: home.toy.at_rest, "rest", 5)
    home.seen.clear()
    await home.client.publish("homeassistant/status", "online", qos=1)
    await until(lambda: any(topic.endswith("_0/config") for topic in home.seen), "the toy", 10)


# Home Assistant as far as the broker knows it: its will is that it is gone.
_ASSISTANT = """
import asyncio, sys
from aiomqtt import Client, Will

async def main(port, topic):
    will = Will("homeassistant/status", "offline", qos=1)
    async with Client("127.0.0.1", port, will=will) as client:
        await client.publish(topic, "50", qos=1)
        await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


async def test_home_assistant_that_is_killed_takes_its_toy_to_rest_within_a_second(
    home: Home,
) -> None:
    assistant = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ASSISTANT, str(home.port), f"{home.base}/0/0-vibrate/set"
    )
    try:
        await until(lambda: not home.toy.at_rest, "the toy moving", 20)
    finally:
        assistant.kill()
    killed = asyncio.get_running_loop().time()
    await until(lambda: home.toy.at_rest, "rest", 5)
    assert asyncio.get_running_loop().time() - killed <= 1.0
    await assistant.wait()


async def test_a_hub_that_is_killed_is_offline_by_its_last_will(tmp_path: Path) -> None:
    mqtt, client, link = free_ports(3)
    broker = await _broker(tmp_path, mqtt)
    config = tmp_path / "hub.toml"
    config.write_text(
        f"[clients]\nport = {client}\n[link]\nport = {link}\nhttps_port = 0\n"
        f"[bridges.mqtt]\nenabled = true\nbroker = '127.0.0.1'\nport = {mqtt}\n"
    )
    words = ["run", "--state", str(tmp_path / "s"), "--config", str(config)]
    hub = Program("forwarder", words, tmp_path, "hub")
    try:
        async with Client("127.0.0.1", mqtt) as watcher, asyncio.timeout(30):
            await watcher.subscribe("buttplug/+/status", qos=1)
            await hub.start()
            said = aiter(watcher.messages)
            assert (await anext(said)).payload == b"online"
            hub.process.kill()
            assert (await anext(said)).payload == b"offline"
    finally:
        await hub.end()
        broker.kill()
        await broker.wait()


def test_a_silent_broker_is_found_out_in_time() -> None:
    # paho ends a connection whose pings are not answered within one and a half of these.
    assert KEEPALIVE_S * 1.5 <= 10
