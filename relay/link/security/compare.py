"""First contact without a link: a person compares a short code on both screens. Both ends,
sans-I/O. README.md, section 3.5, is normative; the rules of handshake.py hold here, too.

Whoever stands between the two has a handshake with each of them. The code is made of both
ephemeral keys of a handshake, and of nothing that either end could still choose after it knew the
other's: the relay has committed to its key before the hub names its own, which it names before it
learns the relay's. So no work makes two codes alike; one guess in 2^30 does. All that follows, the
static keys above all, is encrypted between the two ephemeral keys that the code has shown to be
the right ones.

| State                 | Frame                                  | Then             | Answer       |
|-----------------------|----------------------------------------|------------------|--------------|
| relay: at the start   |                                        | AWAIT_KEY        | commitment   |
| relay: AWAIT_KEY      | the hub's ephemeral key                | AWAIT_ANSWER     | message 1    |
| relay: AWAIT_ANSWER   | message 2, with the key that was named | DONE, has a code | message 3    |
| hub: AWAIT_COMMITMENT | a commitment, if one may try           | AWAIT_KEY        | ephemeral key|
| hub: AWAIT_KEY        | message 1, of the key committed to     | AWAIT_NAME       | message 2    |
| hub: AWAIT_NAME       | message 3                              | DONE, has a code |              |
| relay: AWAIT_KEY      | a refusal                              | DONE, refused    |              |
| any                   | anything else                          | DONE, violation  |              |

Nothing is trusted then. Both persons say whether the codes are the same; the relay says so with an
empty frame, and the hub answers when its own person has (forwarder/access/comparing.py).
"""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum, auto
from typing import Final

from relay.link.bounds import COMPARE_SYMBOLS
from relay.link.errors import LinkViolation
from relay.link.names import neutralise
from relay.link.security.handshake import (
    ANSWER,
    LABEL,
    SUITE,
    FinishedHandshake,
    HandshakeMode,
    HandshakeStep,
    refusal,
)
from relay.link.security.noise import HASH_BYTES, KEY_BYTES, HandshakeState, KeyPair
from relay.link.security.payloads import Greeting, bounded, greeting, packed
from relay.link.security.transport import Transport

COMPARE_PATTERN: Final = "XX"
COMPARE_HEAD: Final = bytes([SUITE, HandshakeMode.COMPARE])
_COMMITMENT: Final = b"bpforward commitment"
# Five bits each: digits and letters without those that are read as others.
_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def commitment(ephemeral: bytes) -> bytes:
    """What a relay says of its ephemeral public key before it shows it."""
    return hashlib.sha256(_COMMITMENT + ephemeral).digest()


def short_code(noise_hash: bytes) -> str:
    """The first 30 bits of Noise's `h` as it is behind message 1, for people: `7KQ-M2X`."""
    bits = int.from_bytes(noise_hash[:4], "big") >> 2
    symbols = [_SYMBOLS[bits >> 5 * at & 31] for at in reversed(range(COMPARE_SYMBOLS))]
    return f"{''.join(symbols[:3])}-{''.join(symbols[3:])}"


class _CompareState(Enum):
    AWAIT_KEY = auto()
    AWAIT_ANSWER = auto()
    AWAIT_COMMITMENT = auto()
    AWAIT_NAME = auto()
    DONE = auto()


class RelayComparison:
    """The relay's end. `ephemeral` is for test vectors only."""

    def __init__(self, key: KeyPair, name: str, *, ephemeral: KeyPair | None = None) -> None:
        self._key, self._name = key, name
        self._ephemeral = ephemeral or KeyPair.generate()
        self._head = COMPARE_HEAD + commitment(self._ephemeral.public)
        self._hub_ephemeral = b""
        self._noise: HandshakeState | None = None
        self._code = ""
        self._state = _CompareState.AWAIT_KEY

    def start(self) -> bytes:
        """Return the first frame."""
        return self._head

    def receive(self, frame: bytes | str) -> HandshakeStep:
        """Take the hub's next frame. Raises LinkViolation for what no hub sends."""
        state, self._state = self._state, _CompareState.DONE
        data = bounded(frame)
        if state is _CompareState.AWAIT_KEY:
            return self._named(data)
        if state is _CompareState.AWAIT_ANSWER:
            return self._answered(data)
        raise LinkViolation("a frame came after the handshake had ended")

    def _named(self, data: bytes) -> HandshakeStep:
        if data[0] != ANSWER:
            return HandshakeStep(refused=refusal(data, certain=True))
        if len(data) != 1 + KEY_BYTES:
            raise LinkViolation("the hub's ephemeral key is not as long as a key")
        self._hub_ephemeral = data[1:]
        self._noise = _noise(self._key, self._ephemeral, self._head + data, initiator=True)
        message = self._noise.write_message()
        self._code = short_code(self._noise.handshake_hash)
        self._state = _CompareState.AWAIT_ANSWER
        return HandshakeStep(message)

    def _answered(self, data: bytes) -> HandshakeStep:
        noise = self._noise
        assert noise is not None
        if not hmac.compare_digest(data[:KEY_BYTES], self._hub_ephemeral):
            raise LinkViolation("the hub uses another ephemeral key than the one it named")
        hub_name = greeting(noise.read_message(data))
        message = noise.write_message(packed(Greeting(neutralise(self._name))))
        return HandshakeStep(message, _finished(noise, hub_name, self._code))


class HubComparison:
    """The hub's end, for one relay that nobody knows. `ephemeral` is for test vectors only.

    Whoever makes one has counted the try, and goes on only if there may be one.
    """

    def __init__(self, key: KeyPair, name: str, *, ephemeral: KeyPair | None = None) -> None:
        self._key, self._name = key, name
        self._ephemeral = ephemeral or KeyPair.generate()
        self._commitment = b""
        self._noise: HandshakeState | None = None
        self._code = ""
        self._state = _CompareState.AWAIT_COMMITMENT

    def receive(self, frame: bytes | str) -> HandshakeStep:
        """Take the relay's next frame. Raises LinkViolation for what no relay sends."""
        state, self._state = self._state, _CompareState.DONE
        data = bounded(frame)
        match state:
            case _CompareState.AWAIT_COMMITMENT:
                return self._committed(data)
            case _CompareState.AWAIT_KEY:
                return self._opened(data)
            case _CompareState.AWAIT_NAME:
                return self._named(data)
            case _:
                raise LinkViolation("a frame came after the handshake had ended")

    def _committed(self, data: bytes) -> HandshakeStep:
        head, self._commitment = data[: len(COMPARE_HEAD)], data[len(COMPARE_HEAD) :]
        if head != COMPARE_HEAD or len(self._commitment) != HASH_BYTES:
            raise LinkViolation("a commitment is not as long as one")
        answer = bytes([ANSWER]) + self._ephemeral.public
        self._noise = _noise(self._key, self._ephemeral, data + answer, initiator=False)
        self._state = _CompareState.AWAIT_KEY
        return HandshakeStep(answer)

    def _opened(self, data: bytes) -> HandshakeStep:
        noise = self._noise
        assert noise is not None
        if not hmac.compare_digest(commitment(data[:KEY_BYTES]), self._commitment):
            raise LinkViolation("the relay uses another ephemeral key than it committed to")
        if noise.read_message(data):
            raise LinkViolation("the first Noise message of a comparison was not empty")
        self._code = short_code(noise.handshake_hash)
        self._state = _CompareState.AWAIT_NAME
        return HandshakeStep(noise.write_message(packed(Greeting(neutralise(self._name)))))

    def _named(self, data: bytes) -> HandshakeStep:
        noise = self._noise
        assert noise is not None
        name = greeting(noise.read_message(data))
        return HandshakeStep(opened=_finished(noise, name, self._code))


def _noise(key: KeyPair, ephemeral: KeyPair, seen: bytes, *, initiator: bool) -> HandshakeState:
    """`seen`: both frames before the first Noise message."""
    return HandshakeState(
        COMPARE_PATTERN, initiator=initiator, prologue=LABEL + seen, s=key, e=ephemeral
    )


def _finished(noise: HandshakeState, name: str, code: str) -> FinishedHandshake:
    assert noise.remote_static is not None
    transport = Transport(*noise.split())
    return FinishedHandshake(
        transport, noise.remote_static, name, HandshakeMode.COMPARE, noise.handshake_hash, code
    )
