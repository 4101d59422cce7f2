"""The page counts leases from when they were given, exactly as the Python relay does."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from relay.link.bounds import LATE_BEATS_S
from relay.link.lease_clock import LeaseClock, left
from tests.doubles.chromium import Page

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

ACTIVE_MS = 900


def beats(random: Random) -> list[tuple[float, int, dict[int, int]]]:
    """(arrival, time_us, leases): a way whose delay jumps and grows, between drifting clocks."""
    found, arrived, sent, delay = [], 0.0, random.uniform(0, 1000), 0.05
    drift = random.uniform(-2e-4, 2e-4)
    for _ in range(200):
        sent += random.choice([0.25, 0.25, 2.5])
        delay = max(0.0, delay + random.choice([0, 0, 0.02, -0.02, 0.7, -0.7]))
        arrived = max(arrived, 7_000 + sent * (1 + drift) + delay)
        leases = {p: random.choice([900, 900, 10_000]) for p in range(random.randint(0, 3))}
        found.append((arrived, int(sent * 1e6), leases))
    return found


def expected(script: list[tuple[float, int, dict[int, int]]]) -> list[Any]:
    clock, late_since, told = LeaseClock(), None, []
    for arrived, sent_us, leases in script:
        rest = left(leases, clock.lateness(sent_us, arrived))
        if len(rest) == len(leases):
            late_since = None
        elif late_since is None:
            late_since = arrived
        useless = late_since is not None and arrived - late_since >= LATE_BEATS_S
        active = any(ms <= ACTIVE_MS for ms in leases.values())
        told.append([active, None if useless else sorted([p, ms] for p, ms in rest.items())])
    return told


async def test_what_is_left_of_leases_is_what_python_leaves(modules: Page) -> None:
    scripts = [beats(Random(seed)) for seed in range(40)]
    told = [expected(script) for script in scripts]
    flat = [each for script in told for each in script]
    assert any(rest is None for _, rest in flat), "some links hold nothing"
    assert any(rest for _, rest in flat)
    given = [[[at, us, list(leases.items())] for at, us, leases in s] for s in scripts]
    got = await modules.evaluate(
        f"""import('/relay/lease_clock.js').then(({{ LeaseClock }}) =>
            {json.dumps(given)}.map(script => {{
                const clock = new LeaseClock();
                return script.map(([at, us, leases]) => {{
                    const rest = clock.left(new Map(leases), us, at, {ACTIVE_MS});
                    return [clock.active, rest && [...rest].sort((a, b) => a[0] - b[0])];
                }});
            }}))"""
    )
    assert got == told
