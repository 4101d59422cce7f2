"""Times and bounds of what the wearer sees and says: each with its unit and its reason."""

from __future__ import annotations

# --- audit ---------------------------------------------------------------------------------------

# Bytes of both files together: at about 100 bytes an event, the last 20,000 events.
MOST_BYTES = 2_000_000


# --- console -------------------------------------------------------------------------------------

# How often (s) the picture is renewed: a glance takes longer.
EVERY_S = 0.5
# Characters of one log line that are shown.
MOST_LOG = 500


# --- control -------------------------------------------------------------------------------------

# A line holds a word and a token; a status of 16 peripherals about 4 KB.
MOST_REQUEST_BYTES = 4096
# Somebody who connects and says nothing is let go after this (s); a program answers at once.
REQUEST_S = 10.0
# Open connections: a command, a few buttons.
MOST_CLIENTS = 8
# How long (s) "stop" waits for the radio before it says how that went.
STOPPED_S = 2.0
# What the asking side waits (s): the above, and a busy machine.
ANSWER_S = 5.0
