"""Times and bounds of toys that dial in: each with its unit and its reason."""

from __future__ import annotations

# --- hardware ------------------------------------------------------------------------------------

# A device that does not take a frame for so long is stuck, and gone.
SEND_S = 3.0


# --- source --------------------------------------------------------------------------------------

# From the connection to the first frame; the reference waits for ever.
HANDSHAKE_S = 5.0
# Pings of the connector, `WebSocketServer(heartbeat_s=…)`: a device whose power went has neither
# said goodbye nor closed its socket, and its toys' state is unknown until it is noticed.
HEARTBEAT_S = 5.0
MAX_FRAME_BYTES = 4096
MAX_DEVICES = 32
