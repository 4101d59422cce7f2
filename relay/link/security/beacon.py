"""How a hub shows itself in mDNS to those who have paired with it, and to nobody else.

It announces a service with a salt and HMAC(key, salt), where the key is the hub's public key: who
has paired knows that, and it is never sent in the clear. Anybody else learns that a hub is there.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

# The service (RFC 6763, 4.1.2).
KIND: Final = "_bpforward._tcp.local."
SALT_BYTES: Final = 16
_LABEL: Final = b"bpforward mdns 1"
_MAC_BYTES: Final = 16


def beacon(key: bytes, salt: bytes | None = None) -> dict[str, str]:
    """The text record of the hub with the public key `key`; a new salt for each announcement, so
    that nobody can tell a hub again."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    return {"salt": salt.hex(), "mac": _mac(key, salt)}


def is_beacon_of(key: bytes, text: Mapping[str, str]) -> bool:
    """Whether a text record is of the hub with the public key `key`."""
    try:
        salt = bytes.fromhex(text.get("salt", ""))
    except ValueError:
        return False
    mac = text.get("mac", "")
    return len(salt) == SALT_BYTES and mac.isascii() and hmac.compare_digest(mac, _mac(key, salt))


def _mac(key: bytes, salt: bytes) -> str:
    return hmac.new(key, _LABEL + salt, hashlib.sha256).digest()[:_MAC_BYTES].hex()
