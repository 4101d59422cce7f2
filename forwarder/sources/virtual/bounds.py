"""Times and bounds of groups and stand-ins: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- source --------------------------------------------------------------------------------------

# A group that comes back as more is away for so long: each app has its list without it by then.
AWAY_S = 0.25


# --- stand in ------------------------------------------------------------------------------------

# A movement over the whole range within this time is as strong as it gets: scripts for strokers
# rarely ask for more than two strokes a second.
FULL_S: Final = 0.25
# Positions without a time are as far apart as they come, but no less and no more than this.
LEAST_S: Final = 0.02
MOST_S: Final = 1.0
# Scripts send the next movement when the last one ends: not at rest in between.
LINGER_S: Final = 0.15
# One way of a stroke at the least and at the highest level.
SLOWEST_S: Final = 2.0
FASTEST_S: Final = 0.3
# What a script may say of one movement.
LONGEST_MS: Final = 60_000
