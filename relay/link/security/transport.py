"""What follows the handshake: frames that are numbered, encrypted and rekeyed. Sans-I/O."""

from __future__ import annotations

from typing import Final

from relay.link.bounds import REKEY_AFTER
from relay.link.security.noise import MAX_MESSAGE_BYTES, TAG_BYTES, CipherState, NoiseError

MAX_PLAINTEXT_BYTES: Final = MAX_MESSAGE_BYTES - TAG_BYTES


class Transport:
    """Both directions after the handshake: numbered, encrypted, rekeyed on both ends alike."""

    __slots__ = ("_receiving", "_sending")

    def __init__(self, sending: CipherState, receiving: CipherState) -> None:
        self._sending, self._receiving = sending, receiving

    def seal(self, plaintext: bytes) -> bytes:
        """Return the next frame. Raises ValueError for more than MAX_PLAINTEXT_BYTES."""
        if len(plaintext) > MAX_PLAINTEXT_BYTES:
            raise ValueError(f"{len(plaintext)} bytes, a frame holds {MAX_PLAINTEXT_BYTES}")
        _rekey_if_due(self._sending)
        return self._sending.encrypt(b"", plaintext)

    def rest(self) -> None:
        """Nothing is said for a while: ten thousand of these keep their keys alone."""
        self._sending.rest()
        self._receiving.rest()

    def open(self, frame: bytes) -> bytes:
        """Return what the other end sealed. Raises NoiseError for anything but its next frame."""
        if len(frame) > MAX_MESSAGE_BYTES:
            raise NoiseError("a frame is longer than a frame can be")
        _rekey_if_due(self._receiving)
        return self._receiving.decrypt(b"", frame)


def _rekey_if_due(cipher: CipherState) -> None:
    # By the count alone: no message says so, nobody can suppress it. A frame that fails to open
    # ends the link, so this never runs twice for one number.
    if cipher.n and cipher.n % REKEY_AFTER == 0:
        cipher.rekey()
