"""The seam between a device and what moves it: packets over hardware, or another server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from enum import Enum
from typing import Protocol

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.errors import HardwareError
from forwarder.hub.truth import FeatureValue
from relay.link.messages import ErrorCode


class Fate(Enum):
    """How a command ended that did not fail."""

    TAKEN = "the radio took it"
    SUPERSEDED = "a newer one took its place before the radio"
    BY_ITSELF = "its relay, which is away, has stopped the device by itself"


class Outcome(asyncio.Future[Fate]):
    """One command on its way, from the radio's answer to whoever asked: the same object at every
    step. Fails with HardwareError. `at`: when (loop time) it was asked to begin; None: at once.

    Whoever only has to note how it ends says so with `then`: that is called in the call that
    settles it, in the order in which it was asked for, and not in a later turn of the event loop.
    What one of them raises is the loop's to tell: the others, and who settles it, know nothing.
    """

    at: float | None = None
    _then: tuple[Callable[[Outcome], object], ...] = ()

    def then(self, call: Callable[[Outcome], object]) -> None:
        """Have `call` called once this is settled, at once if it is."""
        if self.done():
            call(self)
        else:
            self._then += (call,)

    def set_result(self, fate: Fate) -> None:
        super().set_result(fate)
        for call in self._then:
            try:
                call(self)
            except Exception as error:  # noqa: BLE001  # a bug about one device ends no link of all
                self._report(call, error)

    def set_exception(self, error: type | BaseException) -> None:
        super().set_exception(error)
        self._tell()

    def cancel(self, msg: object = None) -> bool:
        """As of any future: whoever waited was cancelled. It ends nothing of what is on its way."""
        cancelled = super().cancel(msg)
        if cancelled:
            self._tell()
        return cancelled

    def _tell(self) -> None:
        """As `set_result` does, where a call more is no matter."""
        for call in self._then:
            try:
                call(self)
            except Exception as error:  # noqa: BLE001  # likewise
                self._report(call, error)

    def _report(self, call: Callable[[Outcome], object], error: Exception) -> None:
        text = f"an error while the outcome of a command was noted, by {call!r}"
        self.get_loop().call_exception_handler(
            {"message": text, "exception": error, "future": self}
        )


def settled(fate: Fate = Fate.TAKEN) -> Outcome:
    """An outcome that is there already."""
    outcome = Outcome()
    outcome.set_result(fate)
    return outcome


def failed(error: HardwareError) -> Outcome:
    """One that is there already, and that nobody has to look at."""
    outcome = Outcome()
    outcome.set_exception(error)
    outcome.exception()
    return outcome


def never_sent(done: Outcome) -> bool:
    """Whether this command can't have reached the device, however it ended for its sender."""
    if done.cancelled():
        return False
    error = done.exception()
    # Full queues, shut gates and times that are over turn back what was handed to no radio.
    return isinstance(error, HardwareError) and error.reason in (
        ErrorCode.CONGESTED,
        ErrorCode.GATE,
        ErrorCode.LATE,
    )


def worked(done: Outcome) -> bool:
    """Whether it has ended, and did not fail."""
    return done.done() and not done.cancelled() and done.exception() is None


OnReading = Callable[[int], None]


class Driver(Protocol):
    """How values reach one device: packets over hardware, or another Buttplug server.

    Values are in the device's own steps. `output` and `stop` are on their way when they return, in
    the order of the calls. One driver, one device.
    """

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        """Bring this output to `value`, which was checked against its range. `duration_ms`: of a
        move that has one, else 0. `at`: when (loop time), as far as the way to it takes times, see
        `lead`; None: now. The future fails with HardwareError if the radio did not take it, with
        `late` if it came too late for its time; to cancel it changes nothing of what is on its
        way."""
        ...

    def lead(self) -> float | None:
        """How long (s) before its time a value must be given to be carried out then; None: it is
        carried out when it comes. Whoever asks is about to give some."""
        ...

    def stop(self, features: Collection[int] | None) -> Outcome:
        """Bring these features, or all, to rest; overtakes everything."""
        ...

    def recall(self, feature: int, value: FeatureValue, *, again: bool) -> Outcome | None:
        """What this feature was told last failed: `value` is what it counts as from now on, in
        whatever else carries it. `again`: something that carries what failed may still arrive, so
        send `value` behind it, if there can be such a thing."""
        ...

    @property
    def stop_waits_for_reads(self) -> bool:
        """Whether its stop is a request that the radio can only make behind the answer to another,
        such as a read. SPEC: ATT has one request at a time (Bluetooth core, vol 3 part F, 3.3.2).
        """
        ...

    async def read(self, feature: int, kind: InputType) -> int:
        """Return the value of an input, in its own unit. Raises HardwareError, also when there is
        no answer in time. Cancelling it leaves the device as it is."""
        ...

    def subscribe(self, feature: int, kind: InputType, on_reading: OnReading) -> Outcome:
        """Like `output`: on its way when it returns, and in order with `unsubscribe`."""
        ...

    def unsubscribe(self, feature: int, kind: InputType) -> Outcome | None:
        """None if nothing has to leave for it. Raises HardwareError if it cannot leave; nothing is
        heard any more all the same."""
        ...

    async def close(self) -> None:
        """Stop the device and let it go."""
        ...
