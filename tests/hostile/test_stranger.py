"""What was found at the doors holds, tried by sockets at a hub as a person starts it."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.hostile.stranger import TRIES, house


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the hub in /proc")
async def test_what_a_stranger_tries_at_the_doors_does_no_harm() -> None:
    async with house() as it:
        for name, attempt in TRIES.items():
            came, wanted = await asyncio.to_thread(attempt, it)
            assert came == wanted, name
        assert await it.second() == 2
        assert "Traceback" not in it.program.output.read_text()
