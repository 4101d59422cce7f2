"""A group: several devices as one, with all that any of them has.

One feature for each kind of output. A value is a share of each member's own visible range; a member
without that output is left alone. A stop reaches every member, whatever it is believed to do.

Where members at two relays or more take times, a value has one: all begin at once, as late as the
slowest way asks for. A member whose value came too late gets it once more without one, if it is
still the newest that the group was told, nobody else has stopped or driven it meanwhile, and it
still offers the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence

from msgspec import UNSET

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions.model import Definition, FeatureSpec, OutputSpec
from forwarder.devices.driver import OnReading, Outcome
from forwarder.devices.moments import common_time
from forwarder.errors import HardwareError, Unsupported
from forwarder.hub.client import HubClient
from forwarder.hub.device import Device
from forwarder.hub.truth import FeatureValue
from forwarder.sources.virtual.members import (
    PROTOCOL,
    STEPS,
    DrivingHub,
    MemberOutput,
    give_all,
    places,
    stop_all,
)
from relay.link.messages import ErrorCode

# In this order they are its features: indexes stay when a member comes or goes.
KINDS = tuple(OutputType)


class GroupDriver:
    """Implements Driver. `members` are those that are here; the source sets them."""

    stop_waits_for_reads = False

    def __init__(self, hub: DrivingHub, client: HubClient) -> None:
        self._hub = hub
        self._client = client
        self.members: tuple[Device, ...] = ()
        # How often each kind was told something, or stopped.
        self._told: Counter[OutputType] = Counter()

    @property
    def running(self) -> bool:
        return any(device.running for device in self.members)

    def definition(self, name: str) -> Definition:
        """What all members have between them."""
        specs = []
        for index, kind in enumerate(KINDS):
            found = [place for device in self.members for place in places(device, kind)]
            if found:
                spec = _spec(kind, found)
                specs.append(FeatureSpec(index, "", {kind: spec}))
        return Definition(PROTOCOL, name, name, tuple(specs), gap_ms=0)

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int, at: float | None = None
    ) -> Outcome:
        shares = {place: value / STEPS for device in self.members for place in places(device, kind)}
        if not shares:
            raise HardwareError(ErrorCode.GONE, "none of the group's toys that can do it is here")
        if at is None:
            at = common_time({device for device, _, _ in shares}, asyncio.get_running_loop().time())
        self._told[kind] += 1
        number = self._told[kind]
        offered = {device: device.info() for device, _, _ in shares}

        def late(place: MemberOutput) -> bool:
            owner = self._hub.owners(place[0]).get(place[1])
            # Whose limits have changed was stopped for that, and may not have the output any more.
            same = offered[place[0]] is place[0].info()
            return self._told[kind] == number and owner is self._client and same

        return give_all(self._hub, self._client, shares, duration_ms, at, late)

    def lead(self) -> float | None:
        leads = (device.lead() for device in self.members)
        return max((lead for lead in leads if lead is not None), default=None)

    def stop(self, features: Collection[int] | None) -> Outcome:
        self._told.update(KINDS if features is None else [KINDS[index] for index in features])
        if features is None:
            return stop_all(self._hub, self._client, [(device, None) for device in self.members])
        kinds = [KINDS[index] for index in features]
        return stop_all(
            self._hub,
            self._client,
            [
                (device, [index for kind in kinds for _, index, _ in places(device, kind)])
                for device in self.members
            ],
        )

    def recall(self, feature: int, value: FeatureValue, *, again: bool) -> Outcome | None:
        return None  # each member has recalled its own

    async def read(self, feature: int, kind: InputType) -> int:
        raise Unsupported("A group has no inputs: ask its members.")

    def subscribe(self, feature: int, kind: InputType, on_reading: OnReading) -> Outcome:
        raise Unsupported("A group has no inputs: ask its members.")

    def unsubscribe(self, feature: int, kind: InputType) -> Outcome | None:
        return None

    async def close(self) -> None:
        await self.stop(None)


def _spec(kind: OutputType, found: Sequence[MemberOutput]) -> OutputSpec:
    signed = False
    longest = 0
    for device, index, _ in found:
        offered = next(each for each in device.features if each.feature_index == index)
        assert offered.output is not UNSET
        span = offered.output[kind]
        signed = signed or span.value[0] < 0
        if span.duration is not UNSET:
            longest = max(longest, span.duration[1])
    timed = kind is OutputType.HW_POSITION_WITH_DURATION
    return OutputSpec(-STEPS if signed else 0, STEPS, (0, longest) if timed else None)
