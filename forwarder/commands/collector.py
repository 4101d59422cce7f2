"""What programs that serve ask of Python's collector of circles."""

from __future__ import annotations

import gc


def keep() -> None:
    """What was loaded stays loaded: the collector would go through all of it again and again, 30 ms
    each time, in which nobody is served (`make hostile`: 52 ms at worst with it, 10 without)."""
    gc.collect()
    gc.freeze()
    # What is left to go through is little. aiohttp leaves 12 KiB in circles for each websocket that
    # a stranger opened: by default a thousand of them are waited for, before they are taken away.
    gc.set_threshold(700, 10, 3)
