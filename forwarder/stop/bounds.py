"""Times and bounds of the person's stop: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- hold ----------------------------------------------------------------------------------------

# Names come from people; more than this is a script gone wrong, and each costs a line everywhere.
MAX_MUTED: Final = 256


# --- hold file -----------------------------------------------------------------------------------

# A disk that has not taken some hundred bytes by then is said to have failed; writing goes on.
SAVE_S = 1.0
# A disk that was full may have room again, and nobody presses anything meanwhile.
AGAIN_S = 10.0
