"""Why a toy that is heard is not connected: one reason, in words that say what to do. Sans-I/O.

Of several reasons the first is told, in the order of `WhyNotHere`: who mends it sees the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from forwarder.sources.relays.choosing.choice import Obstacle, RelayVerdict


class WhyNotHere(StrEnum):
    """`CONNECTED` and `OPENING` are none."""

    CONNECTED = "connected"
    OPENING = "opening"
    LEFT_ALONE = "left_alone"  # it says that it must not be touched
    UNKNOWN = "unknown"  # no definition fits
    DENIED = "denied"
    STOPPED = "stopped"  # a person stopped everything
    NOBODY_SCANS = "nobody_scans"
    FULL = "full"
    ELSEWHERE = "elsewhere"  # something else has it connected
    FAILED = "failed"
    WEARER = "wearer"  # a wearer stopped or paused the relay that has or had it
    PIN = "pin"
    RADIO = "radio"
    UNHEARD = "unheard"  # not any more
    SOON = "soon"


@dataclass(frozen=True, slots=True)
class SeenFacts:
    """What is known of an address. `here`: the index and relay of the device that it is."""

    here: tuple[int, str] | None = None
    opening: bool = False
    left_alone: bool = False
    known: bool = True
    allowed: bool = True
    stopped: bool = False
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class NotHere:
    """`until`: loop time of the next try, None if none is fixed."""

    reason: WhyNotHere
    text: str
    until: float | None = None


# The obstacles that are told, the first of them that a relay has.
_TOLD: tuple[tuple[Obstacle, WhyNotHere], ...] = (
    (Obstacle.FULL, WhyNotHere.FULL),
    (Obstacle.ELSEWHERE, WhyNotHere.ELSEWHERE),
    (Obstacle.FAILED, WhyNotHere.FAILED),
    (Obstacle.BLOCKED, WhyNotHere.WEARER),
    (Obstacle.WEARER, WhyNotHere.WEARER),
    (Obstacle.PIN, WhyNotHere.PIN),
    (Obstacle.RADIO, WhyNotHere.RADIO),
)
_PLAIN = {
    WhyNotHere.OPENING: "It is being connected now.",
    WhyNotHere.LEFT_ALONE: "It says that it must not be touched now, as in a firmware update.",
    WhyNotHere.UNKNOWN: "No definition fits what it advertises. If it is a toy, save a file to fill"
    " in: forwarder seen --save",
    WhyNotHere.DENIED: "Your settings deny it: forwarder devices set INDEX --allow",
    WhyNotHere.STOPPED: "Everything is stopped: resume first.",
    WhyNotHere.NOBODY_SCANS: "Nobody looks for devices: start a scan in your app or on the"
    " dashboard.",
    WhyNotHere.UNHEARD: "No relay hears it any more: switch it on, or bring it nearer.",
    WhyNotHere.SOON: "It is connected when it is heard next.",
}


def why_not_here(facts: SeenFacts, verdicts: Sequence[RelayVerdict]) -> NotHere:
    """The reason, by what all relays say (`choice.judge`)."""
    if facts.here is not None:
        index, relay = facts.here
        return NotHere(WhyNotHere.CONNECTED, f"It is device {index}, at {relay}.")
    for holds, reason in (
        (facts.opening, WhyNotHere.OPENING),
        (facts.left_alone, WhyNotHere.LEFT_ALONE),
        (not facts.known, WhyNotHere.UNKNOWN),
        (not facts.allowed, WhyNotHere.DENIED),
        (facts.stopped, WhyNotHere.STOPPED),
        (not facts.wanted, WhyNotHere.NOBODY_SCANS),
        (any(one.obstacle is None for one in verdicts), WhyNotHere.SOON),
    ):
        if holds:
            return NotHere(reason, _PLAIN[reason])
    for obstacle, reason in _TOLD:
        for verdict in verdicts:
            if verdict.obstacle is obstacle:
                until = verdict.until or None
                return NotHere(reason, f"{verdict.post.name}: {verdict.why}", until)
    return NotHere(WhyNotHere.UNHEARD, _PLAIN[WhyNotHere.UNHEARD])
