"""The source of virtual devices: watches which real ones are here, announces what is made of them.

It is one client of the hub, by which all virtual devices drive: listed as "Groups and stand-ins",
muted like any app. It never sees what it made itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from forwarder.buttplug.messages import InputType
from forwarder.definitions.limits import build_features
from forwarder.errors import DeviceError
from forwarder.hub.client import ClientGrant, HubClient
from forwarder.hub.device import Device, Identity
from forwarder.sources.base import DeviceSink, HeldBack
from forwarder.sources.virtual.bounds import AWAY_S
from forwarder.sources.virtual.group import GroupDriver
from forwarder.sources.virtual.members import (
    PROTOCOL,
    DrivingHub,
    PassedOn,
    chosen,
    is_real,
    stop_all,
)
from forwarder.sources.virtual.stand_in import Role, StandInDriver

log = logging.getLogger(__name__)

NAME = "Groups and stand-ins"


@dataclass(frozen=True, slots=True)
class GroupRule:
    """`devices`: see `members.chosen`."""

    name: str
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandInRule:
    device: str
    role: Role
    low: float = 0.0
    high: float = 1.0


class VirtualSource:
    """Implements Source, and HubClient: by it the members are driven."""

    name = NAME
    version: int | None = None
    grant: ClientGrant | None = None
    hub_id: str | None = None

    def __init__(
        self,
        hub: DrivingHub,
        sink: DeviceSink,
        groups: Sequence[GroupRule],
        stand_ins: Sequence[StandInRule],
    ) -> None:
        self._hub = hub
        self._sink = sink
        self._groups = [_Group(rule, hub, self) for rule in groups]
        self._stand_ins = [_StandIns(rule, hub, self) for rule in stand_ins]
        self._due: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None

    # --- HubClient ------------------------------------------------------------------------------

    def devices_changed(self) -> None:
        # Not at once: the hub is in the middle of telling everybody.
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._look)

    def scanning_finished(self) -> None:
        pass

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        pass

    def trouble(self, error: DeviceError) -> None:
        log.info("%s: %s", NAME, error)

    def dismiss(self, reason: str) -> None:
        """A part of the hub can only rest: what it drives has been stopped."""
        for stand_in in self._stand_ins:
            stand_in.rest()

    # --- Source ---------------------------------------------------------------------------------

    def scan(self, on: bool) -> None:
        if on:
            # Nothing to wait for here. Not at once: whoever asked must get its answer first.
            asyncio.get_running_loop().call_soon(self._sink.scan_ended, self)

    def hold_changed(self) -> None:
        for stand_in in self._stand_ins:
            stand_in.rest()

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return ()

    def _look(self) -> None:
        self._due = None
        real = [device for device in self._hub.devices.values() if is_real(device)]
        again = [group.look(real, self._sink) for group in self._groups]
        for stand_in in self._stand_ins:
            stand_in.look(real, self._sink)
        due = min((at for at in again if at is not None), default=None)
        if due is not None and self._later is None:
            self._later = asyncio.get_running_loop().call_at(due, self._look_again)

    def _look_again(self) -> None:
        self._later = None
        self._look()


class _Group:
    """One group, here as long as one of its members is."""

    def __init__(self, rule: GroupRule, hub: DrivingHub, client: HubClient) -> None:
        self._rule = rule
        self._hub = hub
        self._client = client
        self._driver = GroupDriver(hub, client)
        self._device: Device | None = None
        # It has left to come back as more, no sooner than this (loop time).
        self._away_until = float("-inf")

    def look(self, real: Sequence[Device], sink: DeviceSink) -> float | None:
        """See who is here; returns when (loop time) to look again, whoever comes."""
        now = asyncio.get_running_loop().time()
        members = tuple(chosen(real, self._rule.devices))
        # Still here, and not named any more: a person has given it another name.
        left = [one for one in self._driver.members if one in real and one not in members]
        _stop_own(self._hub, self._client, left)
        self._driver.members = members
        features = build_features(self._driver.definition(self._rule.name))
        if not features:
            if self._device is not None:
                device, self._device = self._device, None
                sink.remove(device, "none of its toys is here")
        elif self._device is None:
            if now < self._away_until:
                return self._away_until
            self._device = Device(
                Identity(f"group/{self._rule.name}", PROTOCOL),
                self._rule.name,
                features,
                self._driver,
                source=NAME,
                truth=PassedOn(lambda: self._driver.running),
            )
            sink.add(self._device)
        elif [each.info for each in features] != list(self._device.features):
            kinds = {each.info.feature_index for each in features}
            if kinds > set(self._device.feature_indexes) and not self._driver.running:
                # Apps look at what a device offers when it comes, and never again.
                device, self._device = self._device, None
                self._away_until = now + AWAY_S
                sink.remove(device, "it has more to offer now, and comes back")
                return self._away_until
            self._device.replace_features(features)
            sink.changed(self._device)
        return None


class _StandIns:
    """The toys that one rule names, each with its stand-in."""

    def __init__(self, rule: StandInRule, hub: DrivingHub, client: HubClient) -> None:
        self._rule = rule
        self._hub = hub
        self._client = client
        self._made: dict[Device, tuple[Device, StandInDriver]] = {}

    def look(self, real: Sequence[Device], sink: DeviceSink) -> None:
        wanted = chosen(real, (self._rule.device,))
        for member in [each for each in self._made if each not in wanted]:
            device, driver = self._made.pop(member)
            driver.gone()
            if member in real:
                _stop_own(self._hub, self._client, [member])
            sink.remove(device, f"{member.shown_name} is gone")
        for member in wanted:
            if member not in self._made:
                self._add(member, sink)

    def _add(self, member: Device, sink: DeviceSink) -> None:
        rule = self._rule
        driver = StandInDriver(self._hub, self._client, rule.role, rule.low, rule.high)
        if not driver.fits(member):
            return
        driver.member = member
        name = f"{member.shown_name} as a {rule.role.value}"
        identity = Identity(f"{rule.role.value}/{member.identity.address}", PROTOCOL)
        device = Device(
            identity,
            name,
            build_features(driver.definition(name)),
            driver,
            source=NAME,
            truth=PassedOn(lambda: driver.running),
        )
        driver.on_ended = partial(sink.stopped, device)
        self._made[member] = device, driver
        sink.add(device)

    def rest(self) -> None:
        for _, driver in self._made.values():
            driver.rest()


def _stop_own(hub: DrivingHub, client: HubClient, devices: Sequence[Device]) -> None:
    """Stop what virtual devices drive of these."""
    for device in devices:
        features = [index for index, owner in hub.owners(device).items() if owner is client]
        if features:
            stop_all(hub, client, [(device, features)])
