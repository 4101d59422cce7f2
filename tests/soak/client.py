"""A client of any spec version that checks its answers, and that they are all it gets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from relay.link.channel import Channel
from relay.link.errors import ChannelClosed

Message = dict[str, Any]

# Each client numbers its requests from a range of its own, so that a stray answer shows.
IDS_EACH = 10_000_000


class Wrong(AssertionError):
    """An answer that should not have come, or not like this."""


class Overtaken(Exception):
    """Somebody's stop came before a query that waited for the radio; the server said so."""


class SoakClient:
    """`version` 0 to 4; `number` tells it from the others, also those that lived before it."""

    def __init__(self, channel: Channel, version: int, number: int) -> None:
        self.version = version
        self.number = number
        self.devices: dict[int, Message] = {}
        self.answers = 0
        self.closed = False
        self._channel = channel
        # Ids of Buttplug messages are 32 bits wide.
        self._id = number % 400 * IDS_EACH
        self._waiting: dict[int, asyncio.Future[tuple[str, Message]]] = {}

    async def run(self) -> None:
        """Read until the channel ends."""
        try:
            while True:
                for message in json.loads(await self._channel.receive()):
                    ((name, fields),) = message.items()
                    self._heard(name, fields)
        except ChannelClosed:
            self.closed = True
            for waiter in self._waiting.values():
                waiter.cancel()

    def _heard(self, name: str, fields: Message) -> None:
        id = fields["Id"]
        if id == 0:
            if name == "Error":
                raise Wrong(f"client {self.number}: {fields['ErrorMessage']}")
            return
        waiter = self._waiting.pop(id, None)
        if waiter is None:
            raise Wrong(f"client {self.number} got {name} {id}, which it has not asked for")
        self.answers += 1
        if not waiter.done():
            waiter.set_result((name, fields))

    async def send(self, name: str, **fields: Any) -> asyncio.Future[tuple[str, Message]]:
        """Send a request; the future brings its answer."""
        self._id += 1
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[self._id] = waiter
        await self._channel.send(json.dumps([{name: {"Id": self._id, **fields}}]))
        return waiter

    async def ask(self, expected: str, name: str, **fields: Any) -> Message:
        """Send a request; return its answer, an `expected`. Raises Overtaken, and Wrong else."""
        got, answer = await (await self.send(name, **fields))
        if got == "Error" and "a stop came before it" in answer["ErrorMessage"]:
            raise Overtaken
        if got != expected:
            raise Wrong(f"client {self.number} v{self.version}: {name} {fields} → {got} {answer}")
        return answer

    async def leave(self) -> None:
        await self._channel.close()

    async def greet(self) -> None:
        fields: Message = {"ClientName": f"client {self.number}"}
        if self.version == 4:
            fields |= {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        elif self.version:
            fields["MessageVersion"] = self.version
        await self.ask("ServerInfo", "RequestServerInfo", **fields)

    async def list(self) -> None:
        answer = (await self.ask("DeviceList", "RequestDeviceList"))["Devices"]
        entries = answer.values() if isinstance(answer, dict) else answer
        self.devices = {entry["DeviceIndex"]: entry for entry in entries}

    # --- what each version calls it ------------------------------------------------------------

    def vibrate(self, device: int, motor: int, level: float, steps: int) -> tuple[str, Message]:
        """The request that brings one motor (version 0: all of them) to `level`, 0 to 1."""
        match self.version:
            case 0:
                return "SingleMotorVibrateCmd", {"DeviceIndex": device, "Speed": level}
            case 1 | 2:
                speeds = [{"Index": motor, "Speed": level}]
                return "VibrateCmd", {"DeviceIndex": device, "Speeds": speeds}
            case 3:
                scalar = {"Index": motor, "Scalar": level, "ActuatorType": "Vibrate"}
                return "ScalarCmd", {"DeviceIndex": device, "Scalars": [scalar]}
        command = {"Vibrate": {"Value": round(level * steps)}}
        return "OutputCmd", {"DeviceIndex": device, "FeatureIndex": motor, "Command": command}

    def stop(self, device: int | None) -> tuple[str, Message]:
        if self.version == 4:
            scope = {} if device is None else {"DeviceIndex": device}
            return "StopCmd", {"Inputs": True, "Outputs": True, **scope}
        if device is None:
            return "StopAllDevices", {}
        return "StopDeviceCmd", {"DeviceIndex": device}

    async def battery(self, device: int, feature: int) -> float | None:
        """The level, 0 to 1; None if this version knows no batteries."""
        match self.version:
            case 4:
                query = {"FeatureIndex": feature, "Type": "Battery", "Command": "Read"}
                answer = await self.ask("InputReading", "InputCmd", DeviceIndex=device, **query)
                return float(answer["Reading"]["Battery"]["Value"]) / 100
            case 3:
                query = {"SensorIndex": 0, "SensorType": "Battery"}
                answer = await self.ask(
                    "SensorReading", "SensorReadCmd", DeviceIndex=device, **query
                )
                return float(answer["Data"][0]) / 100
            case 2:
                answer = await self.ask(
                    "BatteryLevelReading", "BatteryLevelCmd", DeviceIndex=device
                )
                return float(answer["BatteryLevel"])
        return None
