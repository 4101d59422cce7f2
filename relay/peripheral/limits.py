"""Every time and every bound of a peripheral's machine. Seconds, unless the name says otherwise."""

from __future__ import annotations

# --- leases and clocks ---------------------------------------------------------------------------

# The longest lease while anything may run, and else. These are the relay's own: a hub's Welcome can
# only shorten them. 0.9 and not 1, so that off within a second includes the write.
ACTIVE_S = 0.9
IDLE_S = 10.0
# So long after the hub said that everything is off, the relay writes the armed stop once by itself:
# what a hub says ends no run. Long enough that pauses of a pattern are not interrupted by it.
BREAK_S = 10.0
# A deadline noticed this late means that the event loop stood still: about ten times what a loaded
# single-board computer shows, a quarter of the second within which outputs must be off.
STALL_S = 0.25

# --- values with a time --------------------------------------------------------------------------

# What is decided further ahead than this is refused: no further than a lease lets anything run.
AHEAD_S = 0.9
# A value that is later than this is dropped: toys that move together are to be this close.
LATE_S = 0.005

# --- stopping ------------------------------------------------------------------------------------

# What is under way when a stop comes has so long left: a write to a healthy device is over in two
# or three connection intervals of at most 50 ms, and what hangs must not cost more.
PATIENCE_S = 0.1
# The radio's own time for one packet of a stop. Slow radios were seen to take 0.6 s a write.
PACKET_S = 1.0
# First pause between two attempts at one packet: longer than a connection interval, so that a full
# controller queue has drained. Doubled up to the second value.
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 0.5
# For so long one packet is tried before the peripheral is let go: with the lease before it,
# whatever hangs has been dealt with in 2 s. Who pressed stop wants it stopped rather than lost.
FAILING_S = 1.0
FAILING_EMERGENCY_S = 3.0
# The pauses that a stop asks for, in sum; a longer one is refused when it is armed.
PAUSES_S = 1.0
# The least and the longest pause before packets that nobody acknowledges are written again.
SECOND_ROUND_S = 0.02
SECOND_ROUND_MOST_S = 0.5
# An operation that was cut short may still reach the device; the stop is repeated after this.
STRAGGLER_S = 0.5
# A device that stops by silence may still move for so long; one that moves longer is let go.
SILENCE_S = 1.0
# A peripheral that is let go in order answers at once, but BlueZ waits 2 s before it says so.
LET_GO_S = 2.5
# The program ends: everything together has to be over within two seconds of a signal.
LAST_STOP_S = 0.7
LAST_LET_GO_S = 0.4

# --- the radio -----------------------------------------------------------------------------------

# One operation: a write with response is answered within the supervision timeout of the
# connection, 4 to 6 s with the usual hosts.
OPERATION_S = 5.0
# How long a packet that other features share waits on an idle peripheral for their values:
# commands of one client message arrive within it, and nobody feels it.
MERGE_S = 0.002

# --- bounds --------------------------------------------------------------------------------------

# Packets and requests that may wait, and stops: at the 20 writes a second of a typical toy that is
# 13 s of work; who has sent more than that without an answer is not waiting for any.
QUEUE_MOST = 256
# Packets of values that wait for their time: one feature's value every 50 ms, as far ahead as may
# be, is 18; the richest toy has three that move. At 512 bytes each, 32 KiB.
TIMED_MOST = 64
# Slots, and running numbers, that are remembered: the richest device has about a dozen. The bound
# is for hubs that make them up; the oldest one is forgotten.
HISTORY_MOST = 64
# Characters of a text that goes to the hub.
TEXT_MOST = 512
