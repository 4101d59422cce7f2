"""Other ways to write v3 commands, made regular."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from forwarder.buttplug.codec import Fields
from forwarder.buttplug.legacy.messages import ScalarCmd, SensorCmd
from forwarder.buttplug.spelling import input_type, output_type


def of(type: type[msgspec.Struct]) -> Callable[[Fields], Fields] | None:
    """What makes the fields of such a message regular; None if they have no other spelling."""
    if type is ScalarCmd:
        return _scalar_cmd
    if issubclass(type, SensorCmd):
        return _sensor_cmd
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
