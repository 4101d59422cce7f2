"""Times and bounds of the dongle of Lovense: each with its unit and its reason."""

from __future__ import annotations

# --- messages ------------------------------------------------------------------------------------

# Lines of a dongle are some hundred bytes; what is longer is damage.
LINE_MOST = 4096


# --- radio ---------------------------------------------------------------------------------------

# How often (s) it is looked whether the dongle is there, and the pause before a port that failed is
# tried again.
LOOK_S = 0.3
RETRY_S = 2.0
# A dongle that is told something sooner after it was asked for its state hangs up for good.
FIRST_S = 0.25
# A command has 100 bytes, which take 9 ms at 115,200 baud; the rest is for a machine that is busy.
SEND_S = 1.0
# Least pause (s) between two commands, and how long an answer is waited for: the reference's.
GAP_S = 0.075
ANSWER_S = 0.25
# How long (s) a search that is to end may go on: it says when it is over.
END_SEARCH_S = 0.5
# It has to answer its first question within this time (s), or there is no dongle.
HELLO_S = 2.0
# The first command to a toy makes the link, and is answered by it.
CONNECT_S = 10.0
# Toys that were found are told again so often (s); one that no search found for so long is gone.
TELL_S = 0.5
FRESH_S = 30.0
FOUND_MOST = 64
# A search ends by itself, and says so; one that did not for so long (s) has ended.
SEARCH_MOST_S = 60.0
