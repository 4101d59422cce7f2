"""Other ways to write commands of v0..v3, made regular."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from forwarder.buttplug.codec import Fields
from forwarder.buttplug.legacy.messages import (
    FleshlightLaunchFW12Cmd,
    LinearCmd,
    ScalarCmd,
    SensorCmd,
    VorzeA10CycloneCmd,
)
from forwarder.buttplug.noise import milliseconds, whole
from forwarder.buttplug.spelling import input_type, output_type


def of(type: type[msgspec.Struct]) -> Callable[[Fields], Fields] | None:
    """What makes the fields of such a message regular; None if they have no other spelling."""
    if type is ScalarCmd:
        return _scalar_cmd
    if issubclass(type, SensorCmd):
        return _sensor_cmd
    if type is LinearCmd:
        return _linear_cmd
    if type in (FleshlightLaunchFW12Cmd, VorzeA10CycloneCmd):
        return _in_steps
    return None


def _scalar_cmd(fields: Fields) -> Fields:
    scalars = fields.get("Scalars")
    if not isinstance(scalars, list):
        return fields
    return fields | {"Scalars": [_scalar(item) for item in scalars]}


def _scalar(item: object) -> object:
    if isinstance(item, dict) and isinstance(kind := item.get("ActuatorType"), str):
        return item | {"ActuatorType": output_type(kind)}
    return item


def _sensor_cmd(fields: Fields) -> Fields:
    kind = fields.get("SensorType")
    return fields | {"SensorType": input_type(kind)} if isinstance(kind, str) else fields


def _linear_cmd(fields: Fields) -> Fields:
    vectors = fields.get("Vectors")
    if not isinstance(vectors, list):
        return fields
    return fields | {"Vectors": [_vector(item) for item in vectors]}


def _vector(item: object) -> object:
    if isinstance(item, dict) and "Duration" in item:
        return item | {"Duration": milliseconds(item["Duration"])}
    return item


def _in_steps(fields: Fields) -> Fields:
    return {k: whole(v) if k in ("Position", "Speed") else v for k, v in fields.items()}
