"""Times and bounds of the command line: each with its unit and its reason."""

from __future__ import annotations

# --- api client ----------------------------------------------------------------------------------

# The hub answers at once, but for an output whose radio is slow.
ANSWER_S = 10.0
# It answers a stop within 2 s; whoever waits longer should be switching the toy off.
STOP_S = 3.0


# --- door file -----------------------------------------------------------------------------------

# As many as the door takes; who has more networks writes the right one.
MOST_PLACES = 8


# --- pair ----------------------------------------------------------------------------------------

# Quick enough to seem at once.
ASK_EVERY_S = 0.5
# The hub takes a dialog for closed that nobody has looked at for 5 s.
LOOK_S = 1.0


# --- program: left behind ------------------------------------------------------------------------

# A hub starts so much (s) later at most for toys that the last one left running. What the system
# still holds is stopped in half a second; what is out of reach is looked for by the hub itself.
LEFT_BEHIND_S = 2.0


# --- program: autostart --------------------------------------------------------------------------

# 220 MiB with 400 relays and 2,000 toys (docs/performance.md); beyond this it would be a fault.
MEMORY_MB = 512


# --- seen ----------------------------------------------------------------------------------------

# Long enough for every toy that advertises, and for a scanner that listens part of the time.
LISTEN_S = 5.0
# Of what no definition fits, so many; a house has dozens of televisions and lamps.
UNKNOWN_SHOWN = 20


# --- collector -----------------------------------------------------------------------------------

# Objects that were set aside since everything was looked at: some ten megabytes.
SET_ASIDE_MOST = 100_000
# A look at everything takes a tenth of a second and more.
TIDY_EVERY_S = 60.0
