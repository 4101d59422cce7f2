"""Times and bounds of the supervisor and its relay: each with its unit and its reason."""

from __future__ import annotations

# --- adapters ------------------------------------------------------------------------------------

# BlueZ answers within milliseconds; one that is stuck is asked again after the pause.
ASK_S = 3.0
ADAPTERS_AGAIN_S = 2.0
# Signals come in bursts while an adapter starts; and whether the bus itself lives is looked at so
# often (s), as it says no goodbye.
BURST_S = 0.1
LOOK_S = 10.0


# --- holds ---------------------------------------------------------------------------------------

# How often (s) the relay says that it turns. A fifth of the silence below: four may be late.
BEAT_S = 0.15
# After this silence (s) a relay that holds something counts as frozen. Less than the active lease
# (0.9 s), so that a frozen relay's toys are off within a second; three times what the gate calls
# a stall, so that a busy machine is not one.
SILENCE_S = 0.75
# Bytes of the largest packet: a hold of 32 writes of 512 bytes each is 34 KiB.
MOST_BYTES = 65_536


# --- process -------------------------------------------------------------------------------------

# Seconds for all writes of a stop, beside the delays that it asks for; what is left of the two
# seconds after a relay's death is for cutting the connection. An orderly stop takes 50 ms.
STOP_S = 1.0
CUT_S = 0.8
# BlueZ carries out one operation per characteristic at a time, and the relay's last one may be
# under way: the pause (s) before trying again is a short connection interval.
RETRY_S = 0.03
# What nobody acknowledges is written twice; the least pause (s) between the two rounds.
SECOND_ROUND_S = 0.02
# Seconds for finding a peripheral's objects when it is first held. BlueZ answers in milliseconds.
LOOK_UP_S = 1.0


# --- supervisor ----------------------------------------------------------------------------------

# A supervisor that ended although we are alive is replaced after this pause (s); a machine that
# has no memory for it must not be kept busy with trying.
SUPERVISOR_AGAIN_S = 5.0
# Pause (ms) between what is written several times because it may be lost on its way: longer than a
# busy moment of a wireless network.
PIECE_MS = 20
# Starting a process takes milliseconds; a hub is told within this time (s) whether there is one.
START_S = 1.0
# At the end it has nothing to do and goes at once; a loaded machine takes this long (s) at most.
END_S = 0.5
