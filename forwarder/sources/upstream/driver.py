"""`UpstreamDriver`: moves a device that another Buttplug server has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from forwarder.buttplug.messages import (
    ClientMessage,
    DeviceInfo,
    InputCmd,
    InputCommand,
    InputReading,
    InputType,
    OutputCmd,
    OutputType,
    OutputValue,
    ServerMessage,
    StopCmd,
)
from forwarder.client.session_driver import Asked, ServerGone, SessionDriver
from forwarder.definitions.model import FeatureSpec
from forwarder.devices.driver import Fate, OnReading, Outcome
from forwarder.errors import ForwarderError, HardwareError
from forwarder.hub.truth import FeatureValue, Truth
from forwarder.sources.upstream.bounds import ANSWER_S, CLOSE_S, READ_S, STOP_AGAIN_S, STOP_TRIES
from relay.link.messages import ErrorCode

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Slot:
    """One feature: the value under way, and the newest one behind it."""

    asked: Asked | None = None
    outcome: Outcome | None = None
    waiting: tuple[OutputCmd, Outcome] | None = None
    late: asyncio.TimerHandle | None = None


class UpstreamDriver:
    """One device of the server that `session` talks to. Implements Driver.

    `truth` is the device's, to look at. `others_running` says whether another device of that server
    has an output on.
    """

    def __init__(
        self,
        session: SessionDriver,
        info: DeviceInfo,
        features: Iterable[FeatureSpec],
        truth: Truth,
        others_running: Callable[[UpstreamDriver], bool],
    ) -> None:
        self._session = session
        self._others_running = others_running
        self._slots: dict[int, _Slot] = {}
        # Values that were sent; and the stops that are on their way, by what they stop.
        self._sent = 0
        self._stopping: dict[frozenset[int] | None, _Stop] = {}
        self._truth = truth
        self._listeners: dict[tuple[int, InputType], OnReading] = {}
        self._gone: str | None = None
        self.replace(info, features)

    def replace(self, info: DeviceInfo, features: Iterable[FeatureSpec]) -> None:
        """The server describes the device anew."""
        self._info = info
        self._features = {feature.index: feature for feature in features}

    def gone(self, reason: str) -> None:
        """The device is not at the server any more, or the server is gone."""
        self._gone = reason
        for slot in self._slots.values():
            self._drop_waiting(slot, HardwareError(ErrorCode.GONE, reason))
        self._listeners.clear()

    # --- outputs --------------------------------------------------------------------------------

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        if self._gone is not None:
            raise HardwareError(ErrorCode.GONE, self._gone)
        command = self._command(feature, kind, value, duration_ms)
        outcome = Outcome()
        slot = self._slots.setdefault(feature, _Slot())
        if slot.asked is None:
            self._send(slot, command, outcome)
        else:
            self._drop_waiting(slot)
            slot.waiting = command, outcome
        return outcome

    def lead(self) -> None:
        """The protocol between servers has no times."""

    def recall(self, feature: int, value: FeatureValue, *, again: bool) -> None:
        """Nothing else carries what a feature was told."""

    def _command(self, feature: int, kind: OutputType, value: int, duration_ms: int) -> OutputCmd:
        offered = self._info.device_features[feature].output
        assert offered is not UNSET
        low, high = offered[kind].value
        timed = kind is OutputType.HW_POSITION_WITH_DURATION
        wanted = OutputValue(
            value=min(max(value, low), high), duration=duration_ms if timed else UNSET
        )
        return OutputCmd(
            id=1,
            device_index=self._info.device_index,
            feature_index=feature,
            command={kind: wanted},
        )

    def _send(self, slot: _Slot, command: OutputCmd, outcome: Outcome) -> None:
        try:
            asked = self._session.ask(command)
        except ForwarderError as error:
            _settle(outcome, _hardware_error(error))
            return
        slot.asked, slot.outcome = asked, outcome
        self._wait_for_answer(slot, asked)
        self._sent += 1
        asked.reply.add_done_callback(lambda reply: self._answered(slot, asked, outcome))

    def _wait_for_answer(self, slot: _Slot, asked: Asked) -> None:
        loop = asyncio.get_running_loop()
        slot.late = loop.call_later(ANSWER_S, self._is_late, slot, asked)

    def _is_late(self, slot: _Slot, asked: Asked) -> None:
        """The answer is lost, or the network stands still: what has not left yet stays in sight,
        for it must not come behind a stop."""
        if not self._session.waits(asked.id):
            self._next(slot, asked)
        elif slot.waiting is not None:
            self._session.withdraw(asked.id)  # Its answer brings the newer one on its way.
        else:
            self._wait_for_answer(slot, asked)

    def _answered(self, slot: _Slot, asked: Asked, outcome: Outcome) -> None:
        # Cancelled: it was taken back for something newer.
        fate = Fate.SUPERSEDED if asked.reply.cancelled() else Fate.TAKEN
        _settle(outcome, _failure(asked.reply), fate)
        self._next(slot, asked)

    def _next(self, slot: _Slot, asked: Asked) -> None:
        if slot.asked is not asked:
            return
        slot.asked = slot.outcome = None
        if slot.late is not None:
            slot.late.cancel()
            slot.late = None
        if slot.waiting is not None:
            (command, outcome), slot.waiting = slot.waiting, None
            self._send(slot, command, outcome)

    def _drop_waiting(self, slot: _Slot, error: HardwareError | None = None) -> None:
        if slot.waiting is not None:
            (_, outcome), slot.waiting = slot.waiting, None
            _settle(outcome, error, Fate.SUPERSEDED)

    # --- stops ----------------------------------------------------------------------------------

    def stop(self, features: Collection[int] | None) -> Outcome:
        """Nothing that is queued here for these features survives; what has left is overtaken only
        as far as the server allows."""
        for index, slot in self._slots.items():
            if features is None or index in features:
                self._drop_waiting(slot)
                if slot.asked is not None:
                    # Not sent yet: it must not come behind the stop.
                    self._session.withdraw(slot.asked.id)
        outcome = Outcome()
        scope = None if features is None else frozenset(features)
        under_way = self._stopping.get(scope)
        if under_way is not None and under_way.sent == self._sent:
            # Nothing was sent behind it: it does what this one would.
            under_way.outcomes.append(outcome)
            return outcome
        stop = _Stop(self, self._stops(features), outcome, self._sent)
        self._stopping[scope] = stop
        # In the call that settles it: whoever asks next must not wait for one that is over.
        outcome.then(lambda done: self._stopped(scope, stop))
        stop.run()
        return outcome

    def _stopped(self, scope: frozenset[int] | None, stop: _Stop) -> None:
        if self._stopping.get(scope) is stop:
            del self._stopping[scope]

    def _stops(self, features: Collection[int] | None) -> list[ClientMessage]:
        """The messages that stop these features and, if the server can do that, nothing else."""
        if any(feature.via is not UNSET for feature in self._info.device_features.values()):
            # A hub of our kind: its stops have exactly the scope that they name.
            return self._scoped(features)
        # The reference server stops every device it has, whatever a StopCmd names (up to 10.0.2).
        # Values of 0 are as strong there, for that is how it stops. Positions have no such value;
        # then rather too much is stopped than too little.
        zeros: list[ClientMessage] = []
        every_one = True
        for index in sorted(self._features if features is None else features):
            outputs = self._features[index].outputs
            kind = next((kind for kind in outputs if not kind.is_position), None)
            if kind is not None:
                zeros.append(self._command(index, kind, 0, 0))
            elif outputs:
                every_one = False
        stopped = self._features if features is None else features
        others = any(self._truth.may_run(index) for index in self._features if index not in stopped)
        if every_one and (others or self._others_running(self)):
            return zeros
        return [*self._scoped(features), *zeros]

    def _scoped(self, features: Collection[int] | None) -> list[ClientMessage]:
        device = self._info.device_index
        if features is None:
            return [StopCmd(id=1, device_index=device, inputs=False)]
        return [
            StopCmd(id=1, device_index=device, feature_index=index, inputs=False)
            for index in sorted(features)
        ]

    def ask_to_stop(self, message: ClientMessage) -> asyncio.Future[ServerMessage]:
        """Raises HardwareError."""
        try:
            return self._session.ask(message, urgent=True).reply
        except ForwarderError as error:
            raise _hardware_error(error) from error

    # --- inputs ---------------------------------------------------------------------------------

    @property
    def stop_waits_for_reads(self) -> bool:
        return False  # how that server orders things is its own business

    async def read(self, feature: int, kind: InputType) -> int:
        message = await self._input(feature, kind, InputCommand.READ)
        value = message.reading.get(kind) if isinstance(message, InputReading) else None
        if value is None:
            raise HardwareError(ErrorCode.REFUSED, f"{self._info.device_name} gave no {kind}.")
        return value.value

    def subscribe(self, feature: int, kind: InputType, on_reading: OnReading) -> Outcome:
        outcome = self._change(feature, kind, InputCommand.SUBSCRIBE)
        # Before the answer: the first readings may come with it.
        self._listeners[feature, kind] = on_reading
        return outcome

    def unsubscribe(self, feature: int, kind: InputType) -> Outcome:
        self._listeners.pop((feature, kind), None)
        return self._change(feature, kind, InputCommand.UNSUBSCRIBE)

    def _change(self, feature: int, kind: InputType, command: InputCommand) -> Outcome:
        """Raises HardwareError if it cannot leave."""
        try:
            reply = self._ask_input(feature, kind, command)
        except ForwarderError as error:
            raise _hardware_error(error) from error
        outcome = Outcome()
        late = asyncio.get_running_loop().call_later(READ_S, _settle, outcome, self._no_answer())

        def answered(reply: asyncio.Future[ServerMessage]) -> None:
            late.cancel()
            _settle(outcome, _failure(reply))

        reply.add_done_callback(answered)
        return outcome

    def heard(self, feature: int, kind: InputType, value: int) -> None:
        """A reading of a subscription came."""
        listener = self._listeners.get((feature, kind))
        if listener is not None:
            listener(value)

    async def _input(self, feature: int, kind: InputType, command: InputCommand) -> ServerMessage:
        try:
            async with asyncio.timeout(READ_S):
                return await self._ask_input(feature, kind, command)
        except TimeoutError:
            raise self._no_answer() from None
        except ForwarderError as error:
            raise _hardware_error(error) from error

    def _ask_input(
        self, feature: int, kind: InputType, command: InputCommand
    ) -> asyncio.Future[ServerMessage]:
        if self._gone is not None:
            raise HardwareError(ErrorCode.GONE, self._gone)
        message = InputCmd(
            id=1,
            device_index=self._info.device_index,
            feature_index=feature,
            type=kind,
            command=command,
        )
        return self._session.ask(message).reply

    def _no_answer(self) -> HardwareError:
        return HardwareError(
            ErrorCode.TIMEOUT, f"{self._info.device_name} did not answer within {READ_S:g} s."
        )

    async def close(self) -> None:
        """Stop the device; it stays with its server."""
        if self._gone is None:
            await asyncio.wait([self.stop(None)], timeout=CLOSE_S)


class _Stop:
    """One stop, tried again while the server does not confirm it. `outcomes`: of all who wait for
    it, `sent`: how many values had been sent before it."""

    def __init__(
        self,
        driver: UpstreamDriver,
        messages: Sequence[ClientMessage],
        outcome: Outcome,
        sent: int,
    ) -> None:
        self._driver = driver
        self._messages = messages
        self.outcomes = [outcome]
        self.sent = sent
        self._missing = 0
        self._tries = 0
        self._error: HardwareError | None = None

    def run(self) -> None:
        self._tries += 1
        self._error = None
        replies = []
        for message in self._messages:
            try:
                replies.append(self._driver.ask_to_stop(message))
            except HardwareError as error:
                self._error = error
        self._missing = len(replies)
        for reply in replies:
            reply.add_done_callback(self._answered)
        if not replies:
            self._settle()

    def _settle(self) -> None:
        for outcome in self.outcomes:
            _settle(outcome, self._error)

    def _answered(self, reply: asyncio.Future[ServerMessage]) -> None:
        self._missing -= 1
        self._error = self._error or _failure(reply)
        if self._missing:
            return
        gone = self._error is not None and self._error.reason is ErrorCode.GONE
        if self._error is None or gone or self._tries >= STOP_TRIES:
            # Gone: the server stops what a client drove when the client is gone.
            self._settle()
        else:
            log.warning("a stop failed and is tried again: %s", self._error)
            asyncio.get_running_loop().call_later(STOP_AGAIN_S, self.run)


def _failure(reply: asyncio.Future[ServerMessage]) -> HardwareError | None:
    """None if the server did it, or if the request was taken back for something newer."""
    if reply.cancelled():
        return None
    error = reply.exception()
    return None if error is None else _hardware_error(error)


def _hardware_error(error: BaseException) -> HardwareError:
    if isinstance(error, HardwareError):
        return error
    reason = ErrorCode.GONE if isinstance(error, ServerGone) else ErrorCode.REFUSED
    return HardwareError(reason, str(error))


def _settle(outcome: Outcome, error: HardwareError | None, fate: Fate = Fate.TAKEN) -> None:
    if outcome.done():
        return
    if error is None:
        outcome.set_result(fate)
    else:
        outcome.set_exception(error)
        outcome.exception()  # nobody has to look
