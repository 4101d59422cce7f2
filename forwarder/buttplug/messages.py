"""The messages of Buttplug spec v4; a class's name is its name on the wire.

Spec v4 is the only language inside the hub: `legacy` converts v0..v3 at the edge. Field names are
snake_case here and PascalCase on the wire. Source: https://docs.buttplug.io/docs/spec and the
reference server's JSON schema.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

MAX_U32 = 0xFFFFFFFF
Id = Annotated[int, Meta(ge=0, le=MAX_U32)]
U32 = Annotated[int, Meta(ge=0, le=MAX_U32)]
I32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
ClientId = Annotated[int, Meta(ge=1, le=MAX_U32)]  # 0 is the server's, for events


class OutputType(StrEnum):
    """What a feature can do. Position types move to a place; all others have a resting value 0."""

    VIBRATE = "Vibrate"
    ROTATE = "Rotate"
    OSCILLATE = "Oscillate"
    CONSTRICT = "Constrict"
    TEMPERATURE = "Temperature"
    LED = "Led"
    SPRAY = "Spray"
    POSITION = "Position"
    HW_POSITION_WITH_DURATION = "HwPositionWithDuration"

    is_position: bool

    def __init__(self, name: str) -> None:
        self.is_position = name in ("Position", "HwPositionWithDuration")


# What has a level, and is meant where nobody names a kind. Positions, sprays, lights and heat are
# moved by name only. In the order in which one of a feature is chosen.
LEVEL_OUTPUTS: Final = (
    OutputType.VIBRATE,
    OutputType.OSCILLATE,
    OutputType.ROTATE,
    OutputType.CONSTRICT,
)


class InputType(StrEnum):
    BATTERY = "Battery"
    RSSI = "RSSI"
    BUTTON = "Button"
    PRESSURE = "Pressure"
    DEPTH = "Depth"
    POSITION = "Position"


class InputCommand(StrEnum):
    READ = "Read"
    SUBSCRIBE = "Subscribe"
    UNSUBSCRIBE = "Unsubscribe"


class _Wire(Struct, frozen=True, rename="pascal", omit_defaults=True, kw_only=True, gc=False):
    pass


# --- inside messages ---------------------------------------------------------------------------


class OutputValue(_Wire, frozen=True, omit_defaults=False):
    """The value of one output command; `duration` in ms, only for HwPositionWithDuration."""

    value: I32
    duration: U32 | UnsetType = UNSET


class OutputRange(_Wire, frozen=True, omit_defaults=False):
    """`value`: lowest and highest step offered; `duration` in ms likewise."""

    value: tuple[int, int]
    duration: tuple[int, int] | UnsetType = UNSET


class InputRange(_Wire, frozen=True, omit_defaults=False):
    """`value`: lowest and highest of each number in a reading; `command`: what may be asked."""

    value: tuple[tuple[int, int], ...]
    command: tuple[InputCommand, ...]


class DeviceFeature(_Wire, frozen=True, omit_defaults=False):
    """`via` is ours, not the spec's, and only for clients that are hubs, see
    forwarder.hub.loop_guard."""

    feature_index: U32
    feature_description: str
    output: dict[OutputType, OutputRange] | UnsetType = UNSET
    input: dict[InputType, InputRange] | UnsetType = UNSET
    via: tuple[str, ...] | UnsetType = UNSET


class DeviceInfo(_Wire, frozen=True, omit_defaults=False):
    """One device of a DeviceList. `device_message_timing_gap` in ms: the real one."""

    device_index: U32
    device_name: str
    device_message_timing_gap: U32
    device_features: dict[int, DeviceFeature]
    device_display_name: str | UnsetType = UNSET


class ReadingValue(_Wire, frozen=True, omit_defaults=False):
    value: int


# --- client → server ---------------------------------------------------------------------------


class _Request(_Wire, frozen=True, forbid_unknown_fields=True):
    """The specification allows no other fields in what a client sends."""

    id: ClientId


class RequestServerInfo(_Request, frozen=True):
    client_name: str
    protocol_version_major: U32
    protocol_version_minor: U32


class Ping(_Request, frozen=True):
    pass


class StartScanning(_Request, frozen=True):
    pass


class StopScanning(_Request, frozen=True):
    pass


class RequestDeviceList(_Request, frozen=True):
    pass


class Disconnect(_Request, frozen=True):
    """SPEC only; the reference server does not know it."""


# The messages of all versions that stop, by their folded names.
_STOPS: Final = {name.lower(): name for name in ("StopCmd", "StopDeviceCmd", "StopAllDevices")}


def stop_named(name: str) -> str | None:
    """The stop that a key of a frame names, in any case and with or without `_`; else None."""
    return _STOPS.get(name.replace("_", "").lower())


class StopCmd(_Request, frozen=True):
    """Absent indexes widen the scope: all features of a device, all devices."""

    device_index: U32 | UnsetType = UNSET
    feature_index: U32 | UnsetType = UNSET
    inputs: bool = True
    outputs: bool = True


class OutputCmd(_Request, frozen=True):
    """`command` has exactly one key; the session checks that."""

    device_index: U32
    feature_index: U32
    command: dict[OutputType, OutputValue]


class InputCmd(_Request, frozen=True):
    device_index: U32
    feature_index: U32
    type: InputType
    command: InputCommand


# --- server → client ---------------------------------------------------------------------------


class Ok(_Wire, frozen=True, omit_defaults=False):
    id: Id


class Error(_Wire, frozen=True, omit_defaults=False):
    id: Id
    error_code: int
    error_message: str


class ServerInfo(_Wire, frozen=True, omit_defaults=False):
    """`max_ping_time` in ms; 0: no pings wanted."""

    id: Id
    server_name: str
    protocol_version_major: U32
    protocol_version_minor: U32
    max_ping_time: U32


class DeviceList(_Wire, frozen=True, omit_defaults=False):
    """Reply (its request's id) and event (id 0): all devices there are now."""

    id: Id
    devices: dict[int, DeviceInfo]


class DeviceListText(_Wire, frozen=True, omit_defaults=False):
    """A DeviceList whose devices were made JSON before, for many clients."""

    wire_name: ClassVar[str] = "DeviceList"
    id: Id
    devices: Raw


class ScanningFinished(_Wire, frozen=True, omit_defaults=False):
    id: Id = 0


class InputReading(_Wire, frozen=True, omit_defaults=False):
    """`reading` has exactly one key. Id 0: from a subscription."""

    id: Id
    device_index: U32
    feature_index: U32
    reading: dict[InputType, ReadingValue]


ClientMessage = (
    RequestServerInfo
    | Ping
    | StartScanning
    | StopScanning
    | RequestDeviceList
    | Disconnect
    | StopCmd
    | OutputCmd
    | InputCmd
)
ServerMessage = Ok | Error | ServerInfo | DeviceList | ScanningFinished | InputReading
