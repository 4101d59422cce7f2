"""Times and bounds of the table of peripherals: each with its unit and its reason."""

from __future__ import annotations

# --- attempt -------------------------------------------------------------------------------------

# Tries to disconnect what nobody wants, LET_GO_S each: a radio that takes none of them for so long
# is in more trouble than this, and is asked once more when the relay ends.
LET_GO_TRIES = 10


# --- table ---------------------------------------------------------------------------------------

# What was connected for its debt alone is offered to the hub for so long (s): a hub that wants it
# says so in half a second, and BlueZ needs two to let it go.
OFFER_S = 3.0
