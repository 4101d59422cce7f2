"""Which relay opens a toy: every relay judged, with its score or with what is in the way. Sans-I/O.

Rules, each a test in tests/forwarder/sources/relays/choosing/test_choice.py:

1. One decision, told whole: what is chosen, logged, shown and given as the reason why a toy is not
   here are the same verdicts.
2. A toy that is connected is never judged: nothing moves it while it is.
3. Lost, it goes back to the relay that had it unless that one cannot, or another is better by more
   than noise and load (relay.radio.score). So that this needs no luck, the one that had it gets
   AGAIN_S to hear it; where it is away, off, stopped or full nobody waits for it.
4. A place is taken from the Connect until the relay has said that the toy is let go. So no relay
   ever has more than it said, and a place that became free is used at once, by whoever waited.
5. Where a connect hangs nobody else is sent while another relay hears the toy; and a toy that hangs
   gives its place up to one that waits for it.
6. A wearer's stop and a person's pin are stronger than any score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from forwarder.sources.relays.bounds import AGAIN_S, GATHER_S
from forwarder.sources.relays.choosing.pins import Pinned
from forwarder.sources.relays.choosing.sightings import Sighting
from relay.radio.score import Score, score


class Obstacle(StrEnum):
    """Why a relay cannot open a toy now; the first that holds."""

    WEARER = "wearer"  # another relay's wearer stopped or paused it
    PIN = "pin"  # a person decided so
    AWAY = "away"  # the relay is not linked
    RADIO = "radio"  # its radio does not work
    UNHEARD = "unheard"  # it has not heard the toy lately
    BLOCKED = "blocked"  # its own wearer stopped or paused it
    ELSEWHERE = "elsewhere"  # something else had it connected; again at `RelayVerdict.until`
    FAILED = "failed"  # it tried; again at `RelayVerdict.until`
    FULL = "full"  # no free place


class Post(Struct, frozen=True, gc=False):
    """One relay as it is now. `off`: why its radio does not work. `blocked`: by its wearer, in
    words. `free`: places. `connects_s`: how long each connect in progress there has taken."""

    key: str
    name: str
    linked: bool = True
    off: str | None = None
    blocked: str | None = None
    free: int = 1
    connects_s: tuple[float, ...] = ()


class RelayVerdict(Struct, frozen=True, gc=False):
    """One relay about one toy. `why`: the obstacle in words. `until`: loop time of the next try."""

    post: Post
    score: Score
    obstacle: Obstacle | None = None
    why: str = ""
    until: float = 0.0

    def __str__(self) -> str:
        return f"{self.post.name}: {self.why or self.score}"


@dataclass(frozen=True, slots=True)
class WearerKeeps:
    """A wearer keeps the toy at the relay `key`; `why` in words."""

    key: str
    why: str


def judge(
    sighting: Sighting, post: Post, pinned: Pinned, held: WearerKeeps | None, now: float
) -> RelayVerdict:
    """What becomes of the toy at this relay, if it were opened at `now`."""
    tries = sighting.tries(post.key)
    told = score(
        sighting.level(post.key),
        failures=tries.failures,
        failed_s=now - tries.failed_at,
        connects_s=post.connects_s,
        free=max(0, post.free),
        kept=sighting.last == post.key,
        preferred=pinned.preferred,
    )

    def no(obstacle: Obstacle, why: str, until: float = 0.0) -> RelayVerdict:
        return RelayVerdict(post, told, obstacle, why, until)

    if held is not None and held.key != post.key:
        return no(Obstacle.WEARER, held.why)
    if pinned.may_not is not None:
        return no(Obstacle.PIN, pinned.may_not)
    if not post.linked:
        return no(Obstacle.AWAY, "it is away")
    if post.off is not None:
        return no(Obstacle.RADIO, post.off or "its radio is off")
    if not sighting.fresh(post.key, now):
        return no(Obstacle.UNHEARD, "it does not hear the toy")
    if post.blocked is not None:
        return no(Obstacle.BLOCKED, post.blocked)
    if tries.not_before > now:
        obstacle = Obstacle.ELSEWHERE if tries.elsewhere else Obstacle.FAILED
        return no(obstacle, tries.why, tries.not_before)
    if post.free <= 0:
        return no(Obstacle.FULL, "all its places are taken")
    return RelayVerdict(post, told)


def ranked(verdicts: Iterable[RelayVerdict]) -> tuple[RelayVerdict, ...]:
    """Best first; those that cannot come last. Equals by key, so that nothing is by chance."""
    by_key = sorted(verdicts, key=lambda one: one.post.key)
    return tuple(
        sorted(by_key, key=lambda one: (one.obstacle is None, one.score.rank), reverse=True)
    )


def patience_s(sighting: Sighting, verdicts: Sequence[RelayVerdict]) -> float:
    """How long to wait for who might do better, now that the first has heard the toy."""
    could = [one for one in verdicts if one.obstacle in (None, Obstacle.UNHEARD)]
    if len(could) < 2:
        return 0.0
    last = next((one for one in could if one.post.key == sighting.last), None)
    if last is not None and last.obstacle is Obstacle.UNHEARD and last.post.free > 0:
        return AGAIN_S
    if last is not None and last.obstacle is None:
        return 0.0  # it had it, and hears it: others would have to be better by a room or two
    return GATHER_S


def gives_way(verdicts: Iterable[RelayVerdict]) -> str | None:
    """Key of a relay that hears the toy, is full, and where a connect hangs: that one gives its
    place up."""
    full = (one for one in verdicts if one.obstacle is Obstacle.FULL and one.score.hangs)
    return next((one.post.key for one in full), None)
