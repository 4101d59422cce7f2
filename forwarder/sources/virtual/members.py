"""How a virtual device drives real ones: through the hub, as a client of it, in the members' own
visible steps. So limits, ceilings, the person's stop and mutes hold, and one truth stays the truth.

Every answer is exact: what a member did not take, the virtual device did not take.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

from msgspec import UNSET

from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue, StopCmd
from forwarder.buttplug.noise import NOISE
from forwarder.devices.driver import Fate, Outcome, settled
from forwarder.errors import DeviceError, HardwareError
from forwarder.hub.client import HubClient
from forwarder.hub.device import Device
from forwarder.hub.truth import FeatureValue, Truth
from relay.link.messages import ErrorCode

PROTOCOL: Final = "virtual"
# Steps of an output of a virtual device: finer than any motor, and a person's percent.
STEPS: Final = 100

MemberOutput = tuple[Device, int, OutputType]
"""An output of a member."""


class DrivingHub(Protocol):
    """What of the hub a virtual device uses."""

    devices: dict[int, Device]

    def output(
        self, client: HubClient, command: OutputCmd, at: float | None = None
    ) -> Outcome | None: ...

    def stop(self, client: HubClient | None, command: StopCmd) -> list[Outcome]: ...

    def owners(self, device: Device) -> dict[int, HubClient]: ...


class PassedOn(Truth):
    """The truth of a virtual device: what runs, its members know; what was asked for is passed on
    each time, for they know what is a repeat."""

    def __init__(self, running: Callable[[], bool]) -> None:
        super().__init__()
        self._running = running

    def certain(self, index: int) -> bool:
        return False

    def in_doubt(self, index: int) -> bool:
        return False  # a member's doubt is shown there

    @property
    def running(self) -> bool:
        return super().running and self._running()

    def asked(self, index: int) -> FeatureValue | None:
        """Not what somebody else has ended meanwhile."""
        value = super().asked(index)
        return value if value is None or not value.on or self._running() else None


def is_real(device: Device) -> bool:
    return device.identity.protocol != PROTOCOL


def chosen(devices: Iterable[Device], selectors: Sequence[str]) -> list[Device]:
    """The real devices that are named: by index, by name with * and ?, all without a selector."""
    return sorted(
        (
            device
            for device in devices
            if is_real(device) and (not selectors or any(_selects(s, device) for s in selectors))
        ),
        key=lambda device: device.index,
    )


def _selects(selector: str, device: Device) -> bool:
    if selector == str(device.index):
        return True
    names = (device.name.casefold(), device.shown_name.casefold())
    return any(fnmatch.fnmatchcase(name, selector.casefold()) for name in names)


def places(device: Device, kind: OutputType) -> Iterator[MemberOutput]:
    for feature in device.features:
        if feature.output and kind in feature.output:
            yield device, feature.feature_index, kind


def give(
    hub: DrivingHub,
    client: HubClient,
    place: MemberOutput,
    share: float,
    duration_ms: int = 0,
    at: float | None = None,
) -> Outcome | None:
    """Bring an output to `share` of its visible range, -1 to 1; what is above 0 moves at least a
    step. `at`: when, see Driver. Raises DeviceError."""
    device, feature, kind = place
    offered = next(each for each in device.features if each.feature_index == feature)
    assert offered.output is not UNSET
    span = offered.output[kind]
    low, high = span.value
    reach = high if share >= 0 or low >= 0 else -low
    value = math.ceil(abs(share) * reach - NOISE)
    timed = kind is OutputType.HW_POSITION_WITH_DURATION
    if timed and span.duration is not UNSET:
        duration_ms = min(max(duration_ms, span.duration[0]), span.duration[1])
    return hub.output(
        client,
        OutputCmd(
            id=1,
            device_index=device.index,
            feature_index=feature,
            command={
                kind: OutputValue(
                    value=-value if share < 0 and low < 0 else value,
                    duration=duration_ms if timed else UNSET,
                )
            },
        ),
        at,
    )


def give_all(
    hub: DrivingHub,
    client: HubClient,
    shares: Mapping[MemberOutput, float],
    duration_ms: int = 0,
    at: float | None = None,
    still: Callable[[MemberOutput], bool] = lambda place: False,
) -> Outcome:
    """The same for several. One that was too late for its time gets its value now, if `still` says
    that it is the newest. Raises DeviceError if none of them could be told."""
    under_way: list[tuple[str, Outcome]] = []
    refused: list[DeviceError] = []
    for place, share in shares.items():
        name = place[0].shown_name
        try:
            outcome = give(hub, client, place, share, duration_ms, at) or settled()
        except DeviceError as error:
            refused.append(error)
            continue
        if at is not None:
            now = partial(give, hub, client, place, share, duration_ms)
            outcome = _or_late(outcome, partial(still, place), now)
        under_way.append((name, outcome))
    if refused and not under_way:
        raise refused[0]
    return together(under_way, refused)


def _or_late(
    outcome: Outcome, still: Callable[[], bool], now: Callable[[], Outcome | None]
) -> Outcome:
    """`outcome`, or if that was too late for its time and is `still` wanted, that of `now`."""
    whole = Outcome()

    def ended(done: Outcome) -> None:
        error = None if done.cancelled() else done.exception()
        if whole.done():
            return  # whoever waited has given up
        if done.cancelled():
            whole.cancel()
        elif error is None:
            whole.set_result(done.result())
        else:
            whole.set_exception(error)
            whole.exception()  # nobody has to look

    def first(done: Outcome) -> None:
        error = None if done.cancelled() else done.exception()
        again = done
        if isinstance(error, HardwareError) and error.reason is ErrorCode.LATE and still():
            with suppress(DeviceError):
                again = now() or settled()
        if again is done:
            ended(done)
        else:
            again.then(ended)

    outcome.then(first)
    return whole


def stop_all(
    hub: DrivingHub, client: HubClient, devices: Iterable[tuple[Device, Iterable[int] | None]]
) -> Outcome:
    """Stop these features of each, None for all of a device. Never raises."""
    under_way: list[tuple[str, Outcome]] = []
    refused: list[DeviceError] = []
    for device, features in devices:
        for feature in (None,) if features is None else features:
            command = StopCmd(
                id=1,
                device_index=device.index,
                feature_index=UNSET if feature is None else feature,
                inputs=False,
            )
            try:
                stops = hub.stop(client, command)
            except DeviceError as error:  # it has gone; its relay has stopped it
                refused.append(error)
                continue
            under_way += [(device.shown_name, each) for each in stops]
    return together(under_way, refused)


def together(
    outcomes: Sequence[tuple[str, Outcome]], refused: Sequence[DeviceError] = ()
) -> Outcome:
    """One outcome for all: taken when each is, failed with the words of the first that failed."""
    whole = Outcome()
    left = len(outcomes)

    def ended() -> None:
        if whole.done():
            return  # whoever waited has given up
        errors = [str(error) for error in refused]
        fates: set[Fate] = set()
        reason = ErrorCode.REFUSED
        for name, each in outcomes:
            error = None if each.cancelled() else each.exception()
            if each.cancelled() or error is not None:
                errors.append(f"{name}: {error or 'given up'}")
                reason = getattr(error, "reason", reason)
            else:
                fates.add(each.result())
        if errors:
            whole.set_exception(HardwareError(reason, errors[0]))
            whole.exception()  # nobody has to look
        else:
            whole.set_result(fates.pop() if len(fates) == 1 else Fate.TAKEN)

    def one_ended(_: Outcome) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            ended()

    if not outcomes:
        ended()
    for _, outcome in outcomes:
        outcome.then(one_ended)
    return whole
