"""Which pads this system has, as a radio."""

from __future__ import annotations

import sys

from relay.errors import UsageError
from relay.radio.gamepad import linux, windows
from relay.radio.gamepad.pads import Pads
from relay.radio.gamepad.radio import GamepadRadio


def gamepad_radio() -> GamepadRadio:
    """Return the radio of this machine's pads. Raises UsageError where there can be none."""
    return GamepadRadio(_pads())


def _pads() -> Pads:
    if sys.platform == "win32":
        if (library := windows.xinput()) is not None:
            return windows.XInputPads(library)
        raise UsageError("this Windows has no XInput: game pads cannot be used")
    if sys.platform != "linux":
        raise UsageError("game pads can be used on Linux and Windows")
    if not linux.AVAILABLE:
        raise UsageError("game pads need a package: pip install 'buttplug-forwarder[gamepad]'")
    return linux.EvdevPads()
