"""`RecordingDriver`: a driver that writes down what it is told, and answers as the test says."""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import InputCommand, InputType, OutputType
from forwarder.definitions.limits import build_features
from forwarder.definitions.model import Definition, FeatureSpec, InputSpec, OutputSpec
from forwarder.devices.driver import Fate, OnReading, Outcome
from forwarder.errors import HardwareError
from forwarder.hub.device import Device, Identity
from forwarder.hub.truth import FeatureValue
from relay.link.messages import ErrorCode

Call = tuple[object, ...]


class RecordingDriver:
    """`calls` is everything in order. `slow`: outcomes wait for `finish`; `hold`: subscriptions
    do. `broken`: all fails. `full`: an output is refused at once. `times`: when each output is to
    begin; `lead_s`: how long before."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.times: list[float | None] = []
        self.lead_s: float | None = None
        self.slow = False
        self.hold = False
        self.broken = False
        self.full = False
        self.listeners: dict[tuple[int, InputType], OnReading] = {}
        self.waiting: list[Outcome] = []

    def _outcome(self) -> Outcome:
        outcome = Outcome()
        if self.broken:
            outcome.set_exception(HardwareError(ErrorCode.REFUSED, "the radio said no"))
            outcome.exception()
        elif self.slow:
            self.waiting.append(outcome)
        else:
            outcome.set_result(Fate.TAKEN)
        return outcome

    def finish(self) -> None:
        """All that waits is done now."""
        waiting, self.waiting = self.waiting, []
        for outcome in waiting:
            outcome.set_result(Fate.TAKEN)

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        if self.full:
            raise HardwareError(ErrorCode.CONGESTED, "too many values at once")
        self.calls.append(("output", feature, kind.value, value, duration_ms))
        self.times.append(at)
        return self._outcome()

    def lead(self) -> float | None:
        return self.lead_s

    def stop(self, features: Collection[int] | None) -> Outcome:
        self.calls.append(("stop", None if features is None else tuple(sorted(features))))
        return self._outcome()

    def recall(self, feature: int, value: FeatureValue, *, again: bool) -> Outcome | None:
        self.calls.append(("recall", feature, value.kind.value, value.steps, again))
        return None

    stop_waits_for_reads = False

    async def read(self, feature: int, kind: InputType) -> int:
        self.calls.append(("read", feature, kind.value))
        await self._outcome()
        return 87

    def subscribe(self, feature: int, kind: InputType, on_reading: OnReading) -> Outcome:
        self.calls.append(("subscribe", feature, kind.value))
        outcome = self._outcome()
        if self.hold:
            outcome = Outcome()
            self.waiting.append(outcome)
        self.listeners[feature, kind] = on_reading
        return outcome

    def unsubscribe(self, feature: int, kind: InputType) -> Outcome:
        self.calls.append(("unsubscribe", feature, kind.value))
        self.listeners.pop((feature, kind), None)
        return self._outcome()

    async def close(self) -> None:
        self.calls.append(("close",))


NORA = Definition(
    "lovense",
    "A",
    "Lovense Nora",
    (
        FeatureSpec(0, outputs={OutputType.VIBRATE: OutputSpec(0, 20)}),
        FeatureSpec(1, outputs={OutputType.ROTATE: OutputSpec(-20, 20)}),
        FeatureSpec(
            2,
            "battery",
            inputs={InputType.BATTERY: InputSpec(((0, 100),), (InputCommand.READ,))},
        ),
        FeatureSpec(
            3,
            "squeeze",
            inputs={
                InputType.PRESSURE: InputSpec(((0, 1000),), (InputCommand.SUBSCRIBE,)),
            },
        ),
    ),
)
STROKER = Definition(
    "tcode-v03",
    None,
    "Stroker",
    (
        FeatureSpec(
            0,
            outputs={OutputType.HW_POSITION_WITH_DURATION: OutputSpec(0, 100, (0, 10_000))},
        ),
    ),
)


def device(
    driver: RecordingDriver | None = None, definition: Definition = NORA, address: str = "A1"
) -> Device:
    """A device made of `definition` over a recording driver."""
    return Device(
        Identity(address, definition.protocol, definition.identifier),
        definition.name,
        build_features(definition),
        driver or RecordingDriver(),
        gap_ms=50,
        source="a test",
    )
