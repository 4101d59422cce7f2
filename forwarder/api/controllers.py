"""Clients of the hub that are no Buttplug clients: dashboards and scripts. They follow the same
rules: newest command wins, and whatever one of them drove last is stopped when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from forwarder.access.tokens import TokenGrant as TokenGrant
from forwarder.api.bounds import MAX_SCRIPTS, TROUBLES
from forwarder.api.documents.model import OutputBody
from forwarder.buttplug.messages import (
    DeviceFeature,
    InputType,
    OutputCmd,
    OutputRange,
    OutputValue,
    StopCmd,
)
from forwarder.buttplug.noise import NOISE, clamped
from forwarder.devices.driver import Outcome
from forwarder.errors import DeviceError, MessageError, UnknownDevice, UnknownFeature, Unsupported
from forwarder.hub.device import Device
from forwarder.hub.hub import ClientGrant, Hub

log = logging.getLogger(__name__)


class Controller:
    """One of them; implements HubClient. It is in the hub's list while it drives something."""

    version: int | None = None
    hub_id: str | None = None

    def __init__(self, hub: Hub, name: str, kind: str, grant: ClientGrant | None = None) -> None:
        self.name = name
        self.kind = kind
        self.grant = grant
        self.troubles: deque[str] = deque(maxlen=TROUBLES)
        self._hub = hub

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    # --- HubClient ------------------------------------------------------------------------------

    def devices_changed(self) -> None:
        """Dashboards look at the hub themselves."""

    def scanning_finished(self) -> None:
        pass

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        pass

    def trouble(self, error: DeviceError) -> None:
        self.troubles.append(str(error))

    def dismiss(self, reason: str) -> None:
        self.troubles.append(f"What you drove was stopped: {reason}.")
        self._hub.leave(self)

    # --- driving --------------------------------------------------------------------------------

    def output(self, device_index: int, body: OutputBody) -> tuple[list[int], list[Outcome]]:
        """Give the value to every feature it is meant for: which ones, and how that goes.

        Raises DeviceError, MessageError: nothing was sent then.
        """
        commands = self._commands(device_index, body)
        outcomes = []
        for command in commands:
            try:
                outcome = self._hub.output(self, command)
            except DeviceError:
                if command is not commands[0]:
                    # Half of it must not run on, for nobody would know of it.
                    self._hub.leave(self)
                raise
            # Not before: one that was refused drives nothing, and nobody would take it off again.
            self._hub.join(self)
            if outcome is not None:
                outcomes.append(outcome)
        return [command.feature_index for command in commands], outcomes

    def leave(self) -> list[Outcome]:
        """Stop what it drove last."""
        return self._hub.leave(self)

    def _commands(self, device_index: int, body: OutputBody) -> list[OutputCmd]:
        info = self._hub.visible(self).get(device_index)
        if info is None:
            raise UnknownDevice(device_index)
        name = info.device_display_name or info.device_name
        wanted: Sequence[DeviceFeature] = tuple(info.device_features.values())
        if body.feature is not None:
            if body.feature not in info.device_features:
                raise UnknownFeature(name, body.feature)
            wanted = (info.device_features[body.feature],)
        commands = []
        for feature in wanted:
            offered = None if feature.output is UNSET else feature.output.get(body.type)
            if offered is not None:
                value = OutputValue(value=_steps(body, offered), duration=_duration(body, offered))
                commands.append(
                    OutputCmd(
                        id=1,
                        device_index=device_index,
                        feature_index=feature.feature_index,
                        command={body.type: value},
                    )
                )
        if not commands:
            raise Unsupported(f"{name} has no output {body.type} there.")
        return commands


def _steps(body: OutputBody, offered: OutputRange) -> int:
    low, high = offered.value
    if (body.steps is None) == (body.percent is None):
        raise MessageError("Say either steps or percent.")
    if body.steps is not None:
        if not low <= body.steps <= high:
            raise MessageError(f"{body.steps} steps are outside {low}..{high}.")
        return body.steps
    assert body.percent is not None
    percent = clamped(body.percent, -100 if low < 0 else 0, 100)
    if percent is None:
        raise MessageError(f"{body.type} goes in one direction only here: 0 to 100 percent.")
    # Anything above 0 is at least one step: "a little" must not turn into "off".
    steps = round(high * abs(percent) / 100) or (1 if abs(percent) > NOISE else 0)
    return steps if percent >= 0 else -steps


def _duration(body: OutputBody, offered: OutputRange) -> int | UnsetType:
    if offered.duration is UNSET:
        return UNSET
    wanted = body.duration_ms if body.duration_ms is not None else 500
    shortest, longest = offered.duration
    return min(max(wanted, shortest), longest)


class Scripts:
    """Callers without a connection that could end: what they start has a lifetime instead."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._drivers: dict[str, Controller] = {}
        self._timers: dict[tuple[str, int, int], asyncio.TimerHandle] = {}

    def output(
        self, name: str, grant: TokenGrant | None, device_index: int, body: OutputBody
    ) -> tuple[int, list[Outcome]]:
        """Like Driver.output; what it started is stopped after `body.for_ms`."""
        # Names of tokens are unique; the owner's own scripts have none.
        who = "" if grant is None else grant.name
        driver = self._drivers.get(who)
        if driver is None:
            if len(self._drivers) >= MAX_SCRIPTS:
                raise MessageError("Too many scripts drive devices at the same time.")
            driver = Controller(self._hub, name, "script", grant)
        features, outcomes = driver.output(device_index, body)
        self._drivers[who] = driver
        loop = asyncio.get_running_loop()
        for feature in features:
            key = (who, device_index, feature)
            if key in self._timers:
                self._timers[key].cancel()
            self._timers[key] = loop.call_later(body.for_ms / 1000, self._over, key, driver)
        return len(features), outcomes

    def _over(self, key: tuple[str, int, int], driver: Controller) -> None:
        who, index, feature = key
        del self._timers[key]
        device = self._hub.devices.get(index)
        if device is not None and self._hub.owners(device).get(feature) is driver:
            self._hub.stop(driver, StopCmd(id=1, device_index=index, feature_index=feature))
        if not any(timer[0] == who for timer in self._timers):
            self._drivers.pop(who, None)
            driver.leave()

    def end(self, who: str | None = None) -> None:
        """Stop what scripts drive: those with the token `who`, which is gone, or all of them."""
        for other, driver in tuple(self._drivers.items()):
            if who is None or other == who:
                del self._drivers[other]
                driver.leave()
        for key in [key for key in self._timers if who is None or key[0] == who]:
            self._timers.pop(key).cancel()
