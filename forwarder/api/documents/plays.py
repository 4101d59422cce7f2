"""Documents of the API about patterns that run in the hub."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from forwarder.api.documents.base import DeviceIndex, Document, RequestBody, Share
from forwarder.buttplug.messages import OutputType
from forwarder.play.patterns import LEAST_SPEED, LOOP_S, MOST_POINTS, MOST_SPEED
from forwarder.play.play import LONGEST_S

PatternName = Literal["steady", "pulse", "wave", "ramp", "heartbeat"]
_Points = Annotated[tuple[Annotated[float, Meta(ge=0, le=1)], ...], Meta(max_length=MOST_POINTS)]
_Turn = Annotated[float, Meta(ge=0.25, le=60)]
_Speed = Annotated[float, Meta(ge=LEAST_SPEED, le=MOST_SPEED)]
_Time = Annotated[float, Meta(gt=0, le=LONGEST_S)]
_ClockMs = Annotated[float, Meta(ge=0, le=2**50)]


class PlayOn(RequestBody, frozen=True):
    """Outputs of a device: of one `feature`, or each; of one `type`, or the first that has a level
    (Vibrate, Oscillate, Rotate, Constrict). Positions are moved by name of their type only."""

    device: DeviceIndex
    feature: DeviceIndex | None = None
    type: OutputType | None = None


class PlayBody(RequestBody, frozen=True):
    """What is played, and on what: without `outputs` on everything real that has a level.

    `points`: a loop that somebody drew, levels spread evenly over one turn of `turn_s` at speed 1,
    in the place of `pattern`. `percent`: how strong. `backwards`: where an output has two
    directions. `low`, `high`: the range of strokes, in percent. Unless it is renewed each 0.9 s it
    is over; with `stays` it goes on for `for_s` without that. `at`: as in PlayChange.
    """

    pattern: PatternName = "steady"
    points: _Points = ()
    turn_s: _Turn = LOOP_S
    speed: _Speed = 1
    percent: Share = 50
    backwards: bool = False
    low: Share = 0
    high: Share = 100
    outputs: tuple[PlayOn, ...] = ()
    for_s: _Time | None = None
    stays: bool = False
    at: _ClockMs | None = None


class PlayChange(RequestBody, frozen=True):
    """What is different from now on; empty: its page is still there. `for_s`: another time to go
    on, from now; `stays` goes with it. A `pattern` ends the drawn loop.

    `at`: when this was sent, in ms of a clock of the sender's own that only goes forward. `heard`:
    the newest `at` of this play that was answered, null while there is none. It renews for 0.9 s
    from when it was sent, and not at all if that answer is older than 1.5 s. Without `at` it counts
    as sent when it arrived: whoever says none waits for each answer before the next. Once a play
    was told an `at`, only what has one renews it.
    """

    pattern: PatternName | None = None
    points: _Points | None = None
    turn_s: _Turn | None = None
    speed: _Speed | None = None
    percent: Share | None = None
    backwards: bool | None = None
    low: Share | None = None
    high: Share | None = None
    for_s: _Time | None = None
    stays: bool = False
    at: _ClockMs | None = None
    heard: _ClockMs | None = None


class PlayedOn(Document, frozen=True):
    device: DeviceIndex
    feature: DeviceIndex


class PlayView(Document, frozen=True):
    """`name`: of its client in the list of clients. `outputs`: those that it still plays on.
    `left_s`: how long it may still go on, null without a bound. Unless it `stays` it has to be
    renewed each `lease_s`."""

    id: str
    name: str
    pattern: str
    points: tuple[float, ...]
    turn_s: float
    speed: float
    percent: float
    backwards: bool
    low: float
    high: float
    outputs: tuple[PlayedOn, ...]
    stays: bool
    left_s: float | None
    lease_s: float
