"""Times and bounds of other servers as a source: each with its unit and its reason."""

from __future__ import annotations

# --- driver --------------------------------------------------------------------------------------

# A feature's next value waits for the answer to the one before, so that a slow server gets the
# newest instead of a backlog; but not longer than this, for some servers lose answers.
ANSWER_S = 0.5
# Reads go over the other server's radio.
READ_S = 8.0
# A stop that failed is tried again so often, with so long between.
STOP_TRIES = 3
STOP_AGAIN_S = 0.2
CLOSE_S = 1.0


# --- source --------------------------------------------------------------------------------------

# More than any house has; a server that lists more is broken, and each costs memory.
MAX_DEVICES = 128
