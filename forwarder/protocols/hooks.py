"""Handshakes that need more than fixed writes. Source: the reference server's handlers (facts)."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable

from forwarder.protocols import codecs
from forwarder.protocols.base import (
    NoticeStep,
    ProtocolError,
    StepFailed,
    Steps,
    SubscribeStep,
    UnsubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.memory import DeviceMemory

Hook = Callable[[DeviceMemory, str], Steps[None]]
"""Takes the device and the endpoint that the file names."""

# A person must walk to the toy and press its button; a minute is long enough and still ends.
_BUTTON_MS = 60_000
# Answers come within one connection interval or two; measured by nobody, generous.
_ANSWER_MS = 2_000
# Password and refusal may alternate while the button is held; more than this is not a handshake.
_LELO_ROUNDS = 10
_CHALLENGE_ROUNDS = 5
_FLUFFER_COMPANY = 0x684A


def wait(endpoint: str, timeout_ms: int) -> Steps[bytes]:
    data = yield WaitStep(endpoint, timeout_ms)
    return data or b""


def lelo_auth(opening: DeviceMemory, endpoint: str) -> Steps[None]:
    """The toy asks for its button, sends a password, and wants it back.

    00… = press the button; 01 00… = done; anything else is the password.
    """
    name = opening.definition.name
    yield SubscribeStep(endpoint)
    asked = False
    for _ in range(_LELO_ROUNDS):
        try:
            data = yield from wait(endpoint, _BUTTON_MS)
        except StepFailed as error:
            raise ProtocolError(f"{name}: nobody pressed its power button") from error
        if not any(data):
            if not asked:
                yield NoticeStep(f"Press the power button of {name} to let it connect.")
            asked = True
        elif data[0] == 1 and not any(data[1:]):
            return
        else:
            yield UnsubscribeStep(endpoint)
            yield WriteStep(endpoint, data, response=True)
            yield SubscribeStep(endpoint)
    raise ProtocolError(f"{name}: does not take its own password; switch it off and on")


def fluffer(opening: DeviceMemory, _endpoint: str) -> Steps[None]:
    """A challenge made of the advertisement, answered under the vendor's AES key."""
    yield SubscribeStep("rx")
    advertised = opening.manufacturer.get(_FLUFFER_COMPANY)
    if advertised is None:
        return
    name = opening.definition.name
    seed = _FLUFFER_COMPANY.to_bytes(2, "little") + advertised
    if len(seed) < 7:
        raise ProtocolError(f"{name}: its advertisement is too short for the handshake")
    key = seed[1] ^ seed[2]
    mixed = bytes(byte if byte in (0, key) else byte ^ key for byte in seed[3:7])
    nonce = opening.random(4)
    proof = hashlib.sha256(nonce + mixed).digest()[:4]
    yield WriteStep("tx", codecs.fluffer(bytes((0xA5, 1, 8)) + nonce + proof))
    answer = yield from _decoded(name, codecs.fluffer)
    if answer != bytes((0xA5, 1, 1, 0)):
        raise ProtocolError(f"{name}: refused the handshake")
    yield WriteStep("tx", codecs.fluffer(bytes((0x82, 0x0E, 2, 0, 1))))


def vibcrafter(opening: DeviceMemory, _endpoint: str) -> Steps[None]:
    """Six letters; challenges begin with four letters or digits."""
    yield from _challenged(opening, codecs.vibcrafter, 6, r"[0-9A-Za-z]{4}:([0-9A-Za-z]+);")


def vibio(opening: DeviceMemory, _endpoint: str) -> Steps[None]:
    """Eight letters; challenges begin with four hex digits."""
    yield from _challenged(opening, codecs.vibio, 8, r"[0-9A-Fa-f]{4}:(.*);")


def _challenged(
    opening: DeviceMemory, codec: codecs.AesCodec, letters: int, challenge: str
) -> Steps[None]:
    """`Auth:……;`, the toy's challenge, our hash of it, `OK;`, all under the vendor's AES key."""
    name = opening.definition.name
    alphabet = string.ascii_letters + string.digits
    word = "".join(alphabet[byte % len(alphabet)] for byte in opening.random(letters))
    yield SubscribeStep("rx")
    # Some challenge as soon as they are listened to, whatever was asked.
    yield WriteStep("tx", codec(f"Auth:{word};".encode()), asks=False)
    for _ in range(_CHALLENGE_ROUNDS):
        answer = (yield from _decoded(name, codec)).decode("ascii", "replace")
        if answer == "OK;":
            return
        asked = re.fullmatch(challenge, answer)
        if asked is None:
            raise ProtocolError(f"{name}: refused the handshake")
        proof = hashlib.sha256(asked[1].encode()).hexdigest()[:4]
        yield WriteStep("tx", codec(f"Auth:{proof};".encode()))
    raise ProtocolError(f"{name}: asks again and again; switch it off and on")


def _decoded(name: str, codec: codecs.AesCodec) -> Steps[bytes]:
    try:
        return codec.decode((yield from wait("rx", _ANSWER_MS)))
    except StepFailed as error:
        raise ProtocolError(f"{name}: does not answer the handshake") from error
    except ValueError as error:
        raise ProtocolError(f"{name}: its answer cannot be decoded") from error
