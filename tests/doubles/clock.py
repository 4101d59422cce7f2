"""Virtual time for asyncio: a loop whose clock jumps to the next timer when nothing is ready."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Deadlock(Exception):
    """Everything waits, and neither a timer nor a file can end that."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it. Ready files come first."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            # The loop's own wake-up socket is the only file there is.
            if len(self.get_map()) <= 1:
                raise Deadlock("every task waits for something that cannot come")
            return super().select(None)
        # A nanosecond more, so that rounding cannot leave the timer a hair in the future.
        self.now += timeout + 1e-9
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, starting at 0. `time_ns` is for clocks that want integers."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def stand_still(self, seconds: float) -> None:
        """As if something had blocked the loop for so long."""
        self._jumping.now += seconds

    def run_in_executor(
        self, executor: object, func: Callable[..., R], *args: object
    ) -> asyncio.Future[R]:
        """At once: a thread would take real time, in which this clock runs away."""
        future: asyncio.Future[R] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whoever awaits it gets it
            future.set_exception(error)
        return future

    def time_ns(self) -> int:
        return round(self._jumping.now * 1e9)


def run_virtual(main: Coroutine[object, object, T]) -> T:
    """Run `main` in virtual time, like asyncio.run."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
