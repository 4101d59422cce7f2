"""Which outputs of one frame a stop further on in it undoes. Sans-I/O.

A frame of thousands of messages is carried out in turns, and others come in between. Nothing may
run in between that the same frame stops: so what is undone anyway is not begun.
"""

from __future__ import annotations

from msgspec import UNSET

from forwarder.buttplug.messages import ClientMessage, OutputCmd, StopCmd


class Undone:
    """`note` every stop of a frame, with its place in it; then `undoes` knows."""

    def __init__(self) -> None:
        self._all = -1
        self._devices: dict[int, int] = {}
        self._features: dict[tuple[int, int], int] = {}

    def note(self, at: int, stop: StopCmd) -> None:
        if not stop.outputs:
            return
        if stop.device_index is UNSET:
            self._all = at
        elif stop.feature_index is UNSET:
            self._devices[stop.device_index] = at
        else:
            self._features[stop.device_index, stop.feature_index] = at

    def undoes(self, at: int, command: ClientMessage) -> bool:
        """Whether a stop behind `at` undoes `command`."""
        if not isinstance(command, OutputCmd):
            return False
        device, feature = command.device_index, command.feature_index
        last = max(
            self._all, self._devices.get(device, -1), self._features.get((device, feature), -1)
        )
        return last > at
