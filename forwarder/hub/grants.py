"""What a grant leaves of a device: the ranges that a client beyond loopback sees and may use."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import UNSET
from msgspec.structs import replace

from forwarder.buttplug.messages import DeviceFeature, DeviceInfo, OutputRange, OutputType
from forwarder.errors import Denied
from forwarder.hub.client import ClientGrant
from forwarder.hub.device import Device

CeilingOf = Callable[[OutputType], float]


def reduced(info: DeviceInfo, ceiling: CeilingOf) -> DeviceInfo:
    """`info` with each output's range cut to `ceiling(kind)`, 0..1, of it; at 0 it is not there.

    The lower end of a range for both directions is cut as well. Features keep their indexes.
    """
    features = {}
    for index, feature in info.device_features.items():
        left = _reduced(feature, ceiling)
        if left.output is not UNSET or left.input is not UNSET:
            features[index] = left
    return replace(info, device_features=features)


def _reduced(feature: DeviceFeature, ceiling: CeilingOf) -> DeviceFeature:
    if feature.output is UNSET:
        return feature
    outputs = {}
    for kind, shown in feature.output.items():
        low, high = (steps(end, ceiling(kind)) for end in shown.value)
        if high > 0:
            outputs[kind] = OutputRange(value=(low, high), duration=shown.duration)
    return replace(feature, output=outputs or UNSET)


def check(
    grant: ClientGrant, name: str, device: Device, feature: int, kind: OutputType, value: int
) -> None:
    """Raises Denied if `grant` does not allow the client `name` this value; UnknownFeature."""
    if grant.refusal is not None:
        raise Denied(grant.refusal)
    if not grant.allows(device, kind):
        raise Denied(f"{name} may not use {kind} of {device.shown_name}.")
    highest = steps(device.highest(feature, kind), grant.ceiling(device, kind))
    if abs(value) > highest:
        raise Denied(f"{name} may use {kind} of {device.shown_name} up to {highest}.")


def steps(end: int, level: float) -> int:
    """An end of a range, cut to `level` of it. The tiny addend keeps 0.07 × 100 at 7."""
    cut = math.floor(abs(end) * level + 1e-9)
    return cut if end >= 0 else -cut
