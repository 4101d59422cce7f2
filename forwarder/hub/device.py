"""One device as clients see it: checks ranges, drops repeats, follows commands to their end.

Its driver moves it, its truth knows what it does. Sans-I/O but for the outcomes a driver returns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from forwarder.buttplug.messages import (
    DeviceFeature,
    DeviceInfo,
    InputCommand,
    InputType,
    OutputType,
)
from forwarder.definitions.limits import Scale, VisibleFeature, narrower
from forwarder.devices.driver import Driver, Fate, OnReading, Outcome, never_sent, worked
from forwarder.errors import DeviceError, HardwareError, UnknownFeature, Unsupported
from forwarder.hub.bounds import VALUES_UNDER_WAY
from forwarder.hub.truth import FeatureValue, Given, Truth
from relay.link.messages import ErrorCode

log = logging.getLogger(__name__)

OutputLevel = tuple[OutputType, int, int]
"""Output type, value in visible steps, duration in ms."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a device the same one next time: `identifier` is the protocol's, if it has one."""

    address: str
    protocol: str
    identifier: str | None = None


class Device:
    """A device that clients can drive.

    `features` is the one filtered table for all spec versions: limits applied, disabled outputs
    gone. `source` names where it comes from, for people. `index` is given by the hub. `via`: the
    other hubs that it came through, the farthest last, see forwarder.hub.loop_guard. `truth` may
    be shared with the driver, which only looks at it.
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
        truth: Truth | None = None,
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
        self.truth = truth or Truth()
        # How the newest command of each feature ends; the same one again shares that.
        self._outcomes: dict[int, Outcome] = {}
        # Commands that were handed over and not answered, by their number.
        self._under_way: dict[int, Outcome] = {}
        self._info: DeviceInfo | None = None
        # How long the newest value took from here to the radio and back, and how many there were.
        self.took_ms: float | None = None
        # What its battery said last, and when by the loop's clock.
        self.battery: tuple[int, float] | None = None
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
    def levels(self) -> dict[int, OutputLevel]:
        """What each feature was asked for last, as far as that didn't fail; features never driven
        are absent. See `may_run` for what it does."""
        asked = {index: self.truth.asked(index) for index in self.truth.told}
        return {
            index: (value.kind, scale.to_visible(value.steps), value.duration_ms)
            for index, value in asked.items()
            if value is not None and (scale := self._scale(index, value.kind)) is not None
        }

    def _scale(self, index: int, kind: OutputType) -> Scale | None:
        feature = self._features.get(index)
        return None if feature is None else feature.scales.get(kind)

    @property
    def running(self) -> bool:
        """Whether an output is on, or may be. Positions hold by themselves and do not count."""
        return self.truth.running

    @property
    def may_run(self) -> tuple[int, ...]:
        """The features of which nobody knows whether they run."""
        return tuple(index for index in self.truth.told if self.truth.in_doubt(index))

    @property
    def strongest(self) -> float:
        """How strongly the device may be running: its highest output, 0 to 1. Positions do not
        count."""
        shares = []
        for index in self.truth.told:
            value = self.truth.strongest(index)
            if value is not None:
                scale = self._scale(index, value.kind)
                # What was taken from the clients' view counts in full until it is known to be off.
                shown = 1.0 if scale is None else abs(scale.to_visible(value.steps)) / scale.steps
                shares.append(shown)
        return max(shares, default=0.0)

    def replace_features(self, features: Sequence[VisibleFeature]) -> None:
        """Limits or ceilings changed: the next command is checked against the new ranges."""
        self._features = {feature.info.feature_index: feature for feature in features}
        # What each is at when it rests; none for what holds by itself.
        self._off = {
            index: FeatureValue(kind, 0)
            for index, feature in self._features.items()
            for kind in reversed(feature.scales)
            if not kind.is_position
        }
        self._info = None

    def limit(self, features: Sequence[VisibleFeature]) -> bool:
        """The owner, the wearer or whoever else limits the device wants these ranges.

        Where less is allowed than before, the device is stopped first, whatever it is believed to
        do; returns whether that was so.
        """
        lower = narrower(self._features.values(), features)
        if lower:
            try:
                self.stop()
            except DeviceError as error:
                # The way to it has gone: whoever ends that way has stopped it, or says that not.
                log.warning("%s: %s", self.shown_name, error)
        self.replace_features(features)
        return lower

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

    def lead(self) -> float | None:
        return self._driver.lead()

    def output(
        self,
        feature_index: int,
        kind: OutputType,
        value: int,
        duration_ms: int = 0,
        at: float | None = None,
    ) -> Outcome | None:
        """Bring a feature to `value` (visible steps) `at` a time; None if it is known to be there.
        The same while it is under way shares its outcome, unless that waits for a time. Raises
        UnknownFeature, Unsupported, OutOfRange; HardwareError, as the outcome, for too much."""
        feature = self._features.get(feature_index) or self._feature(feature_index)
        wanted = FeatureValue(kind, *feature.to_device(kind, value, duration_ms))
        if self.truth.asked(feature_index) == wanted and self.truth.certain(feature_index):
            same = self._outcomes.get(feature_index)
            # Whoever says it now waits for nobody's time, nor hears that it came too late for that.
            if same is None or same.at is None or at is not None:
                return same
        if len(self._under_way) >= VALUES_UNDER_WAY and (wanted.steps or kind.is_position):
            raise HardwareError(ErrorCode.CONGESTED, f"{self.shown_name}: too many values at once.")
        outcome = self._driver.output(feature_index, kind, wanted.steps, wanted.duration_ms, at)
        # Only now: what the driver refused at once has not been handed over.
        self._follow({feature_index: wanted}, outcome)
        outcome.at = at
        return outcome

    def _follow(
        self, values: Mapping[int, FeatureValue | None], outcome: Outcome, *, corrects: bool = False
    ) -> None:
        given = self.truth.give(values)
        for index in values:
            self._outcomes[index] = outcome
        self._under_way[given.number] = outcome
        started = outcome.get_loop().time()
        outcome.then(partial(self._ended, given, started, corrects))

    def _ended(self, given: Given, started: float, corrects: bool, done: Outcome) -> None:
        for index in given.values:
            if self._outcomes.get(index) is done:
                del self._outcomes[index]
        self._under_way.pop(given.number, None)
        if worked(done) and done.result() is not Fate.SUPERSEDED:
            self.truth.took(given)
            self.took_ms = (done.get_loop().time() - started) * 1000
            self.commands += 1
            return
        newest = [index for index in given.values if self.truth.newest(given, index)]
        behind = [each for at, each in self._under_way.items() if at > given.number]
        if never_sent(done):
            self.truth.never_sent(given)
        elif worked(done) and newest and behind:
            self._carried(given, newest, behind)
        else:
            self.truth.failed(given)
        if not worked(done):
            for index in newest:
                self._recall(index, given, corrects)

    def _carried(self, given: Given, newest: Sequence[int], behind: Sequence[Outcome]) -> None:
        """Another feature's packet took its place, and carries `newest`, too. Which one of those
        `behind` it was, only the relay knows: taken when all were, in doubt if one was not."""
        carried = Outcome()
        for index in newest:
            self._outcomes[index] = carried
        left = len(behind)

        def one_ended(_: Outcome) -> None:
            nonlocal left
            left -= 1
            if left:
                return
            for index in [i for i in newest if self._outcomes.get(i) is carried]:
                del self._outcomes[index]
            fate = behind[-1].result() if all(map(worked, behind)) else None
            later = [each for at, each in self._under_way.items() if at > given.number]
            still = [index for index in newest if self.truth.newest(given, index)]
            if fate is Fate.TAKEN:
                self.truth.took(given)
            elif fate is Fate.SUPERSEDED and later and still:
                self._carried(given, still, later)  # its packet was replaced in turn
            else:
                self.truth.failed(given)
                fate = None if still else Fate.SUPERSEDED
            if fate is not None:
                carried.set_result(fate)
            else:
                carried.set_exception(HardwareError(ErrorCode.REFUSED, "the packet was not taken"))
                carried.exception()  # nobody has to look

        for outcome in behind:
            outcome.then(one_ended)

    def _recall(self, index: int, given: Given, corrects: bool) -> None:
        """Its newest command failed, and must not be carried out by what comes later."""
        failed, had = given.values[index], self.truth.taken(index)
        if failed is None:
            return
        counts_as = had or FeatureValue(failed.kind, 0)
        if not failed.kind.is_position and abs(counts_as.steps) > abs(failed.steps):
            # Who asked for less gets nothing rather than what it had: nobody asks for that.
            counts_as = FeatureValue(counts_as.kind, 0)
        elif failed.kind.is_position and had is None:
            return
        again = not corrects and any(self.truth.waits(other, given) for other in self.truth.told)
        try:
            outcome = self._driver.recall(index, counts_as, again=again)
        except DeviceError:
            return  # the way to it is gone, which is told elsewhere
        if outcome is not None:
            self._follow({index: counts_as}, outcome, corrects=True)

    def stop(self, features: Collection[int] | None = None) -> Outcome:
        """Bring these features, or all, to rest. Never filtered. Raises UnknownFeature."""
        for index in features or ():
            self._feature(index)
        outcome = self._driver.stop(features)
        self._follow(self._rest(features), outcome)
        return outcome

    def at_rest(self) -> None:
        """A stop that its relay ran was taken by the radio: everything is off."""
        self._outcomes.clear()
        self.truth.rested(self._rest(None))

    def lost_sight(self) -> None:
        """Whoever would have told what becomes of it is gone."""
        self._outcomes.clear()
        self.truth.lost()

    def _rest(self, features: Collection[int] | None) -> dict[int, FeatureValue | None]:
        """What these features are at when they rest. Positions are forgotten: they may be moved to
        the same place again."""
        rest: dict[int, FeatureValue | None] = {}
        for index in {*self._features, *self.truth.told} if features is None else features:
            off = self._off.get(index)
            if off is None and (asked := self.truth.asked(index)) and not asked.kind.is_position:
                off = FeatureValue(asked.kind, 0)  # clients were shown it then
            rest[index] = off
        return rest

    async def read(self, feature_index: int, kind: InputType) -> int:
        """Ask the device for a reading. Raises UnknownFeature, Unsupported, HardwareError.

        While it may run and its stop would have to wait for the answer, a battery is not asked: it
        was what it was the last time, see `battery`.
        """
        self.check_input(feature_index, kind, InputCommand.READ)
        battery = kind is InputType.BATTERY
        if battery and self.running and self._driver.stop_waits_for_reads:
            if self.battery is not None:
                return self.battery[0]
            raise HardwareError(
                ErrorCode.BUSY,
                f"{self.shown_name} may be running, and its stop would have to wait for the answer"
                " of its battery. Stop it, then ask.",
            )
        value = await self._driver.read(feature_index, kind)
        if battery:
            self.battery = value, asyncio.get_running_loop().time()
        return value

    def subscribe(self, feature_index: int, kind: InputType, on_reading: OnReading) -> Outcome:
        """Have each reading passed to `on_reading`; the hub shares one subscription."""
        self.check_input(feature_index, kind, InputCommand.SUBSCRIBE)
        return self._driver.subscribe(feature_index, kind, on_reading)

    def unsubscribe(self, feature_index: int, kind: InputType) -> Outcome | None:
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
