"""Times and bounds of the API and the dashboard's stream: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- actions -------------------------------------------------------------------------------------

# A relay answers a write within 6.5 s or is reported; see forwarder.sources.relays.link_driver.
OUTPUT_S = 7.0
# What was not confirmed by then is said; the relays go on trying.
STOP_S = 1.5
# The disk had all that time as well. Together less than the 2 s after which a dashboard says that
# its stop did not arrive.
SAVE_AFTER_S = 0.2


# --- control -------------------------------------------------------------------------------------

BACKLOG: Final = 16
# A command asks at once; one that waits for a relay asks twice a second.
KEEPALIVE_S: Final = 30.0
HANDLERS_S: Final = 1.0


# --- controllers ---------------------------------------------------------------------------------

# Texts that wait for a dashboard to be shown.
TROUBLES = 16
# Scripts that drive at the same time: one for each token, and the admin's.
MAX_SCRIPTS = 300


# --- dashboard: batteries ------------------------------------------------------------------------

# A battery lasts an hour or more; each question is a write that an output may have to wait for.
AGAIN_S = 60.0
# After a failure; toys that are being driven hard sometimes do not answer.
RETRY_S = 20.0
LOOK_S = 1.0


# --- dashboard: checks ---------------------------------------------------------------------------

# Who asks so soon again gets what was found (s): a look starts a thread, and may wait for BlueZ.
FRESH_S = 2.0


# --- dashboard: log ------------------------------------------------------------------------------

# Some evenings' worth of what comes and goes; about 100 KB at most.
DASHBOARD_KEPT = 500
MAX_CHARS = 240


# --- dashboard: relays ---------------------------------------------------------------------------

DASHBOARD_MAX_TEXT = 160


# --- dashboard: session --------------------------------------------------------------------------

HELLO_S = 5.0
# A reader that does not take a change for so long is gone.
DASHBOARD_SEND_S = 5.0
# While it drives, a page speaks once a second; one that was frozen or covered does not.
SILENCE_S = 3.0
# Test-drive values under way: a hand on a slider, not a flood.
UNDER_WAY = 64


# --- dashboard: stream ---------------------------------------------------------------------------

# Ten a second looks alive and leaves a phone's browser time to draw.
EVERY_S = 0.1
# A reader that hears nothing for longer knows that the hub is silent: each gets a word a second.
ALIVE_S = 1.0
# A new dashboard shows the end of the log; later changes carry what came meanwhile.
LOG_LINES = 100
# Scripts that look now and then count as lookers for so long.
ASKED_S = 120.0
# Relays, and devices, that are looked at each time, 2 ms for those that have not changed: all of a
# home, and each of five thousand once a second.
LOOKED_AT = 500
# What all that apps drive may be, a second: the list is sent as a whole, and is half a megabyte
# where two hundred drive five thousand devices.
DRIVES_BYTES_S = 256e3
# Names of what was here, for readers that have not heard of it yet.
GONE_MOST = 1024


# --- dashboard: switches -------------------------------------------------------------------------

# The answer leaves first: whoever asked must hear that it was saved.
RESTART_S = 0.3


# --- documents: model ----------------------------------------------------------------------------

# A script that crashed must not leave a toy running for long; one that lives repeats its value.
DEFAULT_FOR_MS = 2_000
MAX_FOR_MS = 60_000


# --- documents: shares ---------------------------------------------------------------------------

# As for tokens: ten years.
LONGEST_S = 10 * 366 * 86_400


# --- missing -------------------------------------------------------------------------------------

# A relay that has not said by then that it knows is asked again by the person.
FORGET_S = 2.0


# --- seen ----------------------------------------------------------------------------------------

# Who advertises does so each second; a person who looks has just switched it on.
LATELY_S = 120
# More than one screen; a crowded flat has some hundred, and the strongest are the nearest.
MOST_SEEN = 256
# As many devices as a hub knows; of more, all are made anew.
MOST_CHOSEN = 16_384
# A cause is a line on a screen; longer texts are cut.
SEEN_MAX_TEXT = 160


# --- server --------------------------------------------------------------------------------------

# The largest body is a list of limits, a few hundred bytes each.
MAX_BODY_BYTES = 64 << 10
BODY_S = 5.0
# What a dashboard says is small: a slider's value.
MAX_SAID_BYTES = 4 << 10
# A reader of events that does not take one for so long is gone.
SERVER_SEND_S = 5.0
MAX_STREAMS = 32


# --- settings ------------------------------------------------------------------------------------

# How often (s) it is looked whether somebody else has written the user's device file.
FILE_LOOK_S: Final = 2.0


# --- state view ----------------------------------------------------------------------------------

# Loud enough for anybody; longer texts are cut.
STATE_VIEW_MAX_TEXT = 160
# Devices that are made documents of in one pass of the loop: 2 ms.
SHOWN_AT_ONCE = 100
