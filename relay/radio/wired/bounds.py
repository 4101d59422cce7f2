"""Times and bounds of serial ports, networks and HID: each with its unit and its reason."""

from __future__ import annotations

# --- connection ----------------------------------------------------------------------------------

# Attribute values on the link have up to 512 bytes.
VALUE_MOST = 512
# The least pause (s) between two writes over the network: what programs for these machines send at
# most (MultiFunPlayer: each 10 ms).
GAP_S = 0.01
# A stop is written so often, so far (s) apart: a crowded Wi-Fi loses a few packets in a row, which
# takes it some milliseconds.
COPIES = 3
COPY_S = 0.02
# How often (s) a machine on the network is asked whether it is there, and after which silence (s)
# it is not: Wi-Fi of small boards stands still for half a second at times.
CONNECTION_ASK_S = 0.5
SILENCE_S = 3.0


# --- hidapi --------------------------------------------------------------------------------------

# The longest report, and how long (ms) one is waited for before it is looked whether to end.
HIDAPI_REPORT_MOST = 4096
READ_MS = 100


# --- hidraw --------------------------------------------------------------------------------------

# The longest report that a device of full speed sends, and then some.
HIDRAW_REPORT_MOST = 4096


# --- named ---------------------------------------------------------------------------------------

# Addresses on the link have up to 64 characters.
ADDRESS_MOST = 64


# --- network -------------------------------------------------------------------------------------

# For its name, and for its answer to a first packet: one that was lost is sent again after 1 s.
OPEN_S = 2.5


# --- radio ---------------------------------------------------------------------------------------

# How often (s) it is looked whether the device is there, and advertised: as often as toys do.
LOOK_S = 0.5
# After a failed attempt to speak to it (s): opening a port resets some boards, which then need 2 s.
RETRY_S = 5.0
# How long (s) a T-Code device has to say who it is: an Arduino is deaf for 2 s after a reset, an
# ESP32 for about 3; and how often it is asked.
ANSWER_S = 4.0
RADIO_ASK_S = 0.25
# Its axes come in one burst at 115,200 baud, 20 ms for all of them; this long (s) after the last
# line they are complete.
QUIET_S = 0.2
# Ten lines at 115,200 baud take 30 ms; the rest is for a machine that is busy.
AXES_S = 1.0


# --- serial port ---------------------------------------------------------------------------------

# Programs whose open files are looked through for who has a port: as many as a machine runs, and
# their files; more would only take time.
PROCESSES_MOST = 4096


# --- tcode ---------------------------------------------------------------------------------------

# A line of a firmware: the longest, its log, is about 100 bytes. What is longer is no answer.
LINE_MOST = 256


# --- web -----------------------------------------------------------------------------------------

# Of one message of the machine; its status is the longest, some hundred bytes.
MESSAGE_MOST = 16 << 10
