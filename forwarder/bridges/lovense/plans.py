"""What one device does for one request, as the steps of a program. Pure functions.

Positions have no level: a device that goes to places is moved to and fro instead, the faster the
higher the level, between the ends of its stroke.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from forwarder.bridges.bounds import (
    FASTEST_S,
    FOR_EVER_S,
    LEAST_STEP_S,
    MOST_STEPS,
    PRESET_STEP_S,
    SLOWEST_S,
)
from forwarder.bridges.lovense.commands import (
    INVALID_PARAMETER,
    STROKE,
    UNSUPPORTED,
    FunctionCommand,
    Misunderstood,
    PatternCommand,
    Play,
    Preset,
)
from forwarder.bridges.lovense.toys import movable, resolved
from forwarder.bridges.programs import POSITIONS, ProgramStep, Slot
from forwarder.client.device import RemoteDevice

_PRESETS: Final[Mapping[str, tuple[float, ...]]] = {
    "pulse": (1.0,) * 4 + (0.0,) * 4,
    "wave": tuple(round(0.5 - 0.5 * math.cos(math.tau * i / 30), 2) for i in range(30)),
    "fireworks": (*(round(i / 14, 2) for i in range(15)), 1.0, 0.2, 1.0, 0.2, 1.0, 0.0, 0.0),
    "earthquake": (0.5, 0.9, 0.3, 1.0, 0.6, 0.8, 0.2, 1.0, 0.7, 0.4),
}

PlanSteps = tuple[ProgramStep, ...]


def function(device: RemoteDevice, request: FunctionCommand) -> PlanSteps:
    """Raises Misunderstood if the device has nothing of what is asked."""
    levels: dict[Slot, float] = {}
    moving: list[tuple[list[Slot], float]] = []
    refused: list[Misunderstood] = []
    for action, level in request.levels.items():
        try:
            found = resolved(device, action)
        except Misunderstood as error:
            refused.append(error)
            continue
        if action == "Depth" and found[0][1] in POSITIONS:
            levels |= dict.fromkeys(found, level)
        elif found and found[0][1] in POSITIONS:
            moving.append((found, level))
        else:
            levels |= dict.fromkeys(found, level)
    if not request.levels:
        raise Misunderstood(INVALID_PARAMETER, "Stroke goes together with Thrusting")
    if not levels and not moving:
        raise (
            refused[0]
            if refused
            else Misunderstood(UNSUPPORTED, f"{device.shown_name} has no outputs")
        )
    steps = _strokes(levels, moving, request.stroke or (0.0, 1.0))
    if request.running and request.pause:
        return _looped(steps, request.running, request.pause)
    return steps


def _strokes(
    levels: Mapping[Slot, float],
    moving: Sequence[tuple[list[Slot], float]],
    span: tuple[float, float],
) -> PlanSteps:
    speed = max((level for _, level in moving), default=0.0)
    if not speed:
        return (ProgramStep(FOR_EVER_S, levels),)
    seconds = SLOWEST_S + (FASTEST_S - SLOWEST_S) * speed
    slots = [slot for found, level in moving if level for slot in found]
    return tuple(ProgramStep(seconds, {**levels, **dict.fromkeys(slots, place)}) for place in span)


def _looped(steps: PlanSteps, running: float, pause: float) -> PlanSteps:
    """So long as said, then nothing; movements end where the time does."""
    running, pause = max(running, LEAST_STEP_S), max(pause, LEAST_STEP_S)
    kept: list[ProgramStep] = []
    left = running
    while left >= LEAST_STEP_S and len(kept) < MOST_STEPS:
        step = steps[len(kept) % len(steps)]
        kept.append(ProgramStep(min(step.seconds, left), step.levels))
        left -= kept[-1].seconds
    off = {slot: 0.0 for step in steps for slot in step.levels if slot[1] not in POSITIONS}
    return (*kept, ProgramStep(pause, off))


def pattern(device: RemoteDevice, request: PatternCommand) -> PlanSteps:
    """Raises Misunderstood."""
    found = list(_all_resolved(device, request.actions or ("All",)))
    return _curve(found, request.strengths, request.step_s)


def preset(device: RemoteDevice, request: Preset) -> PlanSteps:
    """Raises Misunderstood."""
    return _curve(resolved(device, "Vibrate"), _PRESETS[request.name], PRESET_STEP_S)


def _all_resolved(device: RemoteDevice, actions: Iterable[str]) -> Iterable[Slot]:
    """What of it the device has; with nothing at all, what moves it. Raises Misunderstood."""
    slots: dict[Slot, None] = {}
    refused: Misunderstood | None = None
    for action in actions:
        if action == STROKE:
            continue
        try:
            slots |= dict.fromkeys(resolved(device, action))
        except Misunderstood as error:
            refused = error
    if not slots and refused is not None:
        raise refused
    return slots or resolved(device, "Vibrate")


def _curve(slots: Sequence[Slot], strengths: Sequence[float], step_s: float) -> PlanSteps:
    """One level after another; positions go there instead."""
    return tuple(ProgramStep(step_s, dict.fromkeys(slots, level)) for level in strengths)


def played(
    device: RemoteDevice, actions: Sequence[tuple[float, float]], request: Play
) -> PlanSteps:
    """Positions over time, from `begin_s` on, after `offset_s`. A device without positions vibrates
    as high as the place is. Raises Misunderstood."""
    try:
        slots = movable(device)
    except Misunderstood:
        slots = resolved(device, "Vibrate")
    steps: list[ProgramStep] = []
    if request.offset_s >= LEAST_STEP_S:
        steps.append(ProgramStep(request.offset_s, {}))
    before = request.begin_s
    for at, place in actions:
        if at - before < LEAST_STEP_S:
            continue
        steps.append(ProgramStep(at - before, dict.fromkeys(slots, place)))
        before = at
    if not steps or not steps[-1].levels:
        raise Misunderstood(INVALID_PARAMETER, "nothing of the pattern is left to play")
    return tuple(steps)
