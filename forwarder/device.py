"""One device as clients see it: checks ranges, drops repeats, knows levels. Its driver moves it.

Sans-I/O but for the futures a driver returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from forwarder.buttplug.messages import (
    DeviceFeature,
    DeviceInfo,
    InputCommand,
    InputType,
    OutputType,
)
from forwarder.definitions.limits import VisibleFeature
from forwarder.driver import Driver, OnReading
from forwarder.errors import UnknownFeature, Unsupported

Level = tuple[OutputType, int, int]
"""Output type, value in visible steps, duration in ms."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a device the same one next time: `identifier` is the protocol's, if it has one."""

    address: str
    protocol: str
    identifier: str | None = None


@dataclass(slots=True, eq=False)
class _Told:
    """What a feature was told last. `outcome`: how that went; None if the relay itself did it."""

    level: Level
    outcome: asyncio.Future[None] | None

    @property
    def failed(self) -> bool:
        return self.outcome is not None and _failed(self.outcome)


class Device:
    """A device that clients can drive.

    `features` is the one filtered table for all spec versions: limits applied, disabled outputs
    gone. `source` names where it comes from, for people. `index` is given by the hub. `via`: the
    other hubs that it came through, the farthest last, see forwarder.hub_ids.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        features: Sequence[VisibleFeature],
        driver: Driver,
        *,
        gap_ms: int = 0,
        source: str = "",
        display_name: str | None = None,
        wished_index: int | None = None,
    ) -> None:
        self.identity = identity
        self.name = name
        self.display_name = display_name
        self.gap_ms = gap_ms
        self.source = source
        self.wished_index = wished_index
        self.index = -1
        self.via: tuple[str, ...] = ()
        self._driver = driver
        self._features: dict[int, VisibleFeature] = {}
        # The repeat filter and the levels.
        self._told: dict[int, _Told] = {}
        self._info: DeviceInfo | None = None
        # How long the newest value took from here to the radio and back, and how many there were.
        self.took_ms: float | None = None
        self.commands = 0
        self.replace_features(features)

    def __repr__(self) -> str:
        return f"<Device {self.index} {self.shown_name}>"

    @property
    def shown_name(self) -> str:
        return self.display_name or self.name

    @property
    def features(self) -> tuple[DeviceFeature, ...]:
        return tuple(feature.info for feature in self._features.values())

    @property
    def feature_indexes(self) -> tuple[int, ...]:
        return tuple(self._features)

    def highest(self, feature_index: int, kind: OutputType) -> int:
        """The top of the range that clients see. Raises UnknownFeature, Unsupported."""
        scale = self._feature(feature_index).scales.get(kind)
        if scale is None:
            raise Unsupported(f"{self.shown_name}: feature {feature_index} has no output {kind}.")
        return scale.steps

    @property
    def levels(self) -> dict[int, Level]:
        """What each feature was last told; features never driven are absent."""
        return {index: told.level for index, told in self._told.items()}

    @property
    def running(self) -> bool:
        """Whether an output is on. Positions hold by themselves and do not count."""
        return any(value and not kind.is_position for kind, value, _ in self.levels.values())

    @property
    def strongest(self) -> float:
        """How strongly the device runs: its highest output now, 0 to 1. Positions do not count."""
        shares = [
            abs(value) / self.highest(index, kind)
            for index, (kind, value, _) in self.levels.items()
            if value and not kind.is_position
        ]
        return min(1.0, max(shares, default=0.0))

    def replace_features(self, features: Sequence[VisibleFeature]) -> None:
        """Limits or ceilings changed: the next command is checked against the new ranges."""
        self._features = {feature.info.feature_index: feature for feature in features}
        self._told.clear()
        self._info = None

    def info(self, via: tuple[str, ...] | UnsetType = UNSET) -> DeviceInfo:
        """The device as DeviceList shows it; to hubs together with its way.

        The same object until something about it changes.
        """
        info = self._info
        if info is None or (
            info.device_index,
            info.device_name,
            info.device_message_timing_gap,
            info.device_display_name or None,
        ) != (self.index, self.name, self.gap_ms, self.display_name or None):
            info = self._info = DeviceInfo(
                device_index=self.index,
                device_name=self.name,
                device_message_timing_gap=self.gap_ms,
                device_features={i: feature.info for i, feature in self._features.items()},
                device_display_name=self.display_name or UNSET,
            )
        if via is UNSET:
            return info
        features = {i: replace(each, via=via) for i, each in info.device_features.items()}
        return replace(info, device_features=features)

    def _feature(self, feature_index: int) -> VisibleFeature:
        try:
            return self._features[feature_index]
        except KeyError:
            raise UnknownFeature(self.shown_name, feature_index) from None

    def check_output(
        self, feature_index: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> None:
        """Raises what `output` would raise, and does nothing."""
        self._feature(feature_index).to_device(kind, value, duration_ms)

    def output(
        self, feature_index: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> asyncio.Future[None] | None:
        """Bring a feature to `value` (visible steps); None if the device has been told the same.

        The same value while it is under way shares its outcome. Raises UnknownFeature,
        Unsupported, OutOfRange. The future fails with HardwareError.
        """
        feature = self._feature(feature_index)
        steps, duration = feature.to_device(kind, value, duration_ms)
        level = (kind, value, duration_ms)
        told = self._told.get(feature_index)
        if told is not None and told.level == level and not told.failed:
            return None if told.outcome is None or told.outcome.done() else told.outcome
        outcome = self._driver.output(feature_index, kind, steps, duration)
        # Only now: what the driver refused at once must not filter out the next try.
        self._told[feature_index] = _Told(level, outcome)
        started = outcome.get_loop().time()
        outcome.add_done_callback(lambda done: self._written(feature_index, told, started, done))
        return outcome

    def _written(
        self, index: int, before: _Told | None, started: float, done: asyncio.Future[None]
    ) -> None:
        if _failed(done):
            self._unsure(index, before, done)
        else:
            self.took_ms = (done.get_loop().time() - started) * 1000
            self.commands += 1

    def _unsure(self, index: int, before: _Told | None, failed: asyncio.Future[None]) -> None:
        """Nobody knows what it does now: shown is what it had, and whatever comes next is sent."""
        told = self._told.get(index)
        if told is None or told.outcome is not failed:
            return  # something newer, or a stop, has taken its place
        if before is None:
            del self._told[index]
        else:
            self._told[index] = _Told(before.level, failed)

    def stop(self, features: Collection[int] | None = None) -> asyncio.Future[None]:
        """Bring these features, or all, to rest. Never filtered. Raises UnknownFeature."""
        for index in features or ():
            self._feature(index)
        outcome = self._driver.stop(features)
        before = dict(self._told)
        rest = self._rest(features)
        self._told |= {index: _Told(level, outcome) for index, level in rest.items()}

        def stopped(done: asyncio.Future[None]) -> None:
            if _failed(done):
                for index in rest:
                    self._unsure(index, before.get(index), done)

        outcome.add_done_callback(stopped)
        return outcome

    def at_rest(self, features: Collection[int] | None = None) -> None:
        """Note that these features, or all, are off: the relay has stopped them."""
        self._told |= {index: _Told(level, None) for index, level in self._rest(features).items()}

    def _rest(self, features: Collection[int] | None) -> dict[int, Level]:
        """What these features are at when they rest. Positions are forgotten: they may be moved to
        the same place again."""
        rest: dict[int, Level] = {}
        for index in self._features if features is None else features:
            kinds = (kind for kind in self._features[index].scales if not kind.is_position)
            kind = next(kinds, None)
            if kind is None:
                self._told.pop(index, None)
            else:
                rest[index] = (kind, 0, 0)
        return rest

    async def read(self, feature_index: int, kind: InputType) -> int:
        """Ask the device for a reading. Raises UnknownFeature, Unsupported, HardwareError."""
        self.check_input(feature_index, kind, InputCommand.READ)
        return await self._driver.read(feature_index, kind)

    def subscribe(
        self, feature_index: int, kind: InputType, on_reading: OnReading
    ) -> asyncio.Future[None]:
        """Have each reading passed to `on_reading`; the hub shares one subscription."""
        self.check_input(feature_index, kind, InputCommand.SUBSCRIBE)
        return self._driver.subscribe(feature_index, kind, on_reading)

    def unsubscribe(self, feature_index: int, kind: InputType) -> asyncio.Future[None] | None:
        """End it, whatever the device shows by now; None if nothing has to leave for that."""
        return self._driver.unsubscribe(feature_index, kind)

    def check_input(self, feature_index: int, kind: InputType, command: InputCommand) -> None:
        """Raises UnknownFeature, Unsupported if this input does not offer `command`."""
        inputs = self._feature(feature_index).info.input
        offered = inputs.get(kind) if inputs else None
        if offered is None or command not in offered.command:
            raise Unsupported(
                f"{self.shown_name}: feature {feature_index} offers no {kind} {command}."
            )

    async def close(self) -> None:
        """Stop the device and let it go."""
        await self._driver.close()


def _failed(done: asyncio.Future[None]) -> bool:
    return done.done() and (done.cancelled() or done.exception() is not None)
