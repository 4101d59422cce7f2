"""What the errors of Bluetooth stacks mean: by their names and words, since they have no numbers.

Sources: BlueZ doc/org.bluez.Device.rst and src/error.h (`le-connection-…`), the HCI and ATT error
names of the Bluetooth core specification, and what bleak says in its own words on each platform.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.link.messages import ErrorCode
from relay.radio.bounds import AT_ONCE_S, LATER_S, NO_SLOT_S, SOON_S


@dataclass(frozen=True, slots=True)
class Failure:
    """`again_s`: how long to wait before another attempt; None: another would fail as well. `full`:
    all places of the radio are taken."""

    code: ErrorCode
    again_s: float | None = None
    full: bool = False


# The first entry of which a part occurs in the error decides. Lower case.
_MEANINGS: tuple[tuple[tuple[str, ...], Failure], ...] = (
    (
        ("not powered", "not-powered", "notready", "not ready", "turn on bluetooth", "no powered"),
        Failure(ErrorCode.RADIO),
    ),
    (
        ("no bluetooth adapter", "serviceunknown", "namehasnoowner", "not available"),
        Failure(ErrorCode.RADIO),
    ),
    (
        ("connection-limit", "connection slot", "limit exceeded"),
        Failure(ErrorCode.BUSY, NO_SLOT_S, full=True),
    ),
    (("memory-allocation", "memory capacity"), Failure(ErrorCode.BUSY, NO_SLOT_S, full=True)),
    (
        ("inprogress", "in progress", "already-connected", "already connected", "busy"),
        Failure(ErrorCode.BUSY, LATER_S),
    ),
    (
        ("unknownobject", "doesnotexist", "was not found", "not found"),
        Failure(ErrorCode.NOT_FOUND, SOON_S),
    ),
    (("timed out", "timeout", "noreply", "no reply"), Failure(ErrorCode.TIMEOUT, SOON_S)),
    (
        ("notpermitted", "not permitted", "notauthorized", "not authorized", "authentication"),
        Failure(ErrorCode.REFUSED),
    ),
    (("notsupported", "not supported", "invalidargument"), Failure(ErrorCode.REFUSED)),
    (("invalid", "gatt protocol error", "encryption"), Failure(ErrorCode.REFUSED)),
    (
        ("not connected", "notconnected", "disconnected", "unreachable", "abort"),
        Failure(ErrorCode.GONE, AT_ONCE_S),
    ),
)
# What nobody has seen before is taken to be the radio's fault and worth another try.
_UNKNOWN = Failure(ErrorCode.RADIO, SOON_S)


def classify(*words: str) -> Failure:
    """Return what an error means that carries these words (its name, its text)."""
    said = " ".join(words).lower()
    for parts, failure in _MEANINGS:
        if any(part in said for part in parts):
            return failure
    return _UNKNOWN


# A toy that only talks over a bond. Sources: BlueZ src/error.h and btio, the ATT errors 0x05, 0x0f
# and 0x0c of the Bluetooth core specification (vol. 3, part F, 3.4.1.1), and CoreBluetooth's words.
_BOND = (
    "insufficient authentication", "insufficient encryption", "insufficient authorization",
    "authenticationfailed", "authentication failed", "authenticationrejected",
    "authentication rejected", "authenticationtimeout", "authenticationcanceled",
    "authentication is insufficient", "encryption is insufficient", "att error: 0x05",
    "att error: 0x0f", "key-missing", "pin or key missing", "removed pairing",
)  # fmt: skip


def wants_bond(*words: str) -> bool:
    """Whether an error that carries these words says that the toy talks to those it is paired with
    only."""
    said = " ".join(words).lower()
    return any(part in said for part in _BOND)


def told(address: str, error: Exception, one_line: str) -> str:
    """What happened with the toy at `address`, for people; `one_line`: the error's own words."""
    if wants_bond(type(error).__name__, one_line):
        return (
            f"{address} wants to be paired with this machine first: `bluetoothctl pair {address}`."
            " If it is bonded to a phone, have that phone forget it, or reset the toy."
        )
    return f"{address}: {one_line}"


def in_operation(failure: Failure) -> ErrorCode:
    """What the failure of a read, write or subscription means: its object is missing, so is it."""
    return ErrorCode.GONE if failure.code is ErrorCode.NOT_FOUND else failure.code
