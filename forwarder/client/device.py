"""`RemoteDevice`: a device as a client of its server sees and drives it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from msgspec import UNSET

from forwarder.buttplug.messages import (
    DeviceFeature,
    DeviceInfo,
    InputCmd,
    InputCommand,
    InputReading,
    InputType,
    OutputCmd,
    OutputRange,
    OutputType,
    OutputValue,
    StopCmd,
)
from forwarder.buttplug.noise import NOISE, clamped
from forwarder.client.session_driver import SessionDriver
from forwarder.errors import OutOfRange, Unsupported
from relay.link.names import neutralise


class RemoteDevice:
    """A device of the server that `session` talks to.

    `info` is how the server describes it, in the words of spec v4. `connected` is false for good
    once it is gone.
    """

    def __init__(self, session: SessionDriver, info: DeviceInfo) -> None:
        self.info = info
        self.connected = True
        self._session = session
        # Outputs that may not have left yet: they must not come behind a stop.
        self._unsent: dict[int, int] = {}  # Id → feature

    def __repr__(self) -> str:
        return f"<RemoteDevice {self.index} {self.shown_name!r}>"

    @property
    def index(self) -> int:
        return self.info.device_index

    @property
    def name(self) -> str:
        return neutralise(self.info.device_name)

    @property
    def shown_name(self) -> str:
        """The name that the user gave it, if any."""
        given = "" if self.info.device_display_name is UNSET else self.info.device_display_name
        return neutralise(given) or self.name

    @property
    def features(self) -> tuple[DeviceFeature, ...]:
        """In the order of their indexes; with ranges in the device's own steps."""
        return tuple(feature for _, feature in sorted(self.info.device_features.items()))

    @property
    def outputs(self) -> frozenset[OutputType]:
        """What it can do."""
        return frozenset(
            kind for feature in self.features if feature.output for kind in feature.output
        )

    @property
    def inputs(self) -> frozenset[InputType]:
        """What it can tell."""
        return frozenset(
            kind for feature in self.features if feature.input for kind in feature.input
        )

    # --- outputs --------------------------------------------------------------------------------

    async def output(
        self,
        kind: OutputType,
        level: float,
        *,
        feature: int | None = None,
        duration_ms: int | None = None,
    ) -> None:
        """Bring an output to `level`: 0 to 1 of its range, -1 to 1 where it has two directions.

        Whatever is above 0 moves at least a step. `feature`: its index; None means every feature
        that has this output. `duration_ms` is for HwPositionWithDuration. Raises Unsupported,
        OutOfRange, ServerRefused, ServerGone.
        """
        found = self._with_output(kind, feature)
        steps = [(index, self._steps(kind, level, offered)) for index, offered in found]
        await self._send(kind, steps, duration_ms)

    async def output_steps(
        self,
        kind: OutputType,
        steps: int,
        *,
        feature: int | None = None,
        duration_ms: int | None = None,
    ) -> None:
        """Like `output`, in the steps that `features` shows."""
        found = self._with_output(kind, feature)
        for _, offered in found:
            low, high = offered.value
            if not low <= steps <= high:
                raise OutOfRange(self.shown_name, kind, steps, low, high)
        await self._send(kind, [(index, steps) for index, _ in found], duration_ms)

    async def vibrate(self, level: float) -> None:
        """0 to 1, all its vibrators. Errors of this and the next ones: as of `output`."""
        await self.output(OutputType.VIBRATE, level)

    async def rotate(self, level: float) -> None:
        """Below 0: counter-clockwise, where the device has both directions."""
        await self.output(OutputType.ROTATE, level)

    async def oscillate(self, level: float) -> None:
        """0 to 1: how fast it goes to and fro."""
        await self.output(OutputType.OSCILLATE, level)

    async def constrict(self, level: float) -> None:
        """0 to 1: how tight."""
        await self.output(OutputType.CONSTRICT, level)

    async def move(self, place: float, duration_ms: int | None = None) -> None:
        """Go to `place`, 0 to 1, within so many milliseconds, or at once."""
        if duration_ms is None:
            await self.output(OutputType.POSITION, place)
        else:
            kind = OutputType.HW_POSITION_WITH_DURATION
            await self.output(kind, place, duration_ms=duration_ms)

    async def stop(self, feature: int | None = None) -> None:
        """Stop this feature, or the whole device. Overtakes everything that has not left yet."""
        index = UNSET if feature is None else feature
        message = StopCmd(id=1, device_index=self.index, feature_index=index, inputs=False)
        self.withdraw(feature)
        await self._session.ask(message, urgent=True).reply

    def withdraw(self, feature: int | None = None) -> None:
        """Take back the outputs that have not left yet; for whoever gave them, they are done."""
        for id, of in tuple(self._unsent.items()):
            if feature in (None, of):
                self._session.withdraw(id)

    def _with_output(self, kind: OutputType, feature: int | None) -> list[tuple[int, OutputRange]]:
        found = [
            (each.feature_index, each.output[kind])
            for each in self.features
            if each.output and kind in each.output and feature in (None, each.feature_index)
        ]
        if not found:
            where = "" if feature is None else f" on feature {feature}"
            raise Unsupported(f"{self.shown_name} has no {kind}{where}.")
        return found

    def _steps(self, kind: OutputType, level: float, offered: OutputRange) -> int:
        low, high = offered.value
        lowest = -1.0 if low < 0 else 0.0
        inside = clamped(level, lowest, 1)
        if inside is None:
            raise OutOfRange(self.shown_name, kind, level, lowest, 1)
        # The reference rounds up, so that the least level is felt; but 0.07 × 100 is
        # 7.000000000000001.
        reach = high if inside >= 0 else -low
        return int(math.copysign(math.ceil(abs(inside) * reach - NOISE), inside))

    async def _send(
        self, kind: OutputType, steps: Sequence[tuple[int, int]], duration_ms: int | None
    ) -> None:
        if (duration_ms is None) is (kind is OutputType.HW_POSITION_WITH_DURATION):
            how = "with" if duration_ms is None else "without"
            raise Unsupported(f"{kind} goes {how} a duration.")
        duration = UNSET if duration_ms is None else duration_ms
        # All are on their way before the first answer comes: one packet may carry several.
        asked = [
            self._session.ask(
                OutputCmd(
                    id=1,
                    device_index=self.index,
                    feature_index=index,
                    command={kind: OutputValue(value=value, duration=duration)},
                )
            )
            for index, value in steps
        ]
        for each, (index, _) in zip(asked, steps, strict=True):
            self._unsent[each.id] = index
        try:
            # Not awaited one by one: what is taken back is cancelled, and that is no failure.
            await asyncio.wait([each.reply for each in asked])
        finally:
            for each in asked:
                del self._unsent[each.id]
        for each in asked:
            if not each.reply.cancelled():
                each.reply.result()

    # --- inputs ---------------------------------------------------------------------------------

    async def read(self, kind: InputType, *, feature: int | None = None) -> int:
        """Ask for a value now. Raises Unsupported, ServerRefused, ServerGone."""
        index = self._with_input(kind, feature, InputCommand.READ)
        answer = await self._session.ask(self._input(index, kind, InputCommand.READ)).reply
        value = answer.reading.get(kind) if isinstance(answer, InputReading) else None
        if value is None:
            raise Unsupported(f"{self.shown_name} gave no {kind}.")
        return value.value

    async def battery(self) -> float:
        """The charge, 0 to 1."""
        return await self.read(InputType.BATTERY) / 100

    async def subscribe(self, kind: InputType, *, feature: int | None = None) -> None:
        """Have values come as `Reading` events from now on."""
        index = self._with_input(kind, feature, InputCommand.SUBSCRIBE)
        await self._session.ask(self._input(index, kind, InputCommand.SUBSCRIBE)).reply

    async def unsubscribe(self, kind: InputType, *, feature: int | None = None) -> None:
        """No event comes of this input any more. Raises Unsupported, ServerRefused, ServerGone."""
        index = self._with_input(kind, feature, InputCommand.SUBSCRIBE)
        await self._session.ask(self._input(index, kind, InputCommand.UNSUBSCRIBE)).reply

    def _with_input(self, kind: InputType, feature: int | None, command: InputCommand) -> int:
        for each in self.features:
            offered = each.input.get(kind) if each.input else None
            fits = offered is not None and command in offered.command
            if fits and feature in (None, each.feature_index):
                return each.feature_index
        where = "" if feature is None else f" on feature {feature}"
        raise Unsupported(f"{self.shown_name} has no {kind} to {command.lower()}{where}.")

    def _input(self, index: int, kind: InputType, command: InputCommand) -> InputCmd:
        return InputCmd(
            id=1, device_index=self.index, feature_index=index, type=kind, command=command
        )
