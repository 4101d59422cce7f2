"""Facts about GATT and addresses that every radio needs. No I/O."""

from __future__ import annotations

from collections.abc import Collection

# A notification or a write without response carries the MTU less opcode and handle
# (Bluetooth core, vol 3 part F, 3.4.5 and 3.4.7).
ATT_OVERHEAD = 3
# The MTU that every BLE peripheral has before (and if never) negotiated otherwise.
DEFAULT_MTU = 23

_MAC_DIGITS = 12


def with_response(properties: Collection[str], wanted: bool) -> bool:
    """Return how to write: as wanted, unless the characteristic only offers the other way.

    Neither offered: as wanted, since some peripherals declare their properties wrongly.
    """
    here, other = (
        ("write", "write-without-response") if wanted else ("write-without-response", "write")
    )
    return wanted if here in properties or other not in properties else not wanted


def canonical_address(text: str) -> str:
    """Return MAC addresses as `AA:BB:CC:DD:EE:FF`; other forms (macOS UUIDs) as they are."""
    digits = text.replace(":", "").replace("-", "").replace("_", "")
    if len(digits) != _MAC_DIGITS or any(c not in "0123456789abcdefABCDEF" for c in digits):
        return text
    digits = digits.upper()
    return ":".join(digits[i : i + 2] for i in range(0, _MAC_DIGITS, 2))
