"""Calls of a system that block, off the event loop: `Blocking`, a thread of one device.

Unlike the executors of the standard library it keeps no program from ending: a driver that hangs
has its thread for as long as it likes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.bounds import CALL_S, CALLS_MOST

T = TypeVar("T")
_SILENT = "The device does not answer the system."


class BlockingDeviceError(Exception):
    """A device did not do it; the text is one plain line. `gone`: it is not there any more."""

    def __init__(self, text: str, *, gone: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.gone = gone


class Blocking:
    """Calls are made one after the other, in the order of `submit`. `close` it.

    Behind one that hangs CALLS_MOST wait; another `call` fails at once.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Raises RadioError once closed."""
        if self._closed:
            raise RadioError(ErrorCode.GONE, "It was given back.")
        future: Future[T] = Future()

        def make() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except Exception as error:  # noqa: BLE001 - it is whoever waits who hears of it
                future.set_exception(error)
            else:
                future.set_result(result)

        self._queue.put(make)
        return future

    async def call(self, call: Callable[[], T], unwanted: Callable[[T], None] | None = None) -> T:
        """Make it, and wait for CALL_S at most. What comes of it once nobody waits any more goes to
        `unwanted`. Raises RadioError."""
        if self._queue.qsize() >= CALLS_MOST:
            raise RadioError(ErrorCode.TIMEOUT, _SILENT)
        doing = self.submit(call)
        try:
            async with asyncio.timeout(CALL_S):
                return await asyncio.shield(asyncio.wrap_future(doing))
        except BaseException as error:
            if unwanted is not None:
                doing.add_done_callback(lambda done: _hand(done, unwanted))
            if isinstance(error, TimeoutError):
                raise RadioError(ErrorCode.TIMEOUT, _SILENT) from None
            if isinstance(error, BlockingDeviceError):
                code = ErrorCode.GONE if error.gone else ErrorCode.RADIO
                raise RadioError(code, error.text) from error
            raise

    def close(self) -> None:
        """What was submitted before is still done."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)

    def _run(self) -> None:
        while (make := self._queue.get()) is not None:
            make()


def _hand(done: Future[T], unwanted: Callable[[T], None]) -> None:
    if not done.cancelled() and done.exception() is None:
        unwanted(done.result())
