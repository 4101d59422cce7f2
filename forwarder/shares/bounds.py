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


# --- lease ---------------------------------------------------------------------------------------

# Off within a second includes the way to the toy.
LEASE_S: Final = 0.9
# Three words may be lost or late before it ends.
RENEW_S: Final = 0.3
# From the hub's answer to a word until a word that knows of it: a round trip as the link allows it
# (1.2 s), and the pause between two words. What is slower from its beginning, so that nothing of it
# is late, drives nothing.
ANSWER_S: Final = 1.5
# Answers that are remembered: more than fit into that time.
ANSWERS_MOST: Final = 96
# Words that come late for so long will not come in time any more: the page's clock stood still (a
# laptop slept), or the way has become slower. A new connection compares the clocks anew; this one
# may not, for the first word of a burst would make all of it look fresh.
HOPELESS_S: Final = 2.0


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
