"""The messages of spec v0..v3 that differ from v4's; a class's name is its name on the wire.

Where one name has several shapes, `wire_name` gives the name. Which version has which client
message stands in `SPOKEN_IN`. Source: the reference server's JSON schema.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from forwarder.buttplug.messages import U32, ClientId, Id, InputType, OutputType

Fraction = Annotated[float, Meta(ge=0, le=1)]
Byte = Annotated[int, Meta(ge=0, le=255)]


class _Sent(
    Struct, frozen=True, rename="pascal", forbid_unknown_fields=True, kw_only=True, gc=False
):
    """By a client; the schema allows no other fields, inside messages neither."""


class _Received(Struct, frozen=True, rename="pascal", kw_only=True, gc=False):
    """By a client; read with patience, because other servers say more and less."""


# --- client → server -----------------------------------------------------------------------------
# Ranges of values are checked by `convert`, in words of the device: fractions are 0..1.


class Command(_Sent, frozen=True):
    """Anything that concerns one device."""

    id: ClientId
    device_index: U32


class StopDeviceCmd(Command, frozen=True):
    pass


class StopAllDevices(_Sent, frozen=True):
    id: ClientId


class SingleMotorVibrateCmd(Command, frozen=True):
    speed: float


class FleshlightLaunchFW12Cmd(Command, frozen=True):
    """Both 0..99."""

    position: int
    speed: int


class VorzeA10CycloneCmd(Command, frozen=True):
    """`speed`: 0..100."""

    speed: int
    clockwise: bool


class Test(_Sent, frozen=True):
    """The server says it back."""

    id: ClientId
    test_string: str


class LogLevel(StrEnum):
    OFF = "Off"
    FATAL = "Fatal"
    ERROR = "Error"
    WARN = "Warn"
    INFO = "Info"
    DEBUG = "Debug"
    TRACE = "Trace"


class RequestLog(_Sent, frozen=True):
    id: ClientId
    log_level: LogLevel


class Speed(_Sent, frozen=True):
    index: U32
    speed: float


class VibrateCmd(Command, frozen=True):
    speeds: Annotated[tuple[Speed, ...], Meta(min_length=1)]


class Rotation(_Sent, frozen=True):
    index: U32
    speed: float
    clockwise: bool


class RotateCmd(Command, frozen=True):
    rotations: Annotated[tuple[Rotation, ...], Meta(min_length=1)]


class Vector(_Sent, frozen=True):
    """`duration` in ms, 0 or more."""

    index: U32
    duration: int
    position: float


class LinearCmd(Command, frozen=True):
    vectors: tuple[Vector, ...]


class Scalar(_Sent, frozen=True):
    index: U32
    scalar: float
    actuator_type: OutputType


class ScalarCmd(Command, frozen=True):
    scalars: Annotated[tuple[Scalar, ...], Meta(min_length=1)]


class SensorCmd(Command, frozen=True):
    sensor_index: U32
    sensor_type: InputType


class SensorReadCmd(SensorCmd, frozen=True):
    pass


class SensorSubscribeCmd(SensorCmd, frozen=True):
    pass


class SensorUnsubscribeCmd(SensorCmd, frozen=True):
    pass


class BatteryLevelCmd(Command, frozen=True):
    pass


class RSSILevelCmd(Command, frozen=True):
    pass


# First and last version of each. Messages that v4 shares with all are not listed, nor are stops,
# which work in every version: see `forwarder.buttplug.stops`.
SPOKEN_IN: Final[dict[type[Struct], tuple[int, int]]] = {
    SingleMotorVibrateCmd: (0, 1),
    FleshlightLaunchFW12Cmd: (0, 1),
    VorzeA10CycloneCmd: (0, 1),
    Test: (0, 1),
    RequestLog: (0, 2),
    VibrateCmd: (1, 3),
    RotateCmd: (1, 3),
    LinearCmd: (1, 3),
    BatteryLevelCmd: (2, 2),
    RSSILevelCmd: (2, 2),
    ScalarCmd: (3, 3),
    SensorReadCmd: (3, 3),
    SensorSubscribeCmd: (3, 3),
    SensorUnsubscribeCmd: (3, 3),
}
# One vendor's bytes, or any bytes: never served, in no version.
REFUSED: Final = (
    "KiirooCmd",
    "LovenseCmd",
    "RawCmd",
    "RawWriteCmd",
    "RawReadCmd",
    "RawSubscribeCmd",
    "RawUnsubscribeCmd",
)

# --- server → client: handshake ------------------------------------------------------------------


class ServerInfoV0(_Received, frozen=True):
    """v0 and v1."""

    wire_name: ClassVar[str] = "ServerInfo"
    id: Id
    server_name: str
    message_version: U32
    max_ping_time: U32
    major_version: U32 = 0
    minor_version: U32 = 0
    build_version: U32 = 0


class ServerInfoV2(_Received, frozen=True):
    """v2 and v3."""

    wire_name: ClassVar[str] = "ServerInfo"
    id: Id
    message_version: U32
    server_name: str | None = None
    max_ping_time: U32 = 0


# --- server → client: devices --------------------------------------------------------------------


class Empty(_Received, frozen=True):
    """A message without attributes."""


class ActuatorV3(_Received, frozen=True):
    feature_descriptor: str = ""
    actuator_type: str = ""
    step_count: U32 = 0


class SensorV3(_Received, frozen=True):
    sensor_type: str
    feature_descriptor: str = ""
    sensor_range: tuple[tuple[int, int], ...] = ()


class DeviceMessagesV3(_Received, frozen=True, omit_defaults=True):
    scalar_cmd: tuple[ActuatorV3, ...] = ()
    rotate_cmd: tuple[ActuatorV3, ...] = ()
    linear_cmd: tuple[ActuatorV3, ...] = ()
    sensor_read_cmd: tuple[SensorV3, ...] = ()
    sensor_subscribe_cmd: tuple[SensorV3, ...] = ()
    stop_device_cmd: Empty | UnsetType = UNSET


class FeaturesV2(_Received, frozen=True):
    feature_count: int
    step_count: tuple[int, ...]


class DeviceMessagesV2(_Received, frozen=True, omit_defaults=True):
    vibrate_cmd: FeaturesV2 | UnsetType = UNSET
    rotate_cmd: FeaturesV2 | UnsetType = UNSET
    linear_cmd: FeaturesV2 | UnsetType = UNSET
    battery_level_cmd: Empty | UnsetType = UNSET
    rssi_level_cmd: Empty | UnsetType = field(name="RSSILevelCmd", default=UNSET)
    stop_device_cmd: Empty | UnsetType = UNSET


class FeaturesV1(_Received, frozen=True):
    feature_count: int


class DeviceMessagesV1(_Received, frozen=True, omit_defaults=True):
    vibrate_cmd: FeaturesV1 | UnsetType = UNSET
    rotate_cmd: FeaturesV1 | UnsetType = UNSET
    linear_cmd: FeaturesV1 | UnsetType = UNSET
    single_motor_vibrate_cmd: Empty | UnsetType = UNSET
    stop_device_cmd: Empty | UnsetType = UNSET


class DeviceV3(_Received, frozen=True):
    device_index: U32
    device_name: str
    device_messages: DeviceMessagesV3
    device_message_timing_gap: U32 | UnsetType = UNSET
    device_display_name: str | UnsetType = UNSET


class DeviceV2(_Received, frozen=True):
    device_index: U32
    device_name: str
    device_messages: DeviceMessagesV2


class DeviceV1(_Received, frozen=True):
    device_index: U32
    device_name: str
    device_messages: DeviceMessagesV1


class DeviceV0(_Received, frozen=True):
    """`device_messages`: names, sorted."""

    device_index: U32
    device_name: str
    device_messages: tuple[str, ...]


OldDevice = DeviceV3 | DeviceV2 | DeviceV1 | DeviceV0


class OldDeviceList(_Received, frozen=True):
    """To send."""

    wire_name: ClassVar[str] = "DeviceList"
    id: Id
    devices: tuple[Struct, ...]


class DeviceListV3(_Received, frozen=True):
    """To read."""

    wire_name: ClassVar[str] = "DeviceList"
    id: Id
    devices: tuple[DeviceV3, ...]


class DeviceAddedV3(DeviceV3, frozen=True):
    wire_name: ClassVar[str] = "DeviceAdded"
    id: Id = 0


class DeviceAddedV2(DeviceV2, frozen=True):
    wire_name: ClassVar[str] = "DeviceAdded"
    id: Id = 0


class DeviceAddedV1(DeviceV1, frozen=True):
    wire_name: ClassVar[str] = "DeviceAdded"
    id: Id = 0


class DeviceAddedV0(DeviceV0, frozen=True):
    wire_name: ClassVar[str] = "DeviceAdded"
    id: Id = 0


class DeviceRemoved(_Received, frozen=True):
    device_index: U32
    id: Id = 0


# --- server → client: readings -------------------------------------------------------------------


class SensorReading(_Received, frozen=True):
    """Id 0: from a subscription."""

    id: Id
    device_index: U32
    sensor_index: U32
    sensor_type: str
    data: tuple[int, ...]


class BatteryLevelReading(_Received, frozen=True):
    id: Id
    device_index: U32
    battery_level: Fraction


class RSSILevelReading(_Received, frozen=True):
    """The schema wants a fraction, whatever a decibel has to do with that."""

    id: Id
    device_index: U32
    rssi_level: Fraction = field(name="RSSILevel")
