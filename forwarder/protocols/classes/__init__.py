"""Protocols that are more than packets; one vendor per module."""

from __future__ import annotations

from collections.abc import Callable

from forwarder.protocols.base import DeviceProtocol
from forwarder.protocols.memory import Opening

CLASSES: dict[str, Callable[[Opening], DeviceProtocol]] = {}
