"""What differs between spec versions, as one seam: `Dialect`; and v4, where little is to be done.

The older versions stand in `legacy`. A dialect belongs to one session, because what a client was
told (devices) and asked for (sensors) is part of how it must be spoken to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from msgspec import UNSET

from forwarder.buttplug import spelling
from forwarder.buttplug.codec import BodyReader, Vocabulary
from forwarder.buttplug.messages import (
    ClientMessage,
    DeviceListText,
    Disconnect,
    Error,
    InputCmd,
    InputReading,
    InputType,
    Ok,
    OutputCmd,
    OutputType,
    OutputValue,
    Ping,
    ReadingValue,
    RequestDeviceList,
    ServerInfo,
    ServerMessage,
    StartScanning,
    StopScanning,
)
from forwarder.buttplug.shown_devices import DeviceInfos as DeviceInfos  # part of the seam here
from forwarder.buttplug.shown_devices import DeviceSnapshot, snapshot_of
from forwarder.errors import ForwarderError, MessageError


class ClientRequest(msgspec.Struct, frozen=True, eq=False):
    """One client request the hub must carry out; answered once through ServerSession.reply/fail.

    `commands` are v4 messages to be carried out in order; several only for what old versions say
    in one message, and then all of them were converted before any is here. `original` is for the
    session: what the client really sent, if that was not v4. `complaint`: what the answer says
    instead of Ok, once all is done.
    """

    id: int
    commands: tuple[ClientMessage, ...]
    original: object = None
    complaint: ForwarderError | None = None


class Dialect(Protocol):
    """How to speak with one client in its version."""

    version: int
    vocabulary: Vocabulary[msgspec.Struct]

    def server_info(self, id: int, server_name: str, max_ping_ms: int) -> msgspec.Struct: ...

    def understand(
        self, message: msgspec.Struct, devices: Callable[[], DeviceInfos]
    ) -> ClientRequest | msgspec.Struct:
        """A request for the hub, or the answer if there is nothing to do.

        Raises ForwarderError for what cannot be asked for.
        """
        ...

    def device_list(self, id: int, devices: DeviceInfos) -> msgspec.Struct: ...

    def changes(self, devices: DeviceInfos) -> list[msgspec.Struct]:
        """What tells the client how the devices differ from those it was last told of."""
        ...

    def reply(self, request: ClientRequest, outcome: ServerMessage | None) -> msgspec.Struct: ...

    def reading(
        self, device_index: int, feature_index: int, kind: InputType, value: int
    ) -> msgspec.Struct | None:
        """An event of a subscription; None if this client cannot be told."""
        ...


# Understood alike in every version; so are stops, see `stops`.
COMMON: Final[dict[str, BodyReader[msgspec.Struct]]] = {
    type.__name__: BodyReader(type)
    for type in (Ping, StartScanning, StopScanning, RequestDeviceList)
}
_READERS: Final[dict[str, BodyReader[msgspec.Struct]]] = {
    **COMMON,
    "Disconnect": BodyReader(Disconnect),
    "OutputCmd": BodyReader(OutputCmd, spelling.output_cmd),
    "InputCmd": BodyReader(InputCmd, spelling.input_cmd),
}


class V4Dialect:
    """Spec v4: the hub's own language."""

    version = 4

    def __init__(self, refusals: Mapping[str, str]) -> None:
        self.vocabulary: Vocabulary[msgspec.Struct] = Vocabulary(
            _READERS, refusals, "Buttplug spec v4"
        )
        self._told = DeviceSnapshot()

    def server_info(self, id: int, server_name: str, max_ping_ms: int) -> msgspec.Struct:
        return ServerInfo(
            id=id,
            server_name=server_name,
            protocol_version_major=4,
            protocol_version_minor=0,
            max_ping_time=max_ping_ms,
        )

    def understand(
        self, message: msgspec.Struct, devices: Callable[[], DeviceInfos]
    ) -> ClientRequest | msgspec.Struct:
        match message:
            case OutputCmd():
                message = _checked(message)
            case InputCmd() | StartScanning() | StopScanning() | Disconnect():
                pass
            case _:
                raise AssertionError(f"not in the vocabulary: {type(message).__name__}")
        return ClientRequest(message.id, (message,))

    def device_list(self, id: int, devices: DeviceInfos) -> msgspec.Struct:
        self._told = snapshot_of(devices)
        return DeviceListText(id=id, devices=self._told.text)

    def changes(self, devices: DeviceInfos) -> list[msgspec.Struct]:
        now = snapshot_of(devices)
        if now is self._told or now == self._told:
            return []
        return [self.device_list(0, now)]

    def reply(self, request: ClientRequest, outcome: ServerMessage | None) -> msgspec.Struct:
        return Ok(id=request.id) if outcome is None else answer(request.id, outcome)

    def reading(
        self, device_index: int, feature_index: int, kind: InputType, value: int
    ) -> msgspec.Struct | None:
        return InputReading(
            id=0,
            device_index=device_index,
            feature_index=feature_index,
            reading={kind: ReadingValue(value=value)},
        )


def _checked(message: OutputCmd) -> OutputCmd:
    """Exactly one command, with a duration if and only if it needs one."""
    if len(message.command) != 1:
        raise MessageError(
            f"The Command of an OutputCmd must have one key, not {len(message.command)}."
        )
    ((type, value),) = message.command.items()
    timed = type is OutputType.HW_POSITION_WITH_DURATION
    if timed is (value.duration is not UNSET):
        return message
    if timed:
        raise MessageError("OutputCmd HwPositionWithDuration needs a Duration, in milliseconds.")
    # The schema allows other keys beside Value; they mean nothing.
    return msgspec.structs.replace(message, command={type: OutputValue(value=value.value)})


def answer(id: int, outcome: ServerMessage | None) -> msgspec.Struct:
    """A reply as every version has it: Ok, or the outcome with the client's own Id."""
    if outcome is None:
        return Ok(id=id)
    if isinstance(outcome, Ok | Error | InputReading) and outcome.id == id:
        return outcome
    return msgspec.structs.replace(outcome, id=id)
