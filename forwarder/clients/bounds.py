"""Times and bounds of serving clients: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- driver --------------------------------------------------------------------------------------

# A client that connected and says nothing holds a place for so long.
HANDSHAKE_S = 10.0
# Readings that are taken for one client at a time; the others wait their turn.
READINGS_AT_ONCE = 16
# Outputs and inputs that one client may have under way; beyond it they fail at once, so that a stop
# behind them is still read.
OUTPUTS_UNDER_WAY = 512
# Stops that one client may have waiting for their answers; beyond it its next message waits. It
# bounds what a flood of stops puts on the links, and it costs nobody else anything.
STOPS_UNDER_WAY = 64
# Time for the stops of a client that leaves; the relay's lease ends what they do not reach.
LEAVE_S = 2.0


# --- list limits ---------------------------------------------------------------------------------

# Names of clients that are remembered; the one that refused longest ago is forgotten.
LIST_LIMITS_MOST: Final = 64
# The least that any library reads; what was refused below that was not refused for its length.
LEAST_BYTES: Final = 16 << 10


# --- silence -------------------------------------------------------------------------------------

# Silent for so long: sent a ping, which every websocket library answers by itself.
PING_S: Final = 4.0
# Then what it drives is stopped; whoever wants that within a second has Buttplug's own pings.
BUSY_S: Final = 6.0
GONE_S: Final = 20.0


# --- token sessions ------------------------------------------------------------------------------

# The clock that an expiry is about may be set while a client is connected: look again so often.
LOOK_S = 60.0


# --- page lease ----------------------------------------------------------------------------------

# Off within a second includes the way to the toy.
LEASE_S: Final = 0.9
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
