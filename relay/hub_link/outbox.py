"""What is still to be sent over one link. Sans-I/O.

Answers are never dropped: whoever fills the outbox stops taking requests while it is `full`.
Notifications are: of one subscription at most 32 wait, the oldest going first.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from collections.abc import Sequence

from relay.hub_link.bounds import NOTIFICATIONS, OUTBOX_FULL
from relay.link.messages import Advertisements, FromRelay, Notification, Stats


class LinkOutbox:
    """`tally` counts the notifications that were dropped."""

    __slots__ = ("_messages", "_notifications", "_tally")

    def __init__(self, tally: Tally[str]) -> None:
        self._messages: deque[FromRelay] = deque()
        self._notifications: Tally[tuple[int, int]] = Tally()
        self._tally = tally

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def full(self) -> bool:
        return len(self._messages) >= OUTBOX_FULL

    def put(self, message: FromRelay) -> None:
        """Queue `message`; what will come again anyway is left out while the outbox is full."""
        if isinstance(message, Notification):
            place = (message.peripheral, message.handle)
            if self._notifications[place] >= NOTIFICATIONS:
                self._drop_oldest(place)
            self._notifications[place] += 1
        elif isinstance(message, Advertisements | Stats) and self.full:
            return
        self._messages.append(message)

    def put_first(self, messages: Sequence[FromRelay]) -> None:
        """Queue `messages` in the place of what was taken last; no Notification is among them."""
        self._messages.extendleft(reversed(messages))

    def take(self) -> FromRelay | None:
        if not self._messages:
            return None
        message = self._messages.popleft()
        if isinstance(message, Notification):
            self._notifications[message.peripheral, message.handle] -= 1
        return message

    def _drop_oldest(self, place: tuple[int, int]) -> None:
        for index, message in enumerate(self._messages):
            if isinstance(message, Notification) and (message.peripheral, message.handle) == place:
                del self._messages[index]
                self._notifications[place] -= 1
                self._tally["dropped notifications"] += 1
                return
