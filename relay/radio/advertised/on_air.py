"""What is on the air, decided without any input or output: `OnAir`.

A command is on the air for as long as it holds, and one that stops for HOLD_S, as nobody answers.
While anything runs the relay has to be heard; when it is not, or is gone, everything is stopped.
"""

from __future__ import annotations

from relay.radio.bounds import HOLD_S
from relay.supervision.bounds import SILENCE_S


def runs(commands: bytes) -> bool:
    """Whether any of these sets something going: 0x31 to 0x39 are levels of what 0x30 stops."""
    return any(command & 0x0F for command in commands)


class OnAir:
    """Each call takes `now` in seconds. `over`: nothing will ever be on the air again."""

    def __init__(self, now: float) -> None:
        self._commands = b""
        self._since = self._heard_at = now
        self._turn = 0
        # What stops all that may run.
        self._owed: set[int] = set()
        self._ended = False

    @property
    def over(self) -> bool:
        return self._ended and not self._commands

    def show(self, now: float, commands: bytes) -> None:
        """These are on the air from now on, by turns, in place of what was there."""
        self._heard_at = now
        if commands and not self._ended:
            self._put(now, commands)

    def heard(self, now: float) -> None:
        """The relay turns."""
        self._heard_at = now

    def ended(self, now: float) -> None:
        """The relay has let go, or is dead."""
        if not self._ended:
            self._ended = True
            self._stop(now)

    def again(self, now: float) -> None:
        """What was on the air was not: its time begins anew."""
        self._since = now

    def turn(self, now: float) -> int | None:
        """The command whose turn it is, to be called each STEP_S; None: nothing is on the air."""
        if runs(self._commands):
            if now - self._heard_at >= SILENCE_S:
                self._stop(now)
        elif now - self._since >= HOLD_S * len(self._commands):
            self._commands = b""
        if not self._commands:
            return None
        self._turn += 1
        return self._commands[(self._turn - 1) % len(self._commands)]

    def _stop(self, now: float) -> None:
        if self._owed:
            # 00 stops everything there is, whatever the owner has said that it is.
            self._put(now, bytes(sorted(self._owed | {0})))

    def _put(self, now: float, commands: bytes) -> None:
        self._commands, self._since, self._turn = commands, now, 0
        if runs(commands):
            self._owed |= {command & 0xF0 for command in commands}
        elif self._owed <= set(commands):
            self._owed.clear()
