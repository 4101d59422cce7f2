"""What the API says of patterns that run in the hub, and does with them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from forwarder.api.access import Call
from forwarder.api.bounds import STOP_S
from forwarder.api.documents.plays import PlayBody, PlayChange, PlayedOn, PlayView
from forwarder.clients.bounds import LEASE_S
from forwarder.errors import HardwareError, MessageError
from forwarder.play.driver import PlayState
from forwarder.play.outputs import OutputChoice
from forwarder.play.play import PlaySetting, Renewal
from forwarder.play.plays import Plays
from relay.link.messages import ErrorCode


class PlayActions:
    """Each method is one route's."""

    def __init__(self, plays: Plays) -> None:
        self._plays = plays

    async def plays(self, call: Call) -> tuple[PlayView, ...]:
        return tuple(map(_view, self._plays.states))

    async def start(self, call: Call) -> PlayView:
        body = call.sent(PlayBody)
        if body.stays and body.for_s is None:
            raise MessageError("A pattern that goes on by itself needs for_s: for how long.")
        setting = PlaySetting(
            pattern=body.pattern,
            points=body.points,
            turn_s=body.turn_s,
            speed=body.speed,
            strength=body.percent / 100,
            backwards=body.backwards,
            low=body.low / 100,
            high=body.high / 100,
        )
        choices = [OutputChoice(one.device, one.feature, one.type) for one in body.outputs]
        state = self._plays.start(
            setting, choices, for_s=body.for_s, stays=body.stays, begun_ms=body.at
        )
        return _view(state)

    async def change(self, call: Call) -> PlayView:
        id, body = call.path["id"], call.sent(PlayChange)
        if body.stays and body.for_s is None:
            raise MessageError("A pattern that goes on by itself needs for_s: for how long.")
        if body.heard is not None and body.at is None:
            raise MessageError("What was heard says nothing without at: when this was sent.")
        word = None if body.at is None else Renewal(body.at, body.heard)
        self._plays.change(id, _changed(self._plays.state(id).setting, body), word)
        if body.for_s is not None:
            self._plays.give(id, for_s=body.for_s, stays=body.stays)
        return _view(self._plays.state(id))

    async def end(self, call: Call) -> None:
        id = call.path["id"]
        name = self._plays.state(id).name
        outcomes = self._plays.end(id)
        if not outcomes:
            return
        done, late = await asyncio.wait(outcomes, timeout=STOP_S)
        for outcome in done:
            if not outcome.cancelled() and (error := outcome.exception()) is not None:
                reason = error.reason if isinstance(error, HardwareError) else ErrorCode.REFUSED
                raise HardwareError(reason, f"{name} ended, and not all that it drove: {error}")
        if late:
            text = f"{name} ended; not every toy confirmed that in time, the relays go on trying."
            raise HardwareError(ErrorCode.TIMEOUT, text)

    def close(self) -> None:
        """The hub ends."""
        self._plays.close()


def _changed(old: PlaySetting, body: PlayChange) -> PlaySetting:
    changes: dict[str, Any] = {}
    if body.pattern is not None:
        changes |= {"pattern": body.pattern, "points": ()}
    if body.percent is not None:
        changes["strength"] = body.percent / 100
    for name in ("points", "turn_s", "speed", "backwards"):
        if (value := getattr(body, name)) is not None:
            changes[name] = value
    for name in ("low", "high"):
        if (percent := getattr(body, name)) is not None:
            changes[name] = percent / 100
    return replace(old, **changes) if changes else old


def _view(state: PlayState) -> PlayView:
    setting = state.setting
    return PlayView(
        id=state.id,
        name=state.name,
        pattern="loop" if setting.points else setting.pattern,
        points=setting.points,
        turn_s=setting.turn_s,
        speed=setting.speed,
        percent=round(100 * setting.strength, 1),
        backwards=setting.backwards,
        low=round(100 * setting.low, 1),
        high=round(100 * setting.high, 1),
        outputs=tuple(PlayedOn(device=d, feature=f) for d, f in state.outputs),
        stays=state.stays,
        left_s=None if state.left_s is None else round(state.left_s, 1),
        lease_s=LEASE_S,
    )
