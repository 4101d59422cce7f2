"""A bare Buttplug client of any spec version: what a case does → JSON on a channel."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any

from relay.link.channel import Channel
from relay.link.errors import ChannelClosed
from tests.device_cases.case import Action

Message = dict[str, Any]

# A scalar of a case means the n-th feature with one of these; signed rotation is no scalar.
_SCALARS = ("Vibrate", "Oscillate", "Constrict", "Rotate")


class NotApplicable(Exception):
    """This spec version has no words for what the case does."""


class Failure(Exception):
    """The case went wrong; the text says what."""


class CaseClient:
    """Speaks spec `version`. `alone`: no action means one of several motors.

    `devices` is what the server told, by index, in that version's shape.

    `run` reads until the channel ends; requests are sent in order and their replies awaited.
    """

    def __init__(self, channel: Channel, version: int, *, alone: bool = False) -> None:
        self.version = version
        self._alone = alone
        self.devices: dict[int, Message] = {}
        self.changed = asyncio.Event()
        self._channel = channel
        self._id = 0
        self._outgoing: list[str] = []
        self._waiting: dict[int, asyncio.Future[tuple[str, Message]]] = {}

    async def run(self) -> None:
        try:
            while True:
                self._heard(await self._channel.receive())
        except ChannelClosed:
            pass

    def _heard(self, frame: str | bytes) -> None:
        for message in json.loads(frame):
            ((name, fields),) = message.items()
            waiter = self._waiting.pop(fields["Id"], None)
            if waiter is not None:
                waiter.set_result((name, fields))
            if name == "DeviceList":
                entries = fields["Devices"]
                entries = entries.values() if isinstance(entries, dict) else entries
                self.devices = {entry["DeviceIndex"]: entry for entry in entries}
            elif name == "DeviceAdded":
                self.devices[fields["DeviceIndex"]] = fields
            elif name == "DeviceRemoved":
                self.devices.pop(fields["DeviceIndex"], None)
            elif name == "Error" and waiter is None:
                raise Failure(f"the server says: {fields['ErrorMessage']}")
            self.changed.set()

    # --- requests -------------------------------------------------------------------------------

    def send(self, name: str, **fields: Any) -> asyncio.Future[tuple[str, Message]]:
        """Queue a request at once; the future brings its reply."""
        self._id += 1
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[self._id] = waiter
        frame = json.dumps([{name: {"Id": self._id, **fields}}])
        self._outgoing.append(frame)
        return waiter

    async def flush(self) -> None:
        """Send what is queued."""
        frames, self._outgoing = self._outgoing, []
        for frame in frames:
            await self._channel.send(frame)

    async def ask(self, name: str, **fields: Any) -> Message:
        """Send one request and return its reply. Raises Failure for an Error."""
        waiter = self.send(name, **fields)
        await self.flush()
        return _good(await waiter)

    async def greet(self) -> None:
        fields: Message = {"ClientName": "device case"}
        if self.version == 4:
            fields |= {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        elif self.version:
            fields["MessageVersion"] = self.version
        await self.ask("RequestServerInfo", **fields)

    # --- what a case does -----------------------------------------------------------------------

    async def act(self, device: int, action: Action) -> asyncio.Future[tuple[str, Message]] | None:
        """Do it and wait for the replies; an asynchronous battery read is returned instead."""
        requests = self._requests(device, action)
        waiters = [self.send(name, DeviceIndex=device, **fields) for name, fields in requests]
        await self.flush()
        if action.what == "Battery":
            (waiter,) = waiters
            if action.entries[0].get("run_async"):
                return waiter
            self.check_battery(action, _good(await waiter))
            return None
        for waiter in waiters:
            _good(await waiter)
        return None

    def check_battery(self, action: Action, reply: Message) -> None:
        """Raises Failure unless the reply is the expected battery level."""
        expected = action.entries[0]["expected_power"]
        if self.version == 4:
            got = reply["Reading"]["Battery"]["Value"] / 100
        elif self.version == 3:
            got = reply["Data"][0] / 100
        else:
            got = reply["BatteryLevel"]
        if not math.isclose(got, expected, abs_tol=1e-9):
            raise Failure(f"battery: {got} instead of {expected}")

    def _requests(self, device: int, action: Action) -> list[tuple[str, Message]]:
        if self.version == 4:
            return self._requests_v4(device, action)
        if action.what == "Stop":
            return [("StopDeviceCmd", {})]
        if action.what == "Battery":
            return [self._battery()]
        if self.version == 0:
            return [self._oldest(action)]
        return [self._legacy(device, action)]

    def _battery(self) -> tuple[str, Message]:
        if self.version == 3:
            return "SensorReadCmd", {"SensorIndex": 0, "SensorType": "Battery"}
        if self.version == 2:
            return "BatteryLevelCmd", {}
        raise NotApplicable(f"version {self.version} knows no battery")

    def _oldest(self, action: Action) -> tuple[str, Message]:
        """Version 0 has one speed for all motors, and one for everything that turns."""
        if len(action.entries) == 1:
            (entry,) = _speeds(action)
            if (
                self._alone
                and action.what == "Rotate"
                and (percent := entry["Speed"] * 100).is_integer()
            ):
                turn = {"Speed": int(percent), "Clockwise": entry["Clockwise"]}
                return "VorzeA10CycloneCmd", turn
            if _vibrates(action):
                return "SingleMotorVibrateCmd", {"Speed": entry["Speed"]}
        raise NotApplicable("version 0 has no words for this")

    def _legacy(self, device: int, action: Action) -> tuple[str, Message]:
        entries = list(action.entries)
        match action.what:
            case "Vibrate" if self.version == 3:
                scalars = [
                    {
                        "Index": self._vibrator(device, entry["Index"]),
                        "Scalar": entry["Speed"],
                        "ActuatorType": "Vibrate",
                    }
                    for entry in entries
                ]
                return "ScalarCmd", {"Scalars": scalars}
            case "Scalar" if self.version == 3:
                return "ScalarCmd", {"Scalars": entries}
            case "Vibrate" | "Scalar" if _vibrates(action):
                return "VibrateCmd", {"Speeds": _speeds(action)}
            case "Rotate":
                return "RotateCmd", {"Rotations": entries}
            case "Linear":
                numbered = [{**entry, "Index": n} for n, entry in enumerate(entries)]
                return "LinearCmd", {"Vectors": numbered}
        raise NotApplicable(f"version {self.version} knows no scalars")

    def _vibrator(self, device: int, number: int) -> int:
        scalars = self.devices[device]["DeviceMessages"].get("ScalarCmd", [])
        places = [n for n, each in enumerate(scalars) if each["ActuatorType"] == "Vibrate"]
        if number >= len(places):
            raise Failure(f"the device has {len(places)} vibrators, the case wants {number}")
        return places[number]

    # --- version 4 ------------------------------------------------------------------------------

    def _requests_v4(self, device: int, action: Action) -> list[tuple[str, Message]]:
        match action.what:
            case "Stop":
                return [("StopCmd", {"Inputs": True, "Outputs": True})]
            case "Battery":
                feature = self._nth(device, 0, lambda f: "Battery" in f.get("Input", {}))
                query = {"FeatureIndex": feature, "Type": "Battery", "Command": "Read"}
                return [("InputCmd", query)]
        return [self._output(device, action.what, entry) for entry in action.entries]

    def _output(self, device: int, what: str, entry: Mapping[str, Any]) -> tuple[str, Message]:
        number = entry["Index"]
        extra: Message = {}
        match what:
            case "Vibrate":
                kind, share = "Vibrate", entry["Speed"]
                feature = self._nth(device, number, lambda f: "Vibrate" in f.get("Output", {}))
            case "Scalar":
                kind, share = entry["ActuatorType"], entry["Scalar"]
                feature = self._nth(device, number, _is_scalar)
            case "Rotate":
                kind, share = "Rotate", entry["Speed"] * (1 if entry["Clockwise"] else -1)
                feature = self._nth(device, number, lambda f: "Rotate" in f.get("Output", {}))
            case _:
                kind, share, feature = "HwPositionWithDuration", entry["Position"], number
                extra = {"Duration": entry["Duration"]}
        outputs = self.devices[device]["DeviceFeatures"][str(feature)].get("Output", {})
        if kind not in outputs:
            raise Failure(f"feature {feature} has no {kind}")
        exact = share * outputs[kind]["Value"][1]
        value = math.ceil(exact) if exact > 1e-6 else math.floor(exact)
        return "OutputCmd", {"FeatureIndex": feature, "Command": {kind: {"Value": value, **extra}}}

    def _nth(self, device: int, number: int, fits: Any) -> int:
        features = self.devices[device]["DeviceFeatures"]
        found = [index for index in sorted(map(int, features)) if fits(features[str(index)])]
        if number >= len(found):
            raise Failure(f"the device has {len(found)} such features, the case wants {number}")
        return found[number]


def _is_scalar(feature: Message) -> bool:
    outputs = feature.get("Output", {})
    return any(
        kind in outputs and (kind != "Rotate" or outputs[kind]["Value"][0] >= 0)
        for kind in _SCALARS
    )


def _good(reply: tuple[str, Message]) -> Message:
    name, fields = reply
    if name == "Error":
        raise Failure(f"the server says: {fields['ErrorMessage']}")
    return fields


def _vibrates(action: Action) -> bool:
    """Whether it is about vibration alone, in whatever words."""
    kinds = {entry.get("ActuatorType", action.what) for entry in action.entries}
    return kinds == {"Vibrate"}


def _speeds(action: Action) -> list[Message]:
    """Its entries with a Speed, as versions before scalars have it."""
    return [
        {"Index": entry["Index"], "Speed": float(entry["Scalar"])}
        if action.what == "Scalar"
        else {**entry, "Speed": float(entry["Speed"])}
        if "Speed" in entry
        else dict(entry)
        for entry in action.entries
    ]
