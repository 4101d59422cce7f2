"""Other ways to write v4 commands, as met in clients, documents and older drafts, made regular."""

from __future__ import annotations

from typing import Final

from forwarder.buttplug.codec import Fields
from forwarder.buttplug.messages import InputCommand, InputType, OutputType


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
    if _folded(name) in _DIRECTED and isinstance(value, dict):
        return fields | {"Command": {OutputType.ROTATE: _signed(value)}}
    return fields | {"Command": {output_type(name): value}}


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
