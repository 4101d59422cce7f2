"""Stops, in whatever shape they come: a message that names a stop is never refused unread.

Any version's stop works in a session of any version. What cannot be read of it widens its scope,
never narrows it: a wrong FeatureIndex means the device, no DeviceIndex or a wrong one everything.
Only a DeviceIndex that could be right and is not there stops nothing, which the hub says. What was
wrong is said behind the stop, as its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from forwarder.buttplug.codec import BodyReader, Envelope, Fields, parsed, salvage_id
from forwarder.buttplug.dialect import DeviceInfos
from forwarder.buttplug.legacy.messages import StopAllDevices, StopDeviceCmd
from forwarder.buttplug.messages import MAX_U32, StopCmd, stop_named
from forwarder.errors import DeviceError, ForwarderError, MessageError

_AnyStop = StopCmd | StopDeviceCmd | StopAllDevices
_READERS: Final[dict[str, BodyReader[_AnyStop]]] = {
    type.__name__: BodyReader(type) for type in (StopCmd, StopDeviceCmd, StopAllDevices)
}
_MAX_NAME: Final = 64  # characters of a name that is said back


class StopTarget(Struct, frozen=True):
    """What to stop, in v4 words, and what the answer says instead of Ok.

    The Id of `command` is 0 if it had none that can be read.
    """

    command: StopCmd
    complaint: ForwarderError | None = None


def read_stop(envelope: Envelope) -> StopTarget | None:
    """The stop in `envelope`; None if it names none. Never raises."""
    name = envelope.name if envelope.name in _READERS else stop_named(envelope.name)
    if name is None:
        return None
    complaint = envelope.complaint
    if complaint is None and name != envelope.name:
        complaint = f"{envelope.name[:_MAX_NAME]!r} is no message; its name is {name}."
    try:
        message = _READERS[name].read(envelope.body)
        if isinstance(message, StopCmd) and message.feature_index is UNSET:
            command = message
        else:
            command = _command(message)
    except ValueError as error:
        command = _salvaged(name, envelope)
        complaint = complaint or f"{name} cannot be read: {error}."
    if complaint is None:
        return StopTarget(command)
    return StopTarget(command, MessageError(f"Stopped {_scope(command)} all the same. {complaint}"))


def within(stop: StopTarget, devices: Callable[[], DeviceInfos]) -> StopTarget:
    """`stop` with a feature that its device does not have widened to the device."""
    command = stop.command
    if command.device_index is UNSET or command.feature_index is UNSET:
        return stop
    device = devices().get(command.device_index)
    if device is None or command.feature_index in device.device_features:
        return stop
    name = device.device_display_name or device.device_name
    text = f"{name} has no feature with index {command.feature_index}; all of it was stopped."
    return StopTarget(replace(command, feature_index=UNSET), stop.complaint or DeviceError(text))


def _command(message: _AnyStop) -> StopCmd:
    match message:
        case StopDeviceCmd(id=id, device_index=device):
            return StopCmd(id=id, device_index=device)
        case StopAllDevices(id=id):
            return StopCmd(id=id)
    if message.device_index is UNSET and message.feature_index is not UNSET:
        # A feature of no device; the wider stop is the safe reading.
        return replace(message, feature_index=UNSET)
    return message


def _salvaged(name: str, envelope: Envelope) -> StopCmd:
    """The narrowest stop that does not leave on what was perhaps meant."""
    fields = parsed(envelope.body)
    if not isinstance(fields, dict):
        fields = {}
    device = UNSET if name == "StopAllDevices" else _index(fields, "DeviceIndex")
    wide = name != "StopCmd"
    return StopCmd(
        id=salvage_id(envelope.body),
        device_index=device,
        feature_index=UNSET if wide or device is UNSET else _index(fields, "FeatureIndex"),
        inputs=wide or fields.get("Inputs") is not False,
        outputs=wide or fields.get("Outputs") is not False,
    )


def _index(fields: Fields, key: str) -> int | UnsetType:
    """The index under `key`; UNSET for none and for what can be none."""
    value = fields.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_U32:
        return value
    return UNSET


def _scope(command: StopCmd) -> str:
    if command.device_index is UNSET:
        return "everything"
    if command.feature_index is UNSET:
        return f"device {command.device_index}"
    return f"feature {command.feature_index} of device {command.device_index}"
