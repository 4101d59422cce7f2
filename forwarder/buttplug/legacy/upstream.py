"""A server of spec v3, spoken to in v4 words: lists up, commands down, readings up.

A v3 list has several arrays, each with indexes of its own; v4 has one row of features. `_upgrade`
lays the arrays out in one row and keeps which feature came from where.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from msgspec import UNSET, Struct

from forwarder.buttplug.codec import BodyReader, Envelope, Unreadable, Vocabulary
from forwarder.buttplug.legacy.features import SCALARS
from forwarder.buttplug.legacy.messages import (
    ActuatorV3,
    DeviceAddedV3,
    DeviceListV3,
    DeviceRemoved,
    DeviceV3,
    LinearCmd,
    RotateCmd,
    Rotation,
    Scalar,
    ScalarCmd,
    SensorCmd,
    SensorReadCmd,
    SensorReading,
    SensorSubscribeCmd,
    SensorUnsubscribeCmd,
    SensorV3,
    ServerInfoV2,
    StopAllDevices,
    StopDeviceCmd,
    Vector,
)
from forwarder.buttplug.messages import (
    ClientId,
    ClientMessage,
    DeviceFeature,
    DeviceInfo,
    DeviceList,
    Disconnect,
    Error,
    InputCmd,
    InputCommand,
    InputRange,
    InputReading,
    InputType,
    Ok,
    OutputCmd,
    OutputRange,
    OutputType,
    OutputValue,
    ReadingValue,
    ScanningFinished,
    ServerInfo,
    ServerMessage,
    StopCmd,
)
from forwarder.buttplug.spelling import input_type, output_type
from forwarder.buttplug.translator import READERS
from forwarder.errors import OutOfRange, UnknownDevice, Unsupported

# v3 lists say no limits of durations; this is no limit in practice.
_LONGEST_MS: Final = 60_000
# Servers round up (or truncate, for LinearCmd); a quarter of a step makes sure of the right one.
_QUARTER: Final = 0.25
_DEFAULT_STEPS: Final = 20  # StepCount is optional in the schema; what servers fall back to


class _RequestServerInfoV3(Struct, frozen=True, rename="pascal", kw_only=True):
    wire_name: ClassVar[str] = "RequestServerInfo"
    id: ClientId
    client_name: str
    message_version: int = 3


_VOCABULARY: Final[Vocabulary[Struct]] = Vocabulary(
    {
        **READERS,
        "ServerInfo": BodyReader(ServerInfoV2),
        "DeviceList": BodyReader(DeviceListV3),
        "DeviceAdded": BodyReader(DeviceAddedV3),
        "DeviceRemoved": BodyReader(DeviceRemoved),
        "SensorReading": BodyReader(SensorReading),
    },
    {},
    "a Buttplug v3 server",
)


@dataclass(frozen=True, slots=True)
class _Output:
    """An output, and where it stands in the v3 list: the message, and the index for that."""

    kind: OutputType
    message: type[Struct]
    index: int
    entry: ActuatorV3

    @property
    def steps(self) -> int:
        return self.entry.step_count or _DEFAULT_STEPS

    @property
    def low(self) -> int:
        return -self.steps if self.message is RotateCmd else 0

    def feature(self, index: int) -> DeviceFeature:
        duration = (0, _LONGEST_MS) if self.message is LinearCmd else UNSET
        shown = OutputRange(value=(self.low, self.steps), duration=duration)
        description = self.entry.feature_descriptor
        return DeviceFeature(
            feature_index=index, feature_description=description, output={self.kind: shown}
        )


@dataclass(slots=True)
class _UpstreamInput:
    """An input, and its index in the list for reading and in the one for subscribing."""

    kind: InputType
    entry: SensorV3
    read_index: int | None = None
    subscribe_index: int | None = None

    def feature(self, index: int) -> DeviceFeature:
        commands = []
        if self.read_index is not None:
            commands.append(InputCommand.READ)
        if self.subscribe_index is not None:
            commands.append(InputCommand.SUBSCRIBE)
        shown = InputRange(value=self.entry.sensor_range, command=tuple(commands))
        description = self.entry.feature_descriptor
        return DeviceFeature(
            feature_index=index, feature_description=description, input={self.kind: shown}
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A device of the server: as v4 sees it, and the way back by feature index."""

    info: DeviceInfo
    outputs: dict[int, _Output]
    inputs: dict[int, _UpstreamInput]


# --- lists, up -----------------------------------------------------------------------------------


def _upgrade(device: DeviceV3) -> _Known:
    row: list[_Output | _UpstreamInput] = [*_outputs(device), *_inputs(device)]
    gap = device.device_message_timing_gap
    info = DeviceInfo(
        device_index=device.device_index,
        device_name=device.device_name,
        device_display_name=device.device_display_name,
        device_message_timing_gap=0 if gap is UNSET else gap,
        device_features={index: item.feature(index) for index, item in enumerate(row)},
    )
    return _Known(
        info,
        {index: item for index, item in enumerate(row) if isinstance(item, _Output)},
        {index: item for index, item in enumerate(row) if isinstance(item, _UpstreamInput)},
    )


def _outputs(device: DeviceV3) -> Iterator[_Output]:
    messages = device.device_messages
    rotators = [
        _Output(OutputType.ROTATE, RotateCmd, index, entry)
        for index, entry in enumerate(messages.rotate_cmd)
    ]
    for index, entry in enumerate(messages.scalar_cmd):
        kind = _SCALARS.get(output_type(entry.actuator_type))
        # A rotator with two directions is in both lists; the one that knows directions is better.
        twin = next((item for item in rotators if item.entry == entry), None)
        if kind is OutputType.ROTATE and twin is not None:
            rotators.remove(twin)
            yield twin
        elif kind is not None:
            yield _Output(kind, ScalarCmd, index, entry)
    yield from rotators
    for index, entry in enumerate(messages.linear_cmd):
        yield _Output(OutputType.HW_POSITION_WITH_DURATION, LinearCmd, index, entry)


def _inputs(device: DeviceV3) -> list[_UpstreamInput]:
    messages = device.device_messages
    row: list[_UpstreamInput] = []
    for index, entry in enumerate(messages.sensor_read_cmd):
        if (kind := _INPUTS.get(input_type(entry.sensor_type))) is not None:
            row.append(_UpstreamInput(kind, entry, read_index=index))
    for index, entry in enumerate(messages.sensor_subscribe_cmd):
        if (kind := _INPUTS.get(input_type(entry.sensor_type))) is None:
            continue
        for item in row:
            if item.entry == entry and item.subscribe_index is None:  # one sensor, both lists
                item.subscribe_index = index
                break
        else:
            row.append(_UpstreamInput(kind, entry, subscribe_index=index))
    return row


# --- the translator ------------------------------------------------------------------------------


class V3Translator:
    """A server of spec v3."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def hello(self, id: int, client_name: str) -> Struct:
        return _RequestServerInfoV3(id=id, client_name=client_name)

    # --- down ------------------------------------------------------------------------------------

    def ask(self, message: ClientMessage) -> Struct:
        match message:
            case OutputCmd():
                return self._output(message)
            case InputCmd():
                return self._input(message)
            case StopCmd():
                return self._stop(message)
            case Disconnect():
                raise Unsupported("Spec v3 has no Disconnect; close the connection instead.")
        return message

    def _device(self, index: int) -> _Known:
        known = self._known.get(index)
        if known is None:
            raise UnknownDevice(index)
        return known

    def _output(self, message: OutputCmd) -> Struct:
        known = self._device(message.device_index)
        output = known.outputs.get(message.feature_index)
        ((kind, value),) = message.command.items()
        if output is None or output.kind is not kind:
            raise Unsupported(
                f"{known.info.device_name} has no {kind} on feature {message.feature_index}."
            )
        if not output.low <= value.value <= output.steps:
            name = known.info.device_name
            raise OutOfRange(name, kind, value.value, output.low, output.steps)
        return _down(message.id, message.device_index, output, value)

    def _input(self, message: InputCmd) -> Struct:
        known = self._device(message.device_index)
        item = known.inputs.get(message.feature_index)
        index = None
        if item is not None and item.kind is message.type:
            reads = message.command is InputCommand.READ
            index = item.read_index if reads else item.subscribe_index
        if index is None:
            raise Unsupported(
                f"{known.info.device_name} has no {message.type} to {message.command.lower()} "
                f"on feature {message.feature_index}."
            )
        return _INPUT_MESSAGES[message.command](
            id=message.id,
            device_index=message.device_index,
            sensor_index=index,
            sensor_type=message.type,
        )

    def _stop(self, message: StopCmd) -> Struct:
        if not message.outputs:
            raise Unsupported("Spec v3 cannot stop inputs alone; unsubscribe them one by one.")
        if message.device_index is UNSET:
            return StopAllDevices(id=message.id)
        whole = StopDeviceCmd(id=message.id, device_index=message.device_index)
        if message.feature_index is UNSET:
            return whole
        known = self._known.get(message.device_index)
        output = None if known is None else known.outputs.get(message.feature_index)
        # Nothing in v3 stops one linear actuator. Too much stopped is better than too little.
        if output is None or output.message is LinearCmd:
            return whole
        return _down(message.id, message.device_index, output, OutputValue(value=0))

    # --- up --------------------------------------------------------------------------------------

    def read(self, envelope: Envelope) -> ServerMessage | Unreadable:
        message = _VOCABULARY.read(envelope)
        match message:
            case ServerInfoV2():
                return ServerInfo(
                    id=message.id,
                    server_name=message.server_name or "",
                    protocol_version_major=message.message_version,
                    protocol_version_minor=0,
                    max_ping_time=message.max_ping_time,
                )
            case DeviceListV3(id=id, devices=devices):
                self._known = {device.device_index: _upgrade(device) for device in devices}
                return self._devices(id)
            case DeviceAddedV3():
                self._known[message.device_index] = _upgrade(message)
                return self._devices(0)
            case DeviceRemoved(device_index=index):
                self._known.pop(index, None)
                return self._devices(0)
            case SensorReading():
                return self._reading(message)
            case Ok() | Error() | ScanningFinished() | Unreadable():
                return message
        raise AssertionError(f"not in the vocabulary: {type(message).__name__}")

    def _devices(self, id: int) -> DeviceList:
        return DeviceList(id=id, devices={i: known.info for i, known in self._known.items()})

    def _reading(self, message: SensorReading) -> ServerMessage | Unreadable:
        feature_index = self._sensor_feature(message)
        if feature_index is None:
            return Unreadable(message.id, "SensorReading of a sensor that is not in the list.")
        if not message.data:
            return Unreadable(message.id, "SensorReading without data.")
        return InputReading(
            id=message.id,
            device_index=message.device_index,
            feature_index=feature_index,
            reading={_INPUTS[input_type(message.sensor_type)]: ReadingValue(value=message.data[0])},
        )

    def _sensor_feature(self, message: SensorReading) -> int | None:
        """An Id means a reply to SensorReadCmd, hence an index in that list; else the other."""
        known = self._known.get(message.device_index)
        for feature_index, item in () if known is None else known.inputs.items():
            index = item.read_index if message.id else item.subscribe_index
            if index == message.sensor_index and item.kind == input_type(message.sensor_type):
                return feature_index
        return None


_SCALARS: Final[dict[str, OutputType]] = {type.value: type for type in SCALARS}
_INPUTS: Final[dict[str, InputType]] = {type.value: type for type in InputType}
_INPUT_MESSAGES: Final[dict[InputCommand, type[SensorCmd]]] = {
    InputCommand.READ: SensorReadCmd,
    InputCommand.SUBSCRIBE: SensorSubscribeCmd,
    InputCommand.UNSUBSCRIBE: SensorUnsubscribeCmd,
}


def _down(id: int, device: int, output: _Output, value: OutputValue) -> Struct:
    """One output command as the v3 message that its actuator is listed under."""
    if output.message is LinearCmd:
        duration = 0 if value.duration is UNSET else value.duration
        position = min((value.value + _QUARTER) / output.steps, 1.0) if value.value else 0.0
        vector = Vector(index=output.index, duration=duration, position=position)
        return LinearCmd(id=id, device_index=device, vectors=(vector,))
    size, fraction = abs(value.value), 1.0
    if size < output.steps:
        fraction = max(size - _QUARTER, 0.0) / output.steps
    if output.message is RotateCmd:
        rotation = Rotation(index=output.index, speed=fraction, clockwise=value.value >= 0)
        return RotateCmd(id=id, device_index=device, rotations=(rotation,))
    scalar = Scalar(index=output.index, scalar=fraction, actuator_type=output.kind)
    return ScalarCmd(id=id, device_index=device, scalars=(scalar,))
