"""The Noise Protocol Framework, revision 34, for one suite: 25519, AESGCM, SHA256.

Sans-I/O. The patterns are those that the link uses, with any `psk` modifiers; whoever brings a
table of others gets those, as the tests do to meet every public vector. Section numbers below are
those of https://noiseprotocol.org/noise.html. Nothing here knows what the link does with it.
Objects are for one handshake by one owner.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.link.errors import LinkViolation

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
HASH_BYTES: Final = 32
MAX_MESSAGE_BYTES: Final = 65_535  # section 3
_MAX_NONCE: Final = 2**64 - 1  # reserved for rekey, section 4.2
_SUITE: Final = "25519_AESGCM_SHA256"


class NoiseError(LinkViolation):
    """The other end's message is not what the handshake or the cipher expects: forged, cut short,
    repeated, out of order, or made with other keys. The object that raised it is of no more use.
    """


class KeyPair:
    """An X25519 key pair; `public` is 32 bytes. The private half stays out of repr and logs."""

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        """`private`: 32 bytes, clamped as RFC 7748 says."""
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> KeyPair:
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    def private_bytes(self) -> bytes:
        """The secret itself, for the key file and for nothing else."""
        return self._private.private_bytes_raw()

    def shared(self, public: bytes) -> bytes:
        """Diffie-Hellman. Raises NoiseError for a public key that gives away the result."""
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:
            # Section 12.1 lets a party refuse the all-zero result; OpenSSL does.
            raise NoiseError("a key of the other end is not usable") from error

    def __repr__(self) -> str:
        return f"<KeyPair {self.public.hex()[:16]}>"


class Token(StrEnum):
    """Section 7.1, and `psk` of section 9."""

    E = "e"
    S = "s"
    EE = "ee"
    ES = "es"
    SE = "se"
    SS = "ss"
    PSK = "psk"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Who knows which static key beforehand, and the tokens of each message in turn."""

    initiator_known: bool
    responder_known: bool
    messages: tuple[tuple[Token, ...], ...]

    @property
    def psks(self) -> int:
        return sum(message.count(Token.PSK) for message in self.messages)


# Of a registration at a meeting point, of pairing (with psk0), and of the link. What is known
# beforehand : first message / second message / … (section 7.5); i and r: the initiator's, the
# responder's static key.
PATTERNS: Final[Mapping[str, str]] = {
    "XN": ": e / e ee / s se",
    "XX": ": e / e ee s es / s se",
    "IK": "r: e es s ss / e ee se",
}
_NAME: Final = re.compile(r"([NKXI]1?(?:[NKX]1?)?)((?:psk\d)(?:\+psk\d)*)?")


def pattern(name: str, table: Mapping[str, str] = PATTERNS) -> Pattern:
    """Return the pattern called `name`: "IK", "XXpsk0", "XXpsk0+psk2". ValueError if none is."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in table:
        raise ValueError(f"there is no Noise pattern {name!r}")
    known, _, rest = table[match[1]].partition(":")
    messages = [[Token(token) for token in message.split()] for message in rest.split("/")]
    for modifier in (match[2] or "").split("+") if match[2] else ():
        # Section 9.4: psk0 starts the first message, pskN ends message N.
        number = int(modifier.removeprefix("psk"))
        if number > len(messages):
            raise ValueError(f"pattern {name!r} has no message {number}")
        if number == 0:
            messages[0].insert(0, Token.PSK)
        else:
            messages[number - 1].append(Token.PSK)
    return Pattern("i" in known, "r" in known, tuple(tuple(message) for message in messages))


class CipherState:
    """Section 5.1: one direction's key and nonce. Without a key, text passes as it is."""

    __slots__ = ("_aead", "_key", "n")

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key
        # 2.4 KiB, made in a microsecond when it is needed.
        self._aead: AESGCM | None = None
        self.n = 0

    @property
    def has_key(self) -> bool:
        return self._key is not None

    def rest(self) -> None:
        """Nothing is encrypted for a while: keep the key, and nothing that can be made of it."""
        self._aead = None

    def encrypt(self, ad: bytes, plaintext: bytes) -> bytes:
        if self._key is None:
            return plaintext
        aead = self._aead = self._aead or AESGCM(self._key)
        ciphertext = aead.encrypt(self._nonce(), plaintext, ad)
        self.n += 1
        return ciphertext

    def decrypt(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Raises NoiseError, and leaves the nonce alone, when the tag does not match."""
        if self._key is None:
            return ciphertext
        if len(ciphertext) < TAG_BYTES:
            raise NoiseError("a message is too short to be one")
        aead = self._aead = self._aead or AESGCM(self._key)
        try:
            plaintext = aead.decrypt(self._nonce(), ciphertext, ad)
        except InvalidTag as error:
            raise NoiseError("a message was forged, changed, repeated or reordered") from error
        self.n += 1
        return plaintext

    def rekey(self) -> None:
        """Section 4.2: the key becomes 32 zeros encrypted under the last nonce; `n` stays."""
        if self._key is None:
            raise ValueError("there is no key to replace")
        zeros = bytes(KEY_BYTES)
        self._key = AESGCM(self._key).encrypt(_nonce(_MAX_NONCE), zeros, b"")[:KEY_BYTES]
        self._aead = None

    def _nonce(self) -> bytes:
        if self.n >= _MAX_NONCE:
            raise NoiseError("this key has encrypted all the messages it may")
        return _nonce(self.n)


def _nonce(n: int) -> bytes:
    return n.to_bytes(12, "big")  # section 12.4: 32 bits of zeros, then n big-endian


class SymmetricState:
    """Section 5.2: the chaining key and the hash of all that both ends have seen."""

    __slots__ = ("_ck", "cipher", "h")

    def __init__(self, protocol_name: str) -> None:
        name = protocol_name.encode()
        long = len(name) > HASH_BYTES
        self.h = hashlib.sha256(name).digest() if long else name.ljust(HASH_BYTES, b"\0")
        self._ck = self.h
        self.cipher = CipherState()

    def mix_key(self, material: bytes) -> None:
        self._ck, key = _hkdf(self._ck, material, 2)
        self.cipher = CipherState(key)

    def mix_hash(self, data: bytes) -> None:
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key_and_hash(self, material: bytes) -> None:
        self._ck, mixed, key = _hkdf(self._ck, material, 3)
        self.mix_hash(mixed)
        self.cipher = CipherState(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = self.cipher.encrypt(self.h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = self.cipher.decrypt(self.h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = _hkdf(self._ck, b"", 2)
        return CipherState(first), CipherState(second)


def _hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    """Section 4.3."""
    secret = hmac.digest(chaining_key, material, "sha256")
    out: list[bytes] = []
    last = b""
    for number in range(1, outputs + 1):
        last = hmac.digest(secret, last + bytes([number]), "sha256")
        out.append(last)
    return out


class HandshakeState:
    """Section 5.3: one end of one handshake.

    `name`: the pattern, as in "IK" or "XXpsk0". `s`: own static key, `rs`: the other end's if the
    pattern has it known beforehand. `e`: own ephemeral key, for test vectors only: a key used
    twice gives both sessions away. Raises ValueError if a key or psk is missing or too many.
    """

    def __init__(
        self,
        name: str,
        *,
        initiator: bool,
        prologue: bytes = b"",
        s: KeyPair | None = None,
        rs: bytes | None = None,
        e: KeyPair | None = None,
        psks: Sequence[bytes] = (),
        table: Mapping[str, str] = PATTERNS,
    ) -> None:
        chosen = pattern(name, table)
        self.initiator = initiator
        self.remote_static = rs
        self._s, self._e = s, e
        self._re: bytes | None = None
        self._messages = chosen.messages
        self._turn = 0
        self._psks = list(psks)
        if len(psks) != chosen.psks or any(len(psk) != KEY_BYTES for psk in psks):
            raise ValueError(f"{name} takes {chosen.psks} keys of {KEY_BYTES} bytes as psks")
        self._psk_mode = bool(psks)
        remote_known = chosen.responder_known if initiator else chosen.initiator_known
        if (rs is not None) != remote_known:
            raise ValueError(f"{name} wants the other end's static key only if it is known before")
        own_known = chosen.initiator_known if initiator else chosen.responder_known
        own_sent = any(Token.S in message for message in self._messages[not initiator :: 2])
        if (own_known or own_sent) and s is None:
            raise ValueError(f"{name} needs a static key here")
        self._symmetric = SymmetricState(f"Noise_{name}_{_SUITE}")
        self._symmetric.mix_hash(prologue)
        own = s.public if s is not None else b""
        if chosen.initiator_known:
            self._symmetric.mix_hash(own if initiator else rs or b"")
        if chosen.responder_known:
            self._symmetric.mix_hash(rs or b"" if initiator else own)

    @property
    def finished(self) -> bool:
        return self._turn == len(self._messages)

    @property
    def my_turn(self) -> bool:
        """Whether the next message is this end's to write."""
        return not self.finished and (self._turn % 2 == 0) == self.initiator

    @property
    def handshake_hash(self) -> bytes:
        """Section 11.2: names this session, the same at both ends, once finished."""
        return self._symmetric.h

    def write_message(self, payload: bytes = b"") -> bytes:
        """Return the next message of this end. Raises ValueError out of turn or if too long."""
        if not self.my_turn:
            raise ValueError("it is not this end's turn to write")
        out = bytearray()
        for token in self._messages[self._turn]:
            match token:
                case Token.E:
                    self._e = self._e or KeyPair.generate()
                    out += self._e.public
                    self._mix_ephemeral(self._e.public)
                case Token.S:
                    assert self._s is not None
                    out += self._symmetric.encrypt_and_hash(self._s.public)
                case _:
                    self._mix(token)
        out += self._symmetric.encrypt_and_hash(payload)
        if len(out) > MAX_MESSAGE_BYTES:
            raise ValueError(f"the payload makes a message longer than {MAX_MESSAGE_BYTES} bytes")
        self._turn += 1
        return bytes(out)

    def read_message(self, message: bytes) -> bytes:
        """Return the payload of the other end's next message. Raises NoiseError if it is wrong."""
        if self.finished or self.my_turn:
            raise ValueError("it is not this end's turn to read")
        if len(message) > MAX_MESSAGE_BYTES:
            raise NoiseError("a message is longer than a message can be")
        rest = memoryview(message)
        for token in self._messages[self._turn]:
            match token:
                case Token.E:
                    self._re, rest = _take(rest, KEY_BYTES)
                    self._mix_ephemeral(self._re)
                case Token.S:
                    sealed = KEY_BYTES + (TAG_BYTES if self._symmetric.cipher.has_key else 0)
                    static, rest = _take(rest, sealed)
                    self.remote_static = self._symmetric.decrypt_and_hash(static)
                case _:
                    self._mix(token)
        payload = self._symmetric.decrypt_and_hash(bytes(rest))
        self._turn += 1
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers for (sending, receiving). Raises ValueError before the end.

        A one-way pattern sends from the initiator only; its other cipher is not to be used.
        """
        if not self.finished:
            raise ValueError("the handshake is not finished")
        first, second = self._symmetric.split()
        return (first, second) if self.initiator else (second, first)

    def _mix_ephemeral(self, public: bytes) -> None:
        self._symmetric.mix_hash(public)
        if self._psk_mode:  # section 9.2: else psk0 would encrypt twice alike
            self._symmetric.mix_key(public)

    def _mix(self, token: Token) -> None:
        if token is Token.PSK:
            self._symmetric.mix_key_and_hash(self._psks.pop(0))
            return
        # The first letter is the initiator's key, the second the responder's.
        mine, theirs = (0, 1) if self.initiator else (1, 0)
        own = self._e if token.value[mine] == "e" else self._s
        other = self._re if token.value[theirs] == "e" else self.remote_static
        assert own is not None
        assert other is not None
        self._symmetric.mix_key(own.shared(other))


def _take(rest: memoryview, size: int) -> tuple[bytes, memoryview]:
    if len(rest) < size:
        raise NoiseError("a message is too short to be one")
    return bytes(rest[:size]), rest[size:]
