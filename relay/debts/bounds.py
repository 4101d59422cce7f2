"""Times and bounds of the stops that are owed: each with its unit and its reason."""

from __future__ import annotations

# --- debts ---------------------------------------------------------------------------------------

# For so long (s) a lost toy is looked for all the time: carried out of range, its battery changed.
FULL_S = 120.0
# One look of that time (s), and the pause to the next one: others want the radio as well.
DEBTS_LOOK_S = 20.0
PAUSE_S = 1.0
# Later it is looked for so long (s) of each so many: a toy that is switched on is heard in a second
# or two, and the radio is free for five sixths of the time.
LATER_LOOK_S = 5.0
LATER_EVERY_S = 30.0
# What a killed relay may have left connected, but at rest: one look (s). The system that still
# holds it says so at once; one that it does not hold owes nothing.
LEFT_LOOK_S = 5.0
# Debts at a time: a relay meets a dozen toys in its life, and one message names them all.
DEBTS_MOST = 64


# --- keeper --------------------------------------------------------------------------------------

# How often (s) records are compared with what they are about: running numbers go on with each
# write, and a toy that ignores a number that it has had does so for the last one only.
KEEPER_LOOK_S = 1.0
# A value waits so long (s) at most for its record: a slow card takes some ten milliseconds, and one
# that hangs must not keep a toy from being used.
RECORD_S = 0.25
# A peripheral has been at rest for so long (s) before its record says so. Patterns pulse.
REST_S = 10.0


# --- records -------------------------------------------------------------------------------------

# A connection waits so long (s) at most for its record to be written: a disk that hangs must not
# keep a toy from its stop.
RECORDS_WRITE_S = 1.0
# The end of the program waits so long (s) for a write that is under way.
FLUSH_S = 0.3
# Files of a folder that are read: a relay holds 16 peripherals at most, and owes 64.
MOST_FILES = 256


# --- settling ------------------------------------------------------------------------------------

# One write has this long (s), and all tries of one packet together: as long as an emergency stop.
# A slow radio gets it for each packet anew.
SETTLING_WRITE_S = 1.0
TRY_S = 3.0
# First pause (s) between two tries, doubled up to the second: as the gate's.
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 0.5
# The least pause (s) before a packet that nobody acknowledges is written again.
SECOND_ROUND_S = 0.02
# The longest pause (s) that one packet may ask for: a record is a file, and files can be damaged.
PAUSE_MOST_S = 1.0
