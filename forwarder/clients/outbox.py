"""What is to be sent to one client: replies in order, and news of which only the newest counts."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.buttplug.messages import InputType
from forwarder.buttplug.server import ServerSession
from forwarder.connectors.bounds import ANSWER_BYTES, ANSWERS
from relay.link.tasks.signal import WakeFlag


class ClientOutbox:
    """`filled` is set when there is something to send; whoever sends clears it.

    Replies are never dropped: while they do not leave, `room` is not set, and nothing more is read.
    Lists and readings are made when they can leave: the newest, no backlog.
    """

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self._replies: list[str] = []
        self._waiting_bytes = 0
        self._list_changed = False
        self._readings: dict[tuple[int, int, InputType], int] = {}
        self.filled = WakeFlag()
        self.room = WakeFlag()
        self.room.set()

    def __bool__(self) -> bool:
        """Whether there is something to send."""
        return bool(self._replies or self._list_changed or self._readings)

    def reply(self, frames: Sequence[str]) -> None:
        """Queue `frames`."""
        self._replies.extend(frames)
        self._waiting_bytes += sum(map(len, frames))
        if self._crowded:
            self.room.clear()
        self.filled.set()

    def devices_changed(self) -> None:
        self._list_changed = True
        self.filled.set()

    def reading(self, device: int, feature: int, kind: InputType, value: int) -> None:
        self._readings[device, feature, kind] = value
        self.filled.set()

    def due(self) -> list[str]:
        """What is to be sent now; replies before news."""
        if self._replies:
            frame = self._replies.pop(0)
            self._waiting_bytes -= len(frame)
            if not self._crowded:
                self.room.set()
            return [frame]
        frames: list[str] = []
        if self._list_changed:
            self._list_changed = False
            frames += self._session.device_list()
        readings, self._readings = self._readings, {}
        for (device, feature, kind), value in readings.items():
            frames += self._session.reading(device, feature, kind, value)
        return frames

    @property
    def _crowded(self) -> bool:
        return len(self._replies) >= ANSWERS or self._waiting_bytes >= ANSWER_BYTES
