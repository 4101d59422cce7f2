"""Times and bounds of where devices come from: each with its unit and its reason."""

from __future__ import annotations

# --- held back -----------------------------------------------------------------------------------

# Remembered of one source; the one longest so is forgotten, and has to be scanned for. A household
# has a dozen.
HELD_BACK_MOST = 64
