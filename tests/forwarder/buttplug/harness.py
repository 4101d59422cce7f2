"""A server session with a hub that says yes to everything, as one object for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping

from forwarder.buttplug.messages import (
    ClientMessage,
    DeviceInfo,
    InputCmd,
    InputCommand,
    InputReading,
    ReadingValue,
    ServerMessage,
)
from forwarder.buttplug.server import ClientRequest, Closing, ServerAction, ServerSession
from tests.forwarder.buttplug.devices import nora, unpack


def hello(version: int, id: int = 1) -> str:
    """The handshake of a client of `version`."""
    fields: dict[str, object] = {"Id": id, "ClientName": "Test"}
    if version == 4:
        fields |= {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
    elif version:
        fields["MessageVersion"] = version
    return json.dumps([{"RequestServerInfo": fields}])


def frame(name: str, **fields: object) -> str:
    return json.dumps([{name: fields}])


class Served:
    """`say` sends a frame as the client and returns what came back, names with fields."""

    def __init__(
        self,
        version: int | None = 4,
        devices: Mapping[int, DeviceInfo] | None = None,
        *,
        max_ping_ms: int = 0,
        value: int = 87,
    ) -> None:
        self.devices: dict[int, DeviceInfo] = dict({0: nora()} if devices is None else devices)
        self.session = ServerSession("Hub", max_ping_ms=max_ping_ms, devices=lambda: self.devices)
        self.now = 100.0
        self.value = value
        self.frames: list[str] = []
        self.done: list[ClientMessage] = []
        self.closing: Closing | None = None
        if version is not None:
            self.say(hello(version))

    def say(self, frame: str | bytes) -> list[tuple[str, dict[str, object]]]:
        return self._carry_out(self.session.receive(frame, self.now))

    def ask(self, name: str, **fields: object) -> list[tuple[str, dict[str, object]]]:
        return self.say(frame(name, **fields))

    def _carry_out(self, actions: list[ServerAction]) -> list[tuple[str, dict[str, object]]]:
        frames: list[str] = []
        for action in actions:
            match action:
                case str():
                    frames.append(action)
                case ClientRequest():
                    self.done.extend(action.commands)
                    frames.append(self.session.reply(action, self._outcome(action)))
                case Closing():
                    self.closing = action
        self.frames.extend(frames)
        return [unpack(item) for item in frames]

    def _outcome(self, request: ClientRequest) -> ServerMessage | None:
        match request.commands:
            case (InputCmd(command=InputCommand.READ) as read,):
                return InputReading(
                    id=read.id,
                    device_index=read.device_index,
                    feature_index=read.feature_index,
                    reading={read.type: ReadingValue(value=self.value)},
                )
        return None

    def took(self) -> list[ClientMessage]:
        """What reached the hub since the last call."""
        done, self.done = self.done, []
        return done
