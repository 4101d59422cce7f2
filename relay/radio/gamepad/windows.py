"""Game pads on Windows, through XInput. Written from its documentation; no pad was at hand.

A level holds until it is changed, also when this program is dead. Source: learn.microsoft.com
(XInputSetState, XINPUT_VIBRATION, XInputGetBatteryInformation).
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from typing import Any

from relay.radio.blocking import BlockingDeviceError
from relay.radio.gamepad.pads import Found, Pad

# The system knows four places for pads.
PLACES = 4
_SUCCESS, _NOT_CONNECTED = 0, 1167
_GAMEPAD_BATTERY = 0
# XINPUT_BATTERY_INFORMATION: type, level (0 empty to 3 full); wired and unknown ones tell none.
_UNTOLD = (0, 1, 255)
_PERCENT = (0, 33, 66, 100)
_LIBRARIES = ("xinput1_4", "xinput9_1_0")


class _Vibration(ctypes.Structure):
    _fields_ = (("low", ctypes.c_ushort), ("high", ctypes.c_ushort))


class _Battery(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_ubyte), ("level", ctypes.c_ubyte))


class XInputPads:
    """`library`: XInput, or what stands for it."""

    bounded = False

    def __init__(self, library: Any) -> None:
        self._library = library

    def find(self) -> list[Found]:
        state = ctypes.create_string_buffer(16)  # XINPUT_STATE
        return [
            Found(f"xinput:{place}", str(place), f"XInput pad {place + 1}")
            for place in range(PLACES)
            if self._library.XInputGetState(place, state) == _SUCCESS
        ]

    def open(self, found: Found) -> Pad:
        return XInputPad(self._library, int(found.place))


class XInputPad:
    """The system bounds no effect, so that this does, while the program lives."""

    def __init__(self, library: Any, place: int) -> None:
        self._library = library
        self._place = place
        self._timer: threading.Timer | None = None

    def rumble(self, low: int, high: int, ms: int) -> None:
        self._set(low, high)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (low, high) != (0, 0):
            self._timer = threading.Timer(ms / 1000, self._end)
            self._timer.daemon = True
            self._timer.start()

    def battery(self) -> int | None:
        told = _Battery()
        get = getattr(self._library, "XInputGetBatteryInformation", None)
        if get is None or get(self._place, _GAMEPAD_BATTERY, ctypes.byref(told)) != _SUCCESS:
            return None
        return None if told.kind in _UNTOLD else _PERCENT[min(told.level, 3)]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._end()

    def _set(self, low: int, high: int) -> None:
        result = self._library.XInputSetState(self._place, ctypes.byref(_Vibration(low, high)))
        if result == _NOT_CONNECTED:
            raise BlockingDeviceError("The pad was unplugged.", gone=True)
        if result != _SUCCESS:
            raise BlockingDeviceError(f"The pad does not take it: XInput says {result}.")

    def _end(self) -> None:
        with contextlib.suppress(BlockingDeviceError):
            self._set(0, 0)


def xinput() -> Any | None:
    """The system's XInput; None where there is none."""
    for name in _LIBRARIES:
        with contextlib.suppress(OSError, AttributeError):
            return ctypes.WinDLL(name)  # type: ignore[attr-defined]
    return None
