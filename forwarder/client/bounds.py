"""Times and bounds of the Python client: each with its unit and its reason."""

from __future__ import annotations

# --- events --------------------------------------------------------------------------------------

# Events kept for a reader that is behind; then the oldest readings are dropped first.
MAX_EVENTS = 256


# --- session driver ------------------------------------------------------------------------------

# A server that does not take a frame for so long is stuck.
SEND_S = 5.0
# A list of devices costs as much as so many other messages.
LIST_COST = 20
