"""Writes vectors.json, to which the patterns of the hub and of the pages are held:
`python -m tests.forwarder.play.make_vectors`."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from forwarder.play.patterns import PATTERNS, level, loop, place, rescaled, steps

VECTORS = Path(__file__).with_name("vectors.json")


def vectors() -> dict[str, Any]:
    random = Random(12)
    levels, steps_of, places, scaled = [], [], [], []
    for name in ("heartbeat", "loop", "pulse", "ramp", "wave"):
        for _ in range(40):
            points = [round(random.random(), 2) for _ in range(random.randrange(1, 9))]
            seconds, speed = round(random.uniform(0, 30), 3), round(random.uniform(0.25, 4), 2)
            strength, turn = round(random.random(), 2), round(random.uniform(0.25, 8), 2)
            pattern = loop(points, turn) if name == "loop" else PATTERNS[name]
            one: dict[str, Any] = {"pattern": name, "seconds": seconds, "speed": speed}
            if name == "loop":
                one |= {"points": points, "turn_s": turn}
            one |= {"strength": strength, "level": level(pattern, seconds, speed, strength)}
            levels.append(one)
    for _ in range(80):
        part = random.choice((0, 1, -1, 0.004, 0.006, -0.3, round(random.uniform(-1, 1), 3)))
        low, high = random.choice(((0, 20), (0, 1), (-20, 20), (0, 100), (-5, 5)))
        steps_of.append([part, low, high, steps(part, low, high)])
        low, high = random.choice(((0, 99), (0, 1), (20, 80)))
        places.append([abs(part), low, high, place(abs(part), low, high)])
        before, after = round(random.uniform(0.25, 4), 2), round(random.uniform(0.25, 4), 2)
        scaled.append([part + 2, before, after, rescaled(part + 2, before, after)])
    return {"levels": levels, "steps": steps_of, "places": places, "rescaled": scaled}


def text() -> str:
    return json.dumps(vectors(), indent=None, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(text(), encoding="utf-8")
