"""What programs that serve ask of Python's collector of circles: never to look at everything.

It looks at what is new often, and at all that there is now and then: with hundreds of connections,
or thousands of toys, that takes a tenth of a second, in which nobody is served. So what it has
looked at once is set aside, and each look is at what came since. What is in a circle and was set
aside before it ended stays; connections leave none (tests/forwarder/connectors/test_circles.py),
and for the rest everything is looked at while nothing moves.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Literal

from forwarder.commands.bounds import SET_ASIDE_MOST, TIDY_EVERY_S


def keep() -> None:
    """What was loaded stays loaded, and what was looked at once is not looked at again. Called anew
    it looks at everything once more."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 5, 2)
    if _set_aside not in gc.callbacks:
        gc.callbacks.append(_set_aside)


def _set_aside(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


async def tidy(quiet: Callable[[], bool]) -> None:
    """Look at everything while it is `quiet`, if much was set aside since. Until cancelled."""
    before = gc.get_freeze_count()
    while True:
        await asyncio.sleep(TIDY_EVERY_S)
        if gc.get_freeze_count() - before > SET_ASIDE_MOST and quiet():
            keep()
            before = gc.get_freeze_count()
