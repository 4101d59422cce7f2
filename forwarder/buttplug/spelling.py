"""Other ways to write v4 commands, as met in clients, documents and older drafts, made regular."""

from __future__ import annotations

from typing import Final

from forwarder.buttplug.codec import Fields
from forwarder.buttplug.messages import InputCommand, InputType, OutputType
from forwarder.buttplug.noise import milliseconds, whole


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


# The reference accepts snake_case beside PascalCase; folding covers both and "Rssi" beside "RSSI".
_OUTPUTS: Final[dict[str, OutputType]] = {_folded(type): type for type in OutputType} | {
    "inflate": OutputType.CONSTRICT,  # buttplug-js names it, nothing serves it
    "positionwithduration": OutputType.HW_POSITION_WITH_DURATION,  # a draft of spec v4
}
_INPUTS: Final[dict[str, InputType]] = {_folded(type): type for type in InputType}
_COMMANDS: Final[dict[str, InputCommand]] = {_folded(item): item for item in InputCommand}
# In the documents only; both mean a signed Rotate.
_DIRECTED: Final = frozenset({"rotatewithdirection", "rotationwithdirection"})


def output_type(name: str) -> str:
    """The regular spelling of an output type; `name` itself if it is none."""
    return _OUTPUTS.get(_folded(name), name)


def input_type(name: str) -> str:
    """The regular spelling of an input type; `name` itself if it is none."""
    return _INPUTS.get(_folded(name), name)


def output_cmd(fields: Fields) -> Fields:
    command = fields.get("Command")
    if not isinstance(command, dict) or len(command) != 1:
        return fields  # two spellings of one type must not become one
    ((name, value),) = command.items()
    if not isinstance(value, dict):
        return fields
    value = _regular(value)
    if _folded(name) in _DIRECTED:
        return fields | {"Command": {OutputType.ROTATE: _signed(value)}}
    return fields | {"Command": {output_type(name): value}}


def _regular(value: Fields) -> Fields:
    regular = dict(value)
    if "Value" in value:
        regular["Value"] = whole(_lone(value["Value"]))
    if "Duration" in value:
        regular["Duration"] = milliseconds(value["Duration"])
    return regular


def _lone(value: object) -> object:
    """npm's buttplug 4.0.x puts every value into an array of its own: `{"Value": [10]}`."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _signed(value: Fields) -> Fields:
    speed, clockwise = value.get("Value"), value.get("Clockwise", True)
    if isinstance(speed, int) and not isinstance(speed, bool) and clockwise is False:
        return {"Value": -abs(speed)}
    return {"Value": speed}


def input_cmd(fields: Fields) -> Fields:
    kind, command = fields.get("Type"), fields.get("Command")
    if isinstance(kind, str):
        fields = fields | {"Type": input_type(kind)}
    if isinstance(command, str):
        fields = fields | {"Command": _COMMANDS.get(_folded(command), command)}
    return fields


# --- what servers say ----------------------------------------------------------------------------


def server_info(fields: Fields) -> Fields:
    """ServerName may be absent, and MaxPingTime with it."""
    return {"ServerName": "", "MaxPingTime": 0, "ProtocolVersionMinor": 0} | fields


def device_list(fields: Fields) -> Fields:
    """Leaves out outputs, inputs and commands that we do not know; fills in what may lack."""
    devices = fields.get("Devices")
    if not isinstance(devices, dict):
        return fields
    return fields | {"Devices": {index: _device(item) for index, item in devices.items()}}


def _device(item: object) -> object:
    if not isinstance(item, dict):
        return item
    item = {"DeviceMessageTimingGap": 0, "DeviceFeatures": {}} | item
    features = item["DeviceFeatures"]
    if isinstance(features, dict):
        item["DeviceFeatures"] = {index: _feature(part) for index, part in features.items()}
    return item


def _feature(item: object) -> object:
    if not isinstance(item, dict):
        return item
    item = {"FeatureDescription": ""} | item
    for key, known in (("Output", _OUTPUTS), ("Input", _INPUTS)):
        if isinstance(kinds := item.get(key), dict):
            item[key] = {
                known[_folded(name)]: _range(value)
                for name, value in kinds.items()
                if _folded(name) in known
            }
    return item


def _range(value: object) -> object:
    if isinstance(value, dict) and isinstance(commands := value.get("Command"), list):
        names = [_COMMANDS.get(_folded(name)) for name in commands if isinstance(name, str)]
        return value | {"Command": [name for name in names if name is not None]}
    return value


def input_reading(fields: Fields) -> Fields:
    reading = fields.get("Reading")
    if not isinstance(reading, dict):
        return fields
    return fields | {"Reading": {input_type(name): value for name, value in reading.items()}}
