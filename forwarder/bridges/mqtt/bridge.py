"""The MQTT bridge: connected to one broker, it announces toys and does what is said to them.

| what happens                        | what it does |
|-------------------------------------|--------------|
| connected                           | announces hub, toys and states; listens |
| a level                             | it goes there and stays, until another one or a stop |
| a retained command                  | nothing: it is an old one that the broker kept |
| Home Assistant goes                 | stops what came from here: nobody can say 0 any more |
| the broker goes, or falls silent    | the same; then tries again, slower each time up to 60 s |
| the hub goes                        | the broker says offline in its place (last will) |
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from forwarder.bridges.bounds import (
    AGAIN_MOST_S,
    KEEPALIVE_S,
    LOOK_FOR_TOYS_S,
    MQTT_AGAIN_S,
    MQTT_BATTERY_S,
    MQTT_UNDER_WAY,
    STATES_S,
    STAYS_S,
)
from forwarder.bridges.client import BridgeClient, OpenChannel, Refusal
from forwarder.bridges.mqtt.topics import (
    OFFLINE,
    ONLINE,
    LookForToys,
    Press,
    SetLevel,
    Topics,
    discovery_document,
    hub_document,
    slots,
    state_payload,
)
from forwarder.bridges.performer import Performer
from forwarder.bridges.programs import OutputProgram, ProgramStep, Slot
from forwarder.buttplug.messages import InputType
from forwarder.client.device import RemoteDevice
from forwarder.errors import ConfigError, ForwarderError
from relay.link.tasks.groups import first_error
from relay.link.websocket import system_words

try:
    from aiomqtt import Client as Broker
    from aiomqtt import Message, MqttError, Will
except ImportError:  # the extra is not installed
    Broker = None  # type: ignore[assignment,misc]

log = logging.getLogger(__name__)

NAME = "MQTT"
# How aiomqtt begins what a broker refused.
_CODE = re.compile(r"\[code:\d+\]")


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """`tls`: how to check its certificate, None for none."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: ssl.SSLContext | None


class MqttBridge:
    """`levels`: of a device's outputs, as the hub knows them, whoever set them."""

    name: Final = NAME

    def __init__(
        self,
        open_channel: OpenChannel,
        place: BrokerPlace,
        topics: Topics,
        *,
        hub_name: str,
        version: str,
        neutral: bool,
        levels: Callable[[int], Mapping[Slot, float]],
    ) -> None:
        """Raises ConfigError without the extra."""
        if Broker is None:
            raise ConfigError(
                "MQTT needs a package that is not installed: pip install"
                " 'buttplug-forwarder[mqtt]'."
            )
        self._client = BridgeClient(NAME, open_channel)
        self._place = place
        self._topics = topics
        self._hub_name = hub_name
        self._version = version
        self._neutral = neutral
        self._levels = levels
        self._look = asyncio.Event()
        self._announced: dict[int, RemoteDevice] = {}
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Stay connected to the broker until cancelled."""
        performer = Performer(self._client, silence_s=STAYS_S)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run(), name=f"{NAME} client")
            tasks.create_task(performer.run(), name=f"{NAME} levels")
            tasks.create_task(self._look_for_toys(), name=f"{NAME} looking")
            again_s = MQTT_AGAIN_S
            while True:
                try:
                    async with self._connected() as broker:
                        again_s = MQTT_AGAIN_S
                        await self._serve(broker, performer)
                except (MqttError, OSError, ValueError) as error:
                    # ValueError: no host can have such a name.
                    log.warning("the MQTT broker %s: %s", self._place.host, broker_words(error))
                await self._rest(performer)
                await asyncio.sleep(again_s)
                again_s = min(again_s * 2, AGAIN_MOST_S)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Broker]:
        place = self._place
        async with Broker(
            place.host,
            place.port,
            username=place.user,
            password=place.password,
            tls_context=place.tls,
            keepalive=KEEPALIVE_S,
            timeout=10.0,
            identifier=f"buttplug_{self._topics.hub}",
            will=Will(self._topics.status, OFFLINE, qos=1, retain=True),
            max_queued_incoming_messages=256,
        ) as broker:
            log.info("connected to the MQTT broker %s", place.host)
            try:
                yield broker
            finally:
                self._announced.clear()
                self._said.clear()

    async def _serve(self, broker: Broker, performer: Performer) -> None:
        for topic in self._topics.wanted:
            await broker.subscribe(topic, qos=1)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(broker, performer), name=f"{NAME} commands")
                tasks.create_task(self._tell(broker), name=f"{NAME} states")
                tasks.create_task(self._batteries(broker), name=f"{NAME} batteries")
        except* (MqttError, ValueError) as group:
            raise MqttError(str(first_error(group))) from group
        finally:
            # A hub that ends well says so itself: its will is for the other case.
            await _farewell(broker, self._topics.status)

    # --- commands -------------------------------------------------------------------------------

    async def _listen(self, broker: Broker, performer: Performer) -> None:
        """Commands begin in their order, and none waits for the slow radio of another."""
        places = asyncio.Semaphore(MQTT_UNDER_WAY)
        async with asyncio.TaskGroup() as tasks:
            async for message in broker.messages:
                await places.acquire()
                hearing = tasks.create_task(self._hear(message, performer), name=f"{NAME} command")
                hearing.add_done_callback(lambda _: places.release())

    async def _hear(self, message: Message, performer: Performer) -> None:
        topic = str(message.topic)
        payload = message.payload if isinstance(message.payload, bytes) else b""
        if topic == self._topics.home:
            if payload == OFFLINE.encode() and not message.retain:
                log.info("Home Assistant has gone: what it set going stops")
                await self._rest(performer)
            elif payload == ONLINE.encode():
                self._announced.clear()  # it has forgotten, or is new
                self._said.clear()
            return
        if message.retain:
            log.debug("an old command that the broker kept is not carried out: %s", topic)
            return
        try:
            match self._topics.understood(topic, payload):
                case SetLevel() as wanted:
                    self._set(wanted, performer)
                case Press(None):
                    for device in self._client.devices:
                        performer.of(device).stop()
                    await self._client.stop_all()
                case Press(index):
                    named = [each for each in self._client.devices if each.index == index]
                    await performer.stop(named)
                case LookForToys():
                    self._look.set()
                case None:
                    log.info("not understood by MQTT: %s = %r", topic, payload[:40])
        except Refusal as error:
            log.info("MQTT: %s", error)
        # Also after a no: the slider goes back to what is true.
        self._said.clear()

    async def _look_for_toys(self) -> None:
        """As apps scan; but this one stays for ever, and would scan as long."""
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self._client.scan()
                await asyncio.sleep(LOOK_FOR_TOYS_S)
                await self._client.rest()
            except Refusal as error:
                log.info("MQTT: %s", error)

    def _set(self, wanted: SetLevel, performer: Performer) -> None:
        found = [each for each in self._client.devices if each.index == wanted.index]
        if not found or wanted.slot not in slots(found[0]):
            raise Refusal(f"device {wanted.index} has no such output here")
        toy = performer.of(found[0])
        levels = {**toy.moment(performer.now).levels, wanted.slot: wanted.level}
        steps = (ProgramStep(STAYS_S, levels),)
        if any(levels.values()):
            toy.start(OutputProgram(steps, performer.now, None, NAME), alone=True)
            performer.heard(NAME)
        else:
            toy.stop()
        performer.soon()

    async def _rest(self, performer: Performer) -> None:
        """Stop what came from here."""
        for device in self._client.devices:
            performer.of(device).stop()
        try:
            await performer.perform()
        except Refusal as error:
            log.warning("MQTT: a stop was not confirmed: %s", error)

    # --- states ---------------------------------------------------------------------------------

    async def _tell(self, broker: Broker) -> None:
        """Announce what is there, and say what changes."""
        await broker.publish(
            self._topics.hub_discovery,
            hub_document(self._topics, self._hub_name, self._version),
            qos=1,
            retain=True,
        )
        await self._say(broker, self._topics.status, ONLINE)
        while True:
            here = {device.index: device for device in self._client.devices}
            for index, device in tuple(self._announced.items()):
                if index not in here:
                    del self._announced[index]
                    await self._say(broker, f"{self._topics.toy(device)}/status", OFFLINE)
            for index, device in here.items():
                if self._announced.get(index) is not device:
                    self._announced[index] = device
                    await broker.publish(
                        self._topics.discovery(device),
                        discovery_document(
                            self._topics, device, self._version, neutral=self._neutral
                        ),
                        qos=1,
                        retain=True,
                    )
                await self._say(broker, f"{self._topics.toy(device)}/status", ONLINE)
                levels = self._levels(index)
                for slot in slots(device):
                    topic = self._topics.state(device, slot)
                    await self._say(broker, topic, state_payload(levels, slot))
            await asyncio.sleep(STATES_S)

    async def _say(self, broker: Broker, topic: str, payload: str) -> None:
        if self._said.get(topic) != payload:
            await broker.publish(topic, payload, qos=1, retain=True)
            self._said[topic] = payload

    async def _batteries(self, broker: Broker) -> None:
        while True:
            for device in self._client.devices:
                if InputType.BATTERY not in device.inputs:
                    continue
                try:
                    share = await device.battery()
                except ForwarderError as error:
                    log.debug("no battery of %s: %s", device.shown_name, error)
                    continue
                topic = f"{self._topics.toy(device)}/battery"
                await broker.publish(topic, f"{share * 100:.0f}", qos=1, retain=True)
            await asyncio.sleep(MQTT_BATTERY_S if self._client.devices else STATES_S)


async def _farewell(broker: Broker, topic: str) -> None:
    try:
        async with asyncio.timeout(1):
            await broker.publish(topic, OFFLINE, qos=1, retain=True)
    except (MqttError, TimeoutError) as error:
        log.debug("no goodbye to the MQTT broker: %s", error)


def broker_words(error: Exception) -> str:
    """Why the broker cannot be used, and what to do."""
    # aiomqtt (2.3) says what the system said, and hides it behind its own error.
    cause = error if isinstance(error, OSError) else error.__context__
    if isinstance(cause, OSError):
        return system_words(cause)
    text = _CODE.sub("", str(error)).strip().rstrip(".")
    if "authori" in text.lower() or "password" in text.lower():
        return "it refuses this user or password: correct bridges.mqtt.user and its password_file"
    return f"{text[:1].lower()}{text[1:]}"
