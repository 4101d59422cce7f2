"""What the errors of aioesphomeapi mean: about the proxy, and about a peripheral behind it."""

from __future__ import annotations

import os

from aioesphomeapi.core import (
    APIConnectionError,
    BluetoothConnectionDroppedError,
    BluetoothGATTAPIError,
    EncryptionPlaintextAPIError,
    InvalidAuthAPIError,
    InvalidEncryptionKeyAPIError,
    RequiresEncryptionAPIError,
    ResolveAPIError,
    SocketAPIError,
    TimeoutAPIError,
)

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError

# Of whoever waits for a proxy, and of its own session.
ERRORS = (APIConnectionError, TimeoutError, OSError, ValueError)
# ATT errors (Bluetooth core, vol 3 part F, 3.4.1.1) are answers of the peripheral itself.
_ATT_MOST = 0xFF


def proxy_trouble(where: str, error: BaseException) -> str:
    """What is wrong with this proxy and what to do, in a line."""
    match error:
        case RequiresEncryptionAPIError():
            return f"{where} wants its encryption key: --esphome-key."
        case InvalidEncryptionKeyAPIError() | InvalidAuthAPIError():
            return f"{where} has another encryption key: look in its ESPHome configuration."
        case EncryptionPlaintextAPIError():
            return f"{where} has no encryption key: leave it out."
        case ResolveAPIError():
            return f"{where} is no name in this network. Name its IP address."
        case TimeoutAPIError() | TimeoutError():
            return f"{where} does not answer. Is it on, and in this network?"
        case SocketAPIError(__cause__=ConnectionRefusedError()):
            return f"{where} is no ESPHome device, or has no api: in its configuration."
        case SocketAPIError(__cause__=OSError(errno=int(number))):
            return f"{where} cannot be reached: {os.strerror(number)}."
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{where} cannot be used: {text}"


def translated(address: str, error: Exception) -> RadioError:
    """What failed with this peripheral."""
    match error:
        case BluetoothGATTAPIError():
            answered = 0 < error.error.error <= _ATT_MOST
            code = ErrorCode.REFUSED if answered else ErrorCode.RADIO
            return RadioError(code, f"{address}: GATT error {error.error.error}.")
        case BluetoothConnectionDroppedError():
            return RadioError(ErrorCode.GONE, f"{address} is not connected any more.")
        case TimeoutAPIError() | TimeoutError():
            return RadioError(ErrorCode.TIMEOUT, f"{address} did not answer in time.")
    text = " ".join(str(error).split()) or type(error).__name__
    return RadioError(ErrorCode.GONE, f"{address}: {text}")
