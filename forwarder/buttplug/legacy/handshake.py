"""RequestServerInfo in its three layouts: which version a client speaks, or what is wrong.

v0       Id, ClientName
v1..v3   Id, ClientName, MessageVersion
v4       Id, ClientName, ProtocolVersionMajor, ProtocolVersionMinor
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from forwarder.buttplug.codec import BodyReader, Envelope, salvage_id
from forwarder.buttplug.messages import U32, ClientId
from forwarder.errors import HandshakeError

NEWEST: Final = 4


class _AnyLayout(Struct, frozen=True, rename="pascal", forbid_unknown_fields=True, kw_only=True):
    id: ClientId
    client_name: str
    message_version: U32 | UnsetType = UNSET
    protocol_version_major: U32 | UnsetType = UNSET
    protocol_version_minor: U32 | UnsetType = UNSET


_reader = BodyReader(_AnyLayout)


@dataclass(frozen=True, slots=True)
class LegacyHello:
    id: int
    client_name: str
    version: int


class UnreadableHandshake(HandshakeError):
    """The client may try again; `id` is the request's, or 0."""

    def __init__(self, id: int, text: str) -> None:
        super().__init__(text)
        self.id = id


class UnservedVersion(HandshakeError):
    """The client speaks a version that does not exist here; there is nothing to try again."""

    def __init__(self, id: int, version: int) -> None:
        super().__init__(
            f"This server speaks Buttplug spec v0 to v{NEWEST}; the client asks for v{version}."
        )
        self.id = id


def read_handshake(envelope: Envelope) -> LegacyHello:
    """Raises UnreadableHandshake or UnservedVersion."""
    try:
        request = _reader.read(envelope.body)
    except ValueError as error:
        text = f"RequestServerInfo cannot be read: {error}."
        raise UnreadableHandshake(salvage_id(envelope.body), text) from error
    legacy, major = request.message_version, request.protocol_version_major
    if major is UNSET:
        if request.protocol_version_minor is not UNSET:
            raise UnreadableHandshake(
                request.id, "ProtocolVersionMinor needs ProtocolVersionMajor beside it."
            )
        version = 0 if legacy is UNSET else legacy
        if version == NEWEST:
            text = "Spec v4 announces itself with ProtocolVersionMajor, not with MessageVersion."
            raise UnreadableHandshake(request.id, text)
    else:
        version = major
        if version > NEWEST:
            raise UnservedVersion(request.id, version)
        if legacy is not UNSET:
            text = "Send either MessageVersion or ProtocolVersionMajor, not both."
            raise UnreadableHandshake(request.id, text)
        if request.protocol_version_minor is UNSET:
            text = "ProtocolVersionMajor needs ProtocolVersionMinor beside it."
            raise UnreadableHandshake(request.id, text)
    if version > NEWEST:
        raise UnservedVersion(request.id, version)
    return LegacyHello(request.id, request.client_name, version)
