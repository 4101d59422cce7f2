"""One play: a pattern on some outputs, for as long as it may go on. Sans-I/O; time comes in.

| Event                                            | Then                                          |
|--------------------------------------------------|-----------------------------------------------|
| begin                                            | every output is told what it is at now        |
| a tick                                           | each output is told what it is at then        |
| pattern, strength, range change                  | the next tick says it                         |
| the speed changes                                | it goes on in the same phase                  |
| its page says that it is still there             | LEASE_S more, from when that was said         |
| its page says so, and knows of no recent answer  | nothing                                       |
| LEASE_S without that, unless it `stays`          | it is over                                    |
| the time that it was given is over               | it is over                                    |
| an output is driven or stopped by anybody else   | that one is out, and is told nothing          |
| an output's device has gone                      | that one is out                               |
| an output is refused, or fails                   | that one is stopped, and out                  |
| an output was too late for its time              | the next tick says it again                   |
| no output is left                                | it is over                                    |
| a person ends it, its page ends it, the hub ends | it is over                                    |

Over is: everything that it drove last is stopped. Nothing of it begins again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from forwarder.clients.bounds import LEASE_S
from forwarder.clients.page_lease import PageLease
from forwarder.play.patterns import PATTERNS, TurningPattern, level, loop, rescaled

# How often outputs are told (s): motors follow no faster, and radios carry ten values a second.
TICK_S: Final = 0.1
# The longest time (s) that a play may be given.
LONGEST_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class PlaySetting:
    """What is played: an id of PATTERNS, or `points` of a loop that somebody drew, one turn of
    which takes `turn_s` at speed 1. `strength`: 0 to 1. `backwards`: where an output has two
    directions. `low`, `high`: the range of strokes, 0 to 1."""

    pattern: str = "steady"
    points: tuple[float, ...] = ()
    turn_s: float = 4.0
    speed: float = 1.0
    strength: float = 0.5
    backwards: bool = False
    low: float = 0.0
    high: float = 1.0

    @property
    def turning(self) -> TurningPattern:
        return loop(self.points, self.turn_s) if self.points else PATTERNS[self.pattern]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A word of a page. `at`: its own clock (ms) when it was sent. `heard`: the newest `at` of this
    play that it had an answer to; None while there is none."""

    at: float
    heard: float | None


class PatternPlay:
    """`stays`: it goes on without its page until the time is over that it was given. `begun_ms`: by
    the page's own clock, when it asked for this."""

    __slots__ = ("_began", "_lease", "_leased_until", "_pattern", "setting", "stays", "until")

    def __init__(
        self,
        setting: PlaySetting,
        now: float,
        *,
        for_s: float | None,
        stays: bool,
        begun_ms: float | None = None,
    ) -> None:
        self.setting = setting
        self._pattern = setting.turning
        self._began = now
        self._leased_until = now + LEASE_S
        self.until = float("inf") if for_s is None else now + min(for_s, LONGEST_S)
        self.stays = stays and for_s is not None
        # None: nobody has said so far when its words were sent.
        self._lease: PageLease | None = None
        if begun_ms is not None:
            self._lease = PageLease()
            self._lease.renew(begun_ms, now, None)

    def change(self, setting: PlaySetting, now: float) -> None:
        old, new = self.setting, setting.turning
        if (setting.pattern, bool(setting.points)) == (old.pattern, bool(old.points)):
            # In the same phase, also of a loop that is being drawn.
            seconds = rescaled(now - self._began, old.speed, setting.speed)
            self._began = now - seconds * new.period / self._pattern.period
        else:
            self._began = now
        self.setting = setting
        self._pattern = new

    def give(self, now: float, *, for_s: float, stays: bool) -> None:
        """Another time to go on, from now. What is over stays so, though no tick has seen it."""
        if now < self.ends_at:
            self.until = now + min(for_s, LONGEST_S)
            self.stays = stays

    def renew(self, now: float, word: Renewal | None = None) -> None:
        """Its page is still there. Likewise. Without `word` how old this is cannot be told; it
        counts as new, unless its page has had words that could be."""
        if now >= self.ends_at:
            return
        if word is None:
            if self._lease is None:
                self._leased_until = now + LEASE_S
            return
        # One that stays may be taken over by another page, which has another clock.
        if self._lease is None or (word.heard is None and self.stays):
            self._lease = PageLease()
        self._lease.renew(word.at, now, word.heard)
        self._leased_until = max(self._leased_until, self._lease.ends)

    @property
    def ends_at(self) -> float:
        """When it is over, if nothing else happens."""
        return self.until if self.stays else min(self.until, self._leased_until)

    def at(self, when: float) -> float:
        """How strong it is then, 0 to 1."""
        setting = self.setting
        return level(self._pattern, when - self._began, setting.speed, setting.strength)
