"""`PlayDriver`: one play as a client of the hub, so that limits, ceilings, mutes and stops hold."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from forwarder.buttplug.messages import InputType, StopCmd
from forwarder.devices.driver import Outcome, worked
from forwarder.devices.moments import common_time
from forwarder.errors import DeviceError, HardwareError, HeldByPerson
from forwarder.hub.client import ClientGrant, HubClient
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.play.outputs import PlayedOutput
from forwarder.play.play import TICK_S, PatternPlay, PlaySetting
from relay.link.messages import ErrorCode

log = logging.getLogger(__name__)

# What was not carried out for want of room or time is said again by the next tick.
_AGAIN: Final = (ErrorCode.LATE, ErrorCode.CONGESTED)


@dataclass(frozen=True, slots=True)
class PlayState:
    """`outputs`: device and feature. `left_s`: how long it may still go on, None without a bound;
    unless it `stays`, its page has to say that it is there all the same."""

    id: str
    name: str
    setting: PlaySetting
    outputs: tuple[tuple[int, int], ...]
    stays: bool
    left_s: float | None


class PlayDriver:
    """Implements HubClient. `ended`: why it is over; `refusal`: what the hub said to that."""

    version: int | None = None
    grant: ClientGrant | None = None
    hub_id: str | None = None
    kind: Final = "pattern"

    def __init__(
        self,
        hub: Hub,
        id: str,
        play: PatternPlay,
        outputs: Sequence[PlayedOutput],
        over: Callable[[PlayDriver], None],
    ) -> None:
        self.id = id
        self.play = play
        self.ended: str | None = None
        self.refusal: DeviceError | None = None
        self._hub = hub
        self._outputs = list(outputs)
        self._over = over

    def __repr__(self) -> str:
        return f"<PlayDriver {self.name}>"

    # --- HubClient ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return f"{self.play.setting.turning.name} (pattern)"

    def devices_changed(self) -> None:
        """The next tick looks."""

    def scanning_finished(self) -> None:
        pass

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        pass

    def trouble(self, error: DeviceError) -> None:
        log.info("%s: %s", self.name, error)

    def dismiss(self, reason: str) -> None:
        self.end(reason)

    # --- playing --------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Tell each output what it is at now; or end, if it may not go on. Never raises."""
        if self.ended is not None:
            return
        if now >= self.play.ends_at:
            self.end("its time is over" if now >= self.play.until else "its page is gone")
            return
        held = self._hub.hold.refusal(self.name, None)
        if held is not None:
            # A person's stop and a mute let offs pass; to begin again behind them is not for this.
            self.refusal = HeldByPerson(held)
            self.end(held)
            return
        try:
            self._tell(now)
        except Exception:
            # A fault boundary: what it told last must not go on because of a bug.
            log.exception("%s ended", self.name)
            self.end("an error in the hub, see its log")

    def _tell(self, now: float) -> None:
        devices = {output.device for output in self._outputs}
        owners = {device: self._owners(device) for device in devices}
        self._outputs = [
            output
            for output in self._outputs
            if not output.driven or owners[output.device].get(output.feature) is self
        ]
        at = common_time({output.device for output in self._outputs}, now)
        level = self.play.at(now if at is None else at)
        # A radio that does not keep up gets no queue: the next tick says what it is at by then.
        most = 1 if at is None else 1 + math.ceil((at - now) / TICK_S)
        # All of a device wait for each other: some share packets, of which the newest holds.
        busy = {output.device for output in self._outputs if output.under_way >= most}
        for output in tuple(self._outputs):
            if output.device in busy:
                continue
            command = output.command(self.play.setting, level, now)
            if command is None:
                continue
            try:
                outcome = self._hub.output(self, command, at)
            except DeviceError as error:
                self._drop(output, error)
                continue
            output.driven = True
            # Not before: one that was refused everything drives nothing.
            self._hub.join(self)
            if outcome is not None:
                output.under_way += 1
                outcome.add_done_callback(partial(self._answered, output))
        self._end_if_empty()

    def _owners(self, device: Device) -> dict[int, HubClient]:
        """Feature → who drives it; nobody where it has gone, whoever has its index now."""
        here = self._hub.devices.get(device.index) is device
        return self._hub.owners(device) if here else {}

    def _answered(self, output: PlayedOutput, done: Outcome) -> None:
        output.under_way -= 1
        if worked(done) or output not in self._outputs:
            return
        error = None if done.cancelled() else done.exception()
        if isinstance(error, HardwareError) and error.reason in _AGAIN:
            output.forget()
            return
        self._drop(output, error if isinstance(error, DeviceError) else None)
        self._end_if_empty()

    def _drop(self, output: PlayedOutput, error: DeviceError | None) -> None:
        """Whoever said no, a person or a radio: it rests, and nothing of it begins again."""
        self._outputs.remove(output)
        self.refusal = error or self.refusal
        if output.driven and self._owners(output.device).get(output.feature) is self:
            device, feature = output.key
            command = StopCmd(id=1, device_index=device, feature_index=feature, inputs=False)
            with suppress(DeviceError):  # such a feature it does not have any more
                self._hub.stop(self, command)

    def _end_if_empty(self) -> None:
        if not self._outputs and self.ended is None:
            self.end("nothing is left that it may play on")

    def end(self, reason: str) -> list[Outcome]:
        """Stop what it drives; the futures tell how that went."""
        if self.ended is not None:
            return []
        self.ended = reason
        log.info("%s ended: %s", self.name, reason)
        self._over(self)
        return self._hub.leave(self)

    def state(self, now: float) -> PlayState:
        until = self.play.until
        return PlayState(
            self.id,
            self.name,
            self.play.setting,
            tuple(output.key for output in self._outputs),
            self.play.stays,
            None if until == float("inf") else max(0.0, until - now),
        )
