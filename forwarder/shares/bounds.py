"""Times and bounds of guests: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- accepted ------------------------------------------------------------------------------------

ACCEPTED_MOST: Final = 16
# A person waits for it: all places, and the sharer's first word.
ACCEPT_S: Final = 12.0
# A share that is over may be lengthened under the same link.
OVER_S: Final = 600.0
NAME_CHARS: Final = 64


# --- channel -------------------------------------------------------------------------------------

# A page says three words a second, and a hub three for each of its kinds; more is neither.
WORDS_S: Final = 50


# --- dialer --------------------------------------------------------------------------------------

# Three words may be lost or late before the lease ends.
RENEW_S: Final = 0.3


# --- sessions ------------------------------------------------------------------------------------

# Quick enough to seem at once.
LOOK_S: Final = 0.2
# The last word has so long to leave.
BYE_S: Final = 1.0


# --- wearers -------------------------------------------------------------------------------------

# Twice a second at most, says the link.
EVERY_S: Final = 0.5
WEARERS_MOST: Final = 64


# --- words ---------------------------------------------------------------------------------------

# Longest frame that is put together again: a list of all devices that a hub can have.
MAX_WHOLE_BYTES: Final = 1 << 20
