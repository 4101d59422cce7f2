"""All plays of a hub: each is a client of its own, listed, muted and ended like any app.

One timer wakes for the next tick, or for the end of what may not go on. What goes wrong with a play
ends that play; the hub stops what it drove.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Sequence
from typing import Final

from forwarder.devices.driver import Outcome
from forwarder.errors import MessageError, UnknownPlay
from forwarder.hub.hub import Hub
from forwarder.play.driver import PlayDriver, PlayState
from forwarder.play.outputs import OutputChoice, chosen_outputs
from forwarder.play.play import TICK_S, PatternPlay, PlaySetting, Renewal
from forwarder.sources.virtual.members import is_real

# At the same time: a play for each toy of a large house, and each of its tabs.
MOST_PLAYS: Final = 32


class Plays:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._players: dict[str, PlayDriver] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(
        self,
        setting: PlaySetting,
        choices: Sequence[OutputChoice] = (),
        *,
        for_s: float | None = None,
        stays: bool = False,
        begun_ms: float | None = None,
    ) -> PlayState:
        """Begin to play; every output has been told when this returns. `begun_ms`: by the page's
        own clock, when it asked.

        Raises DeviceError, MessageError, HeldByPerson: nothing plays then.
        """
        if len(self._players) >= MOST_PLAYS:
            raise MessageError(f"{MOST_PLAYS} patterns play already: end one first.")
        now = _now()
        # What is made of other devices moves with them, and is played on by name only.
        real = filter(is_real, self._hub.devices.values())
        outputs = chosen_outputs(self._hub.devices, choices, real)
        play = PatternPlay(setting, now, for_s=for_s, stays=stays, begun_ms=begun_ms)
        player = PlayDriver(self._hub, secrets.token_hex(8), play, outputs, self._over)
        self._players[player.id] = player
        player.tick(now)
        if player.ended is not None:
            raise player.refusal or MessageError(player.ended)
        self._schedule(now)
        return player.state(now)

    def change(self, id: str, setting: PlaySetting, word: Renewal | None = None) -> None:
        """Play this from now on, which its page says, so it is there. Raises UnknownPlay."""
        now = _now()
        player = self._player(id)
        player.play.change(setting, now)
        player.play.renew(now, word)
        self._schedule(now)

    def give(self, id: str, *, for_s: float, stays: bool) -> None:
        """Another time to go on, from now. Raises UnknownPlay."""
        self._player(id).play.give(_now(), for_s=for_s, stays=stays)
        self._schedule(_now())

    def renew(self, id: str, word: Renewal | None = None) -> None:
        """Its page is still there. Raises UnknownPlay."""
        self._player(id).play.renew(_now(), word)

    def state(self, id: str) -> PlayState:
        return self._player(id).state(_now())

    def end(self, id: str) -> list[Outcome]:
        """Stop what it drives; the futures tell how that went. Raises UnknownPlay."""
        return self._player(id).end("it was ended")

    @property
    def states(self) -> tuple[PlayState, ...]:
        now = _now()
        return tuple(player.state(now) for player in self._players.values())

    def close(self) -> None:
        """The hub ends."""
        for player in tuple(self._players.values()):
            player.end("the hub ends")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _player(self, id: str) -> PlayDriver:
        player = self._players.get(id)
        if player is None:
            raise UnknownPlay
        return player

    def _over(self, player: PlayDriver) -> None:
        self._players.pop(player.id, None)

    def _tick(self) -> None:
        self._timer = None
        now = _now()
        try:
            for player in tuple(self._players.values()):
                player.tick(now)
        finally:
            self._schedule(now)

    def _schedule(self, now: float) -> None:
        """All play in the same beat, so that what is told at once leaves at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._players:
            beat = (math.floor(now / TICK_S + 1e-6) + 1) * TICK_S
            due = min(beat, *(player.play.ends_at for player in self._players.values()))
            self._timer = asyncio.get_running_loop().call_at(due, self._tick)


def _now() -> float:
    return asyncio.get_running_loop().time()
