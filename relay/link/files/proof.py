"""How a command and the program that it speaks to prove to each other that both can read the state
folder, where there are no sockets in folders (Windows) and anybody may have taken the port.

Sans-I/O. The key itself is never sent. The program proves itself first, over a number that the
command chose, and each request and answer is proven with a number that the program chose for this
connection: what one connection heard is worth nothing on another.

    nonce N                     → challenge C, HMAC(key, "hub", N, C)
    method, path, body          HMAC(key, "ask", C, count, method, path, body)
    → status, body              HMAC(key, "answer", C, count, status, body)

Of a hub these are HTTP messages (forwarder.api.control), of a relay lines (relay.control).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

KEY_BYTES: Final = 32
# In hexadecimal, on the wire.
NONCE_DIGITS: Final = 64


def nonce() -> str:
    return secrets.token_hex(NONCE_DIGITS // 2)


def _prove(key: bytes, *parts: bytes) -> str:
    # Each part with its length before it, so that no two lists of parts look alike.
    text = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def of_hub(key: bytes, asked: str, challenge: str) -> str:
    return _prove(key, b"hub", asked.encode(), challenge.encode())


class Exchange:
    """One connection's requests, at either end. `count` keeps one from being repeated on it."""

    def __init__(self, key: bytes, challenge: str) -> None:
        self._key = key
        self._challenge = challenge.encode()
        self._count = 0

    def ask(self, method: str, path: str, body: bytes) -> str:
        """The proof of the next request; call it once for each."""
        self._count += 1
        return _prove(
            self._key, b"ask", self._challenge, b"%d" % self._count,
            method.encode(), path.encode(), body,
        )  # fmt: skip

    def answer(self, status: int, body: bytes) -> str:
        """The proof of the answer to it."""
        return _prove(
            self._key, b"answer", self._challenge, b"%d" % self._count, b"%d" % status, body
        )


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())
