"""What can go wrong in the hub, by whose fault; each class carries its Buttplug error code.

ForwarderError            UNKNOWN
├─ ConfigError            (exit status 2; never reaches a client)
├─ HandshakeError         INIT     the client did not follow the handshake
├─ PingTimeout            PING     the client promised to ping and did not
├─ MessageError           MESSAGE  the client sent what cannot be read or is not in its version
└─ DeviceError            DEVICE
   ├─ UnknownDevice, UnknownFeature, Unsupported, OutOfRange, Denied   the client's fault
   ├─ Held                nobody's: the person stopped everything, or muted this client
   └─ HardwareError       the world's fault: gone, refused, timed out, congested, stopped
      └─ NoPlace          all places of a relay are taken
"""

from __future__ import annotations

from enum import IntEnum

from relay.link.messages import ErrorCode


class Code(IntEnum):
    """ErrorCode of the Buttplug specification."""

    UNKNOWN = 0
    INIT = 1
    PING = 2
    MESSAGE = 3
    DEVICE = 4


class ForwarderError(Exception):
    """Base; its text is one line that a person can act on."""

    code = Code.UNKNOWN


class ConfigError(ForwarderError):
    """The user asked for something that cannot be: options, files, ports."""


class HandshakeError(ForwarderError):
    code = Code.INIT


class PingTimeout(ForwarderError):
    code = Code.PING


class MessageError(ForwarderError):
    code = Code.MESSAGE


class DeviceError(ForwarderError):
    code = Code.DEVICE


class UnknownDevice(DeviceError):
    def __init__(self, device_index: int) -> None:
        super().__init__(f"There is no device with index {device_index}.")
        self.device_index = device_index


class UnknownPlay(ForwarderError):
    def __init__(self) -> None:
        super().__init__("That pattern plays no more.")


class UnknownFeature(DeviceError):
    def __init__(self, device: str, feature_index: int) -> None:
        super().__init__(f"{device} has no feature with index {feature_index}.")
        self.feature_index = feature_index


class Unsupported(DeviceError):
    """The device, or this feature of it, cannot do what was asked."""


class OutOfRange(DeviceError):
    def __init__(self, device: str, what: str, value: float, low: float, high: float) -> None:
        super().__init__(f"{device}: {what} {value:g} is outside {low:g}..{high:g}.")
        self.value = value


class Denied(DeviceError):
    """The wearer's pause or limit, or this client's permissions, forbid it."""


class HeldByPerson(DeviceError):
    """The person at the hub stopped everything, or muted this client; see forwarder.stop.hold."""


class HardwareError(DeviceError):
    """The way to the device failed; `reason` says how, so that the caller can decide."""

    def __init__(self, reason: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class NoPlace(HardwareError):
    """A relay has no place free for a device, whichever it is."""
