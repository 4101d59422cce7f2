"""Devices as a hub would show them, and small helpers that every test here uses."""

from __future__ import annotations

import json
from collections.abc import Iterable

from forwarder.buttplug.messages import (
    DeviceFeature,
    DeviceInfo,
    InputCommand,
    InputRange,
    InputType,
    OutputRange,
    OutputType,
)

READ, SUBSCRIBE, UNSUBSCRIBE = InputCommand.READ, InputCommand.SUBSCRIBE, InputCommand.UNSUBSCRIBE


def output(
    index: int, *kinds: OutputType, low: int = 0, high: int = 20, description: str = ""
) -> DeviceFeature:
    timed = OutputRange(value=(low, high), duration=(0, 5000))
    plain = OutputRange(value=(low, high))
    return DeviceFeature(
        feature_index=index,
        feature_description=description,
        output={k: timed if k is OutputType.HW_POSITION_WITH_DURATION else plain for k in kinds},
    )


def sensor(
    index: int,
    kind: InputType = InputType.BATTERY,
    *commands: InputCommand,
    low: int = 0,
    high: int = 100,
    description: str = "battery Level",
) -> DeviceFeature:
    return DeviceFeature(
        feature_index=index,
        feature_description=description,
        input={kind: InputRange(value=((low, high),), command=commands or (READ,))},
    )


def device(
    index: int, name: str, features: Iterable[DeviceFeature], gap_ms: int = 100
) -> DeviceInfo:
    return DeviceInfo(
        device_index=index,
        device_name=name,
        device_message_timing_gap=gap_ms,
        device_features={feature.feature_index: feature for feature in features},
    )


def nora(index: int = 0) -> DeviceInfo:
    """The example of the reference: vibrate 0..20, rotate -20..20, battery."""
    features = [
        output(0, OutputType.VIBRATE),
        output(1, OutputType.ROTATE, low=-20),
        sensor(2),
    ]
    return device(index, "Lovense Nora", features)


def unpack(frame: str) -> tuple[str, dict[str, object]]:
    """The one message of a frame that we sent."""
    (item,) = json.loads(frame)
    ((name, fields),) = item.items()
    return name, fields


def sent(actions: Iterable[object]) -> list[tuple[str, dict[str, object]]]:
    """The messages among the actions, in order."""
    return [unpack(action) for action in actions if isinstance(action, str)]


def errors(actions: Iterable[object]) -> list[tuple[object, object]]:
    """(Id, ErrorCode) of each Error among the actions."""
    return [(f["Id"], f["ErrorCode"]) for name, f in sent(actions) if name == "Error"]
