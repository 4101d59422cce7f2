"""Which dialect speaks which spec version; and the dialect of v0..v3, one class for all four."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET

from forwarder.buttplug.codec import BodyReader, Vocabulary
from forwarder.buttplug.dialect import (
    COMMON,
    ClientRequest,
    DeviceInfos,
    Dialect,
    V4Dialect,
    answer,
)
from forwarder.buttplug.legacy import spelling
from forwarder.buttplug.legacy.convert import ShownDevice, output_commands, sensor_of
from forwarder.buttplug.legacy.features import FeatureTable, Sensor, describe, feature_table
from forwarder.buttplug.legacy.messages import (
    REFUSED,
    SPOKEN_IN,
    BatteryLevelCmd,
    BatteryLevelReading,
    Command,
    DeviceAddedV0,
    DeviceAddedV1,
    DeviceAddedV2,
    DeviceAddedV3,
    DeviceRemoved,
    DeviceV0,
    DeviceV1,
    DeviceV2,
    DeviceV3,
    FleshlightLaunchFW12Cmd,
    OldDevice,
    OldDeviceList,
    RequestLog,
    RSSILevelCmd,
    RSSILevelReading,
    SensorCmd,
    SensorReading,
    SensorSubscribeCmd,
    SensorUnsubscribeCmd,
    ServerInfoV0,
    ServerInfoV2,
    Test,
)
from forwarder.buttplug.messages import (
    DeviceInfo,
    InputCmd,
    InputCommand,
    InputReading,
    InputType,
    Ok,
    ServerMessage,
    StartScanning,
    StopCmd,
    StopScanning,
)
from forwarder.buttplug.shown_devices import DeviceSnapshot, snapshot_of
from forwarder.errors import MessageError, UnknownDevice

V4_ONLY: Final = ("OutputCmd", "InputCmd", "Disconnect")


def _vocabulary(version: int) -> Vocabulary[msgspec.Struct]:
    readers: dict[str, BodyReader[msgspec.Struct]] = dict(COMMON)
    for type, (first, last) in SPOKEN_IN.items():
        if first <= version <= last:
            readers[type.__name__] = BodyReader(type, spelling.of(type))
    return Vocabulary(readers, _refusals(version), f"Buttplug spec v{version}")


def _refusals(version: int) -> dict[str, str]:
    here = f"this session speaks v{version}"
    texts = {
        name: f"{name} carries bytes of one vendor. Send what the device shall do instead."
        for name in REFUSED
    }
    for type, (first, last) in SPOKEN_IN.items():
        span = f"v{first}" if first == last else f"v{first} to v{last}"
        texts[type.__name__] = f"{type.__name__} is a message of spec {span}; {here}."
    return texts | {name: f"{name} is a message of spec v4; {here}." for name in V4_ONLY}


_VOCABULARIES: Final = {version: _vocabulary(version) for version in range(4)}
_REFUSALS_V4: Final = {n: t for n, t in _refusals(4).items() if n not in V4_ONLY}


def dialect(version: int) -> Dialect:
    """A new dialect, for one session; `version` is 0..4."""
    return V4Dialect(_REFUSALS_V4) if version == 4 else OldDialect(version)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Behind Request.original: what was sent, and which input it meant."""

    message: Command
    sensor: Sensor | None = None


@dataclass(frozen=True, slots=True)
class _Subscription:
    sensor: Sensor
    sensor_index: int


class OldDialect:
    """Spec v0..v3: conversion at the edge, with what has to be remembered for it."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.vocabulary = _VOCABULARIES[version]
        self._told: dict[int, OldDevice] = {}
        self._tables: dict[int, tuple[DeviceInfo, FeatureTable]] = {}
        self._launch_positions: dict[int, int] = {}
        self._subscriptions: dict[tuple[int, int, InputType], _Subscription] = {}

    def server_info(self, id: int, server_name: str, max_ping_ms: int) -> msgspec.Struct:
        # Old clients give up on any other MessageVersion than their own.
        type = ServerInfoV0 if self.version < 2 else ServerInfoV2
        return type(
            id=id,
            server_name=server_name,
            message_version=self.version,
            max_ping_time=max_ping_ms,
        )

    # --- requests --------------------------------------------------------------------------------

    def understand(
        self, message: msgspec.Struct, devices: Callable[[], DeviceInfos]
    ) -> ClientRequest | msgspec.Struct:
        match message:
            case StartScanning() | StopScanning():
                return ClientRequest(message.id, (message,))
            case Test(test_string=text):
                if text == "Error":  # the specification's way to ask for one
                    raise MessageError("This error was asked for by a Test message.")
                return message
            case RequestLog(id=id):
                return Ok(id=id)  # and no Log is ever sent: logs are not for clients
            case Command():
                return self._command(message, devices())
        raise AssertionError(f"not in the vocabulary: {type(message).__name__}")

    def _command(self, message: Command, devices: DeviceInfos) -> ClientRequest:
        device = devices.get(message.device_index)
        if device is None:
            raise UnknownDevice(message.device_index)
        index = device.device_index
        target = ShownDevice(
            device.device_name, self._table(device), self._launch_positions.get(index, 0)
        )
        if isinstance(message, SensorCmd | BatteryLevelCmd | RSSILevelCmd):
            return _input_request(message, sensor_of(message, target))
        commands = output_commands(message, target)
        if isinstance(message, FleshlightLaunchFW12Cmd):
            self._launch_positions[index] = message.position
        return ClientRequest(message.id, commands, _Asked(message))

    def _table(self, device: DeviceInfo) -> FeatureTable:
        known = self._tables.get(device.device_index)
        if known is not None and known[0] is device:
            return known[1]
        table = feature_table(device)
        self._tables[device.device_index] = (device, table)
        return table

    # --- replies and events ----------------------------------------------------------------------

    def reply(self, request: ClientRequest, outcome: ServerMessage | None) -> msgspec.Struct:
        asked = request.original
        if not isinstance(asked, _Asked):
            for command in request.commands:
                if isinstance(command, StopCmd) and command.inputs:
                    self._forget_stopped(command)
            return answer(request.id, outcome)
        if isinstance(outcome, InputReading) and asked.sensor is not None:
            ((_, reading),) = outcome.reading.items()
            return _reading(asked.message, asked.sensor, reading.value)
        if outcome is None or isinstance(outcome, Ok):
            self._remember(asked)
        return answer(request.id, outcome)

    def _remember(self, asked: _Asked) -> None:
        """What a request that was carried out means for the events to come."""
        match asked.message:
            case SensorSubscribeCmd(device_index=device, sensor_index=index):
                assert asked.sensor is not None
                key = (device, asked.sensor.feature_index, asked.sensor.type)
                self._subscriptions[key] = _Subscription(asked.sensor, index)
            case SensorUnsubscribeCmd(device_index=device):
                assert asked.sensor is not None
                key = (device, asked.sensor.feature_index, asked.sensor.type)
                self._subscriptions.pop(key, None)

    def _forget_stopped(self, stop: StopCmd) -> None:
        for key in list(self._subscriptions):
            device, feature, _ = key
            if stop.device_index in (UNSET, device) and stop.feature_index in (UNSET, feature):
                del self._subscriptions[key]

    def _forget_subscriptions(self, device_index: int) -> None:
        for key in [key for key in self._subscriptions if key[0] == device_index]:
            del self._subscriptions[key]

    def reading(
        self, device_index: int, feature_index: int, kind: InputType, value: int
    ) -> msgspec.Struct | None:
        found = self._subscriptions.get((device_index, feature_index, kind))
        if found is None:  # before v3 always
            return None
        return SensorReading(
            id=0,
            device_index=device_index,
            sensor_index=found.sensor_index,
            sensor_type=kind.value,
            data=(found.sensor.data_v3(value),),
        )

    # --- devices ---------------------------------------------------------------------------------

    def _described(self, devices: DeviceInfos) -> dict[int, OldDevice]:
        return snapshot_of(devices).made(self.version, self._describe)

    def _describe(self, devices: DeviceSnapshot) -> dict[int, OldDevice]:
        return {
            index: describe(device, feature_table(device), self.version)
            for index, device in devices.items()
        }

    def device_list(self, id: int, devices: DeviceInfos) -> msgspec.Struct:
        self._told = self._described(devices)
        return OldDeviceList(id=id, devices=tuple(self._told.values()))

    def changes(self, devices: DeviceInfos) -> list[msgspec.Struct]:
        told, now = self._told, self._described(devices)
        self._told = now
        gone = [index for index, device in told.items() if now.get(index) != device]
        come = [device for index, device in now.items() if told.get(index) != device]
        for index in gone:
            self._launch_positions.pop(index, None)
            self._tables.pop(index, None)
            self._forget_subscriptions(index)
        removed = [DeviceRemoved(device_index=index) for index in gone]
        return [*removed, *(_added(device) for device in come)]


_ADDED: Final[dict[type[msgspec.Struct], type[msgspec.Struct]]] = {
    DeviceV0: DeviceAddedV0,
    DeviceV1: DeviceAddedV1,
    DeviceV2: DeviceAddedV2,
    DeviceV3: DeviceAddedV3,
}


def _added(device: OldDevice) -> msgspec.Struct:
    return _ADDED[type(device)](**msgspec.structs.asdict(device))


_INPUT_COMMANDS: Final[Mapping[type[Command], InputCommand]] = {
    SensorSubscribeCmd: InputCommand.SUBSCRIBE,
    SensorUnsubscribeCmd: InputCommand.UNSUBSCRIBE,
}


def _input_request(message: Command, sensor: Sensor) -> ClientRequest:
    command = InputCmd(
        id=message.id,
        device_index=message.device_index,
        feature_index=sensor.feature_index,
        type=sensor.type,
        command=_INPUT_COMMANDS.get(type(message), InputCommand.READ),
    )
    return ClientRequest(message.id, (command,), _Asked(message, sensor))


def _reading(message: Command, sensor: Sensor, value: int) -> msgspec.Struct:
    """The reply to a read, in the form that goes with the message."""
    match message:
        case BatteryLevelCmd(id=id, device_index=device):
            level = sensor.fraction(value)
            return BatteryLevelReading(id=id, device_index=device, battery_level=level)
        case RSSILevelCmd(id=id, device_index=device):
            level = sensor.fraction(value)
            return RSSILevelReading(id=id, device_index=device, rssi_level=level)
        case SensorCmd(id=id, device_index=device, sensor_index=index):
            return SensorReading(
                id=id,
                device_index=device,
                sensor_index=index,
                sensor_type=sensor.type.value,
                data=(sensor.data_v3(value),),
            )
    raise AssertionError(f"not answered by a reading: {type(message).__name__}")
