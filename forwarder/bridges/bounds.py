"""Times and bounds of bridges to other protocols: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- bridges -------------------------------------------------------------------------------------

# After a bug in a bridge.
BRIDGES_AGAIN_S = 5.0


# --- client --------------------------------------------------------------------------------------

# Whoever disconnects a bridge by hand means it for now; muting is what lasts.
CLIENT_AGAIN_S = 2.0
# Answers come from within the process; what takes longer is a radio that is slow.
ANSWER_S = 5.0


# --- lovense: commands ---------------------------------------------------------------------------

# The longest that lovensepy lets anybody ask for.
MOST_S: Final = 6000.0
MOST_STRENGTHS: Final = 50
LEAST_PATTERN_MS: Final = 100
MOST_ACTIONS: Final = 20_000
MOST_ACTION_MS: Final = 7_200_000
MOST_OFFSET_MS: Final = 15_000


# --- lovense: plans ------------------------------------------------------------------------------

# One way of a stroke at the least and at the highest level: slow enough to be called a movement,
# and what fast strokers of the catalogue still follow over their whole length.
SLOWEST_S: Final = 2.0
FASTEST_S: Final = 0.3
# An endless level needs one step; how long it is does not matter.
FOR_EVER_S: Final = 3600.0
# The vendor's presets are firmware, and described by their names only; these are ours.
PRESET_STEP_S: Final = 0.1
MOST_STEPS: Final = 1000


# --- lovense: server -----------------------------------------------------------------------------

# The longest pattern of the API fits; what is larger is none.
MOST_BYTES = 1 << 20
# For all of a request; who sends it has it whole, in this house.
LOVENSE_BODY_S = 5.0
# Batteries are asked for no more often: every app polls GetToys, and a toy answers by radio.
LOVENSE_BATTERY_S = 60.0
# The answer to GetToys does not wait for a battery longer.
BATTERY_WAIT_S = 1.0
# What an app sends when it wants a movement to go on, as lovensepy does for Position.
LOVENSE_MOVE_S = 0.3
# Setups that are kept, one for each address.
MOST_SETUPS = 64


# --- mqtt: bridge --------------------------------------------------------------------------------

# Long enough for a toy that is being switched on.
LOOK_FOR_TOYS_S = 30.0
# A broker that says nothing for so long is gone; it finds out about us after 1.5 times that.
KEEPALIVE_S = 5
MQTT_AGAIN_S = 1.0
AGAIN_MOST_S = 60.0
# As often as a recorder of states wants to hear of a slider that moves.
STATES_S = 0.25
MQTT_BATTERY_S = 300.0
# A level stays until another one comes; the performer wants a length for its step.
STAYS_S = 3600.0
# Commands that wait for radios: a house has fewer toys, and each confirms its stop within 5 s.
MQTT_UNDER_WAY = 64


# --- osc: parameters -----------------------------------------------------------------------------

# Values that are kept; avatars have some hundred parameters.
MOST_VALUES: Final = 4096


# --- osc: server ---------------------------------------------------------------------------------

TICKS_HZ = 15.0
# VRChat sends each changed parameter once a frame; 90 frames and 20 moving parameters.
DATAGRAMS_S = 2000
# A position is reached by the time the next level comes.
OSC_MOVE_S = 0.15


# --- programs ------------------------------------------------------------------------------------

# A step shorter than this is none: neither radios nor people follow.
LEAST_STEP_S = 0.05
# What one toy may do at once; functions that add up are few.
PROGRAMS_MOST_PROGRAMS = 8


# --- senders -------------------------------------------------------------------------------------

# How often known programs are looked at (s): with the stop behind it, off within a second.
LOOK_S: Final = 0.25
# A request waits no longer for its program to be found, which takes some 20 ms.
FIND_S: Final = 1.0
# While a program of a sender is known it is not looked for again so soon: looking costs some ms.
SENDERS_AGAIN_S: Final = 5.0
# Programs that are watched at once; games and their helpers are few.
SENDERS_MOST_PROGRAMS: Final = 32
# Ports that were asked about, and need not be again while they last.
MOST_PORTS: Final = 256
