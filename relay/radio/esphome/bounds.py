"""Times and bounds of proxies of ESPHome: each with its unit and its reason."""

from __future__ import annotations

# --- adverts -------------------------------------------------------------------------------------

# Bound of the link's messages.
NAME_MOST = 128


# --- connection ----------------------------------------------------------------------------------

# One operation of the proxy: a write with response is answered within the supervision timeout of
# the connection, 4 to 6 s; whoever waits has a shorter deadline.
OPERATION_S = 8.0
DISCONNECT_S = 5.0
# Writes without response go into the network's buffers: of so many (s) at most no answer of the
# proxy is known, so that a stop has no more before it than that.
AHEAD_S = 0.25


# --- found ---------------------------------------------------------------------------------------

# Devices that are asked; somebody may announce thousands.
FOUND_MOST = 64
# A question for the address of one (ms), and the pause (s) before a network is asked again that
# cannot be.
RESOLVE_MS = 3000
FOUND_RETRY_S = 15.0


# --- named ---------------------------------------------------------------------------------------

# Characters of a file that holds a key of 44.
KEY_FILE_MOST = 1024


# --- radio ---------------------------------------------------------------------------------------

# From its name to its answer about what it is.
OPEN_S = 10.0
# It is asked so often (s) whether it is there; the library gives it up after 4.5 times that.
KEEPALIVE_S = 2.0
# Pause (s) before a proxy is dialed again, doubled up to the second value.
RADIO_RETRY_S = 1.0
RETRY_MOST_S = 15.0
# A proxy that serves us says so at once; one that serves somebody else is silent.
SERVED_S = 3.0
# One attempt to connect, services included: the proxy itself gives up after 20 s.
CONNECT_S = 20.0
# How long to listen for a peripheral that was not heard yet.
FIND_S = 10.0
DEVICES_KEPT = 1000
