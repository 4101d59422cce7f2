"""Times and bounds of what is looked at: each with its unit and its reason."""

from __future__ import annotations

# --- examine -------------------------------------------------------------------------------------

# A hub that answers does so at once; a place that swallows packets is given up.
REACH_S = 8.0


# --- findings ------------------------------------------------------------------------------------

# Longer than any sentence of ours with two paths in it.
MOST_CHARS = 500
# Shorter words are parts of others: they are looked for as words of their own.
PART_CHARS = 4


# --- machine -------------------------------------------------------------------------------------

# Less than that (bytes), and files that grow soon cannot be written: a log, a trace.
LOW_SPACE = 16 << 20
# The end of the year 9999, the last that Python has.
LAST_TIME = 253_402_300_799.0
ASK_S = 3.0
