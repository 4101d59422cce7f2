"""Every public vector for 25519, AESGCM, SHA256: 59 patterns, with and without psk modifiers."""

from __future__ import annotations

from typing import TypedDict

import msgspec
import pytest

from relay.link.security.noise import PATTERNS, CipherState, HandshakeState, KeyPair, pattern
from tests.relay.link.noise_patterns import ALL
from tests.shared import shared


class Message(msgspec.Struct):
    payload: str
    ciphertext: str


class Vector(msgspec.Struct):
    protocol_name: str
    handshake_hash: str
    messages: list[Message]
    init_prologue: str = ""
    init_psks: list[str] = []
    init_static: str | None = None
    init_ephemeral: str | None = None
    init_remote_static: str | None = None
    resp_prologue: str = ""
    resp_psks: list[str] = []
    resp_static: str | None = None
    resp_ephemeral: str | None = None
    resp_remote_static: str | None = None

    @property
    def name(self) -> str:
        return self.protocol_name.removeprefix("Noise_").removesuffix("_25519_AESGCM_SHA256")


class _File(TypedDict):
    vectors: list[Vector]


def _vectors() -> list[Vector]:
    path = shared("data", "noise", "cacophony-25519-aesgcm-sha256.json")
    return msgspec.json.decode(path.read_bytes(), type=_File)["vectors"]


def _key(value: str | None) -> KeyPair | None:
    return None if value is None else KeyPair(bytes.fromhex(value))


def _public(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def _ends(vector: Vector) -> tuple[HandshakeState, HandshakeState]:
    return (
        HandshakeState(
            vector.name,
            initiator=True,
            prologue=bytes.fromhex(vector.init_prologue),
            s=_key(vector.init_static),
            e=_key(vector.init_ephemeral),
            rs=_public(vector.init_remote_static),
            psks=[bytes.fromhex(psk) for psk in vector.init_psks],
            table=ALL,
        ),
        HandshakeState(
            vector.name,
            initiator=False,
            prologue=bytes.fromhex(vector.resp_prologue),
            s=_key(vector.resp_static),
            e=_key(vector.resp_ephemeral),
            rs=_public(vector.resp_remote_static),
            psks=[bytes.fromhex(psk) for psk in vector.resp_psks],
            table=ALL,
        ),
    )


def _run(vector: Vector) -> None:
    initiator, responder = _ends(vector)
    messages = iter(vector.messages)
    writer, reader = initiator, responder
    while not initiator.finished:
        message = next(messages)
        payload, ciphertext = bytes.fromhex(message.payload), bytes.fromhex(message.ciphertext)
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
        writer, reader = reader, writer
    assert initiator.handshake_hash == responder.handshake_hash
    assert initiator.handshake_hash == bytes.fromhex(vector.handshake_hash)
    one_way = len(pattern(vector.name, ALL).messages) == 1
    ciphers: dict[HandshakeState, tuple[CipherState, CipherState]] = {
        end: end.split() for end in (initiator, responder)
    }
    if one_way:
        writer, reader = initiator, responder
    for message in messages:
        payload, ciphertext = bytes.fromhex(message.payload), bytes.fromhex(message.ciphertext)
        assert ciphers[writer][0].encrypt(b"", payload) == ciphertext
        assert ciphers[reader][1].decrypt(b"", ciphertext) == payload
        if not one_way:
            writer, reader = reader, writer


def test_every_public_vector_is_met() -> None:
    vectors = _vectors()
    assert len(vectors) == 59
    failed: dict[str, str] = {}
    for vector in vectors:
        try:
            _run(vector)
        except (AssertionError, ValueError) as error:
            failed[vector.protocol_name] = repr(error)
    assert failed == {}


@pytest.mark.parametrize("index", [0, 1])
def test_a_vector_fails_when_a_byte_of_it_is_changed(index: int) -> None:
    vector = next(v for v in _vectors() if v.name == "IK")
    first = vector.messages[index]
    vector.messages[index] = Message(first.payload, first.ciphertext[:-2] + "00")
    with pytest.raises(AssertionError):
        _run(vector)


def test_the_three_that_the_link_uses_are_as_the_specification_has_them() -> None:
    assert {name: ALL[name] for name in PATTERNS} == PATTERNS
