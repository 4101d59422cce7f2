"""`new_event_loop`: the loop that hub, relay and meeting point run on.

uvloop where there is one: of what a command costs, sockets and timers are the larger part, and it
takes half of asyncio's time for them. It also writes together what one turn of the loop sent.
"""

from __future__ import annotations

try:
    from uvloop import new_event_loop as new_event_loop
except ImportError:  # Windows, and Pythons for which nobody has built it
    from asyncio import (  # type: ignore[assignment]  # both make event loops
        new_event_loop as new_event_loop,
    )
