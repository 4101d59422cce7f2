"""Stops that a lost link left open: answered when the last lease that went over it has run out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import HardwareError
from relay.link.messages import ErrorCode


class OpenStops:
    """Those of one peripheral at the relay of this name. `may_run`: whether it runs, or may."""

    def __init__(self, relay_name: str, may_run: Callable[[], bool]) -> None:
        self._relay_name = relay_name
        self._may_run = may_run
        self._open: list[Outcome] = []
        self._timer: asyncio.TimerHandle | None = None

    def wait_until(self, when: float, over: Callable[[], None]) -> None:
        """The link was lost. At `when` (loop time) `over` is called, then all are answered."""
        if self._timer is not None:
            self._timer.cancel()

        def due() -> None:
            self._timer = None
            over()
            self.end()

        self._timer = asyncio.get_running_loop().call_at(when, due)

    def add(self, outcome: Outcome) -> None:
        """The link ended before this one was answered."""
        self._open.append(outcome)

    def new(self) -> Outcome:
        """One that is asked for while the link is gone."""
        outcome = Outcome()
        if self._timer is None:
            self._answer(outcome)
        else:
            self.add(outcome)
        return outcome

    def end(self) -> None:
        """Answer them, unless the relay may still be about to stop the peripheral."""
        if self._timer is None:
            waiting, self._open = self._open, []
            for outcome in waiting:
                self._answer(outcome)

    def _answer(self, outcome: Outcome) -> None:
        if outcome.done():
            return
        if not self._may_run():
            outcome.set_result(Fate.BY_ITSELF)
            return
        text = (
            f"The device may be running: its relay {self._relay_name} is gone without a word, and"
            " stops it when it is back. Switch it off by hand."
        )
        outcome.set_exception(HardwareError(ErrorCode.GONE, text))
        outcome.exception()  # nobody has to look
