"""How a client speaks with a server in the server's version: `Translator`; and v4, as it is.

The translator for v3 stands in `legacy.upstream`.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from forwarder.buttplug import spelling
from forwarder.buttplug.codec import BodyReader, Envelope, Unreadable, Vocabulary
from forwarder.buttplug.messages import (
    ClientMessage,
    DeviceList,
    Error,
    InputReading,
    Ok,
    RequestServerInfo,
    ScanningFinished,
    ServerInfo,
    ServerMessage,
)


class Translator(Protocol):
    """Between v4 and what one server speaks."""

    def hello(self, id: int, client_name: str) -> msgspec.Struct: ...

    def ask(self, message: ClientMessage) -> msgspec.Struct:
        """What to send. Raises UnknownDevice or Unsupported for what this version cannot say."""
        ...

    def read(self, envelope: Envelope) -> ServerMessage | Unreadable:
        """What the server said, in v4 words."""
        ...


# Read with patience: what a later v4 adds must not cost the rest of the message.
READERS: Final[dict[str, BodyReader[ServerMessage]]] = {
    "Ok": BodyReader(Ok),
    "Error": BodyReader(Error),
    "ScanningFinished": BodyReader(ScanningFinished),
}
_VOCABULARY: Final[Vocabulary[ServerMessage]] = Vocabulary(
    {
        **READERS,
        "ServerInfo": BodyReader(ServerInfo, spelling.server_info),
        "DeviceList": BodyReader(DeviceList, spelling.device_list),
        "InputReading": BodyReader(InputReading, spelling.input_reading),
    },
    {},
    "a Buttplug v4 server",
)


class V4Translator:
    """A server of spec v4."""

    def hello(self, id: int, client_name: str) -> msgspec.Struct:
        return RequestServerInfo(
            id=id, client_name=client_name, protocol_version_major=4, protocol_version_minor=0
        )

    def ask(self, message: ClientMessage) -> msgspec.Struct:
        return message

    def read(self, envelope: Envelope) -> ServerMessage | Unreadable:
        return _VOCABULARY.read(envelope)
