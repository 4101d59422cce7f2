"""How a device looks to an app that only knows one vendor's toys: an id, a model, functions.

An app trusts the name it knows, and what `fullFunctionNames` says. A device of another brand is
shown as the model that has its outputs; what it lacks is stood in for by what it has, in the order
of `STAND_INS`: a game that vibrates moves a stroker, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from forwarder.bridges.lovense.commands import STROKE, UNSUPPORTED, Misunderstood
from forwarder.bridges.programs import POSITIONS, Slot
from forwarder.buttplug.messages import LEVEL_OUTPUTS, OutputType
from forwarder.client.device import RemoteDevice

# Which of a device's outputs an action is, the best first.
STAND_INS: Final[Mapping[str, tuple[OutputType, ...]]] = {
    "Vibrate": (
        OutputType.VIBRATE, OutputType.OSCILLATE, OutputType.ROTATE, OutputType.CONSTRICT,
        OutputType.HW_POSITION_WITH_DURATION, OutputType.POSITION,
    ),
    "Rotate": (OutputType.ROTATE,),
    "Thrusting": (
        OutputType.OSCILLATE, OutputType.HW_POSITION_WITH_DURATION, OutputType.POSITION,
    ),
    "Fingering": (OutputType.OSCILLATE,),
    "Oscillate": (OutputType.OSCILLATE,),
    "Suction": (OutputType.CONSTRICT,),
    "Pump": (OutputType.CONSTRICT,),
    "Depth": (OutputType.HW_POSITION_WITH_DURATION, OutputType.POSITION),
}  # fmt: skip
_MOVES = (OutputType.HW_POSITION_WITH_DURATION, OutputType.POSITION)
_BRAND = "lovense "
_SHORT: Final = {
    "Vibrate": "v", "Vibrate1": "v1", "Vibrate2": "v2", "Vibrate3": "v3", "Rotate": "r",
    "Thrusting": "t", "Pump": "p", "Position": "pos", STROKE: "st",
}  # fmt: skip


def toy_id(hub: str, device: RemoteDevice) -> str:
    """12 hexadecimal digits, the same for a device as long as its index is."""
    return hashlib.sha256(f"{hub}:{device.index}".encode()).hexdigest()[:12]


def slots(device: RemoteDevice, kind: OutputType) -> list[Slot]:
    return [
        (feature.feature_index, kind)
        for feature in device.features
        if feature.output and kind in feature.output
    ]


def functions(device: RemoteDevice) -> list[str]:
    """The vendor's names for what the device really has."""
    motors = slots(device, OutputType.VIBRATE)
    names = ["Vibrate"] if len(motors) == 1 else []
    names += [f"Vibrate{number}" for number in range(1, min(len(motors), 3) + 1)][len(names) :]
    if slots(device, OutputType.ROTATE):
        names.append("Rotate")
    if slots(device, OutputType.OSCILLATE):
        names.append("Thrusting")
    if slots(device, OutputType.CONSTRICT):
        names.append("Pump")
    if device.outputs & POSITIONS:
        names += ["Position", "Thrusting", STROKE] if "Thrusting" not in names else ["Position"]
    return names or ["Vibrate"]


def model(device: RemoteDevice) -> str:
    """The name of a model that apps know and that has these functions."""
    name = device.name.lower()
    if name.startswith(_BRAND):
        return name[len(_BRAND) :].split()[0]
    names = set(functions(device))
    if "Position" in names:
        return "solace"
    if "Thrusting" in names:
        return "gravity"
    if "Rotate" in names:
        return "nora"
    if "Pump" in names:
        return "max"
    return "edge" if "Vibrate2" in names else "lush"


def document(device: RemoteDevice, id: str, battery: int) -> dict[str, object]:
    """The device in the answer to GetToys."""
    names = functions(device)
    return {
        "id": id,
        "status": "1",
        "version": "",
        "name": model(device),
        "battery": battery,
        "nickName": device.shown_name,
        "shortFunctionNames": [_SHORT[name] for name in names],
        "fullFunctionNames": names,
    }


def resolved(device: RemoteDevice, action: str) -> list[Slot]:
    """The outputs that an action means. Raises Misunderstood if the device has nothing for it."""
    if action == "All":
        found = [slot for kind in LEVEL_OUTPUTS for slot in slots(device, kind)]
        return found or resolved(device, "Vibrate")
    if action in ("Vibrate1", "Vibrate2", "Vibrate3"):
        motors = slots(device, OutputType.VIBRATE)
        number = int(action[-1]) - 1
        if number < len(motors):
            return [motors[number]]
        if motors or number:
            raise _cannot(device, action)
        action = "Vibrate"
    for kind in STAND_INS[action]:
        if found := slots(device, kind):
            return found
    raise _cannot(device, action)


def movable(device: RemoteDevice) -> list[Slot]:
    """The outputs that go to a position. Raises Misunderstood."""
    for kind in _MOVES:
        if found := slots(device, kind):
            return found
    raise _cannot(device, "Position")


def _cannot(device: RemoteDevice, action: str) -> Misunderstood:
    return Misunderstood(UNSUPPORTED, f"{device.shown_name} has no {action}")
