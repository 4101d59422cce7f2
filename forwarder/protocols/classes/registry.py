"""The classes that a protocol file's `code` may name."""

from __future__ import annotations

from collections.abc import Callable

from forwarder.protocols.base import DeviceProtocol
from forwarder.protocols.classes.fmachine import FMachine
from forwarder.protocols.classes.fredorch_rotary import FredorchRotary
from forwarder.protocols.classes.honeyplaybox import HoneyPlayBox
from forwarder.protocols.classes.nintendo_joycon import NintendoJoycon
from forwarder.protocols.classes.ossm import Ossm
from forwarder.protocols.classes.thehandy import TheHandy
from forwarder.protocols.classes.thehandy_v3 import TheHandyV3
from forwarder.protocols.classes.umove import UMove
from forwarder.protocols.memory import DeviceMemory

CLASSES: dict[str, Callable[[DeviceMemory], DeviceProtocol]] = {
    "fmachine": FMachine,
    "fredorch-rotary": FredorchRotary,
    "honeyplaybox": HoneyPlayBox,
    "nintendo-joycon": NintendoJoycon,
    "ossm": Ossm,
    "thehandy": TheHandy,
    "thehandy-v3": TheHandyV3,
    "umove": UMove,
}
