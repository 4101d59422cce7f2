"""Times and bounds of devices and their set-up: each with its unit and its reason."""

from __future__ import annotations

# --- device setup --------------------------------------------------------------------------------

# Lovense asks up to six times half a second apart; Lelo waits for a person to press a button.
IDENTIFY_S = 10.0
HANDSHAKE_S = 40.0


# --- handshake runner ----------------------------------------------------------------------------

# Notifications kept for a step that has not asked yet; a device that says more loses the oldest.
KEPT_NOTIFICATIONS = 32


# --- packet driver -------------------------------------------------------------------------------

# A toy that answers at all answers within a second; buttplug clients give up after 30 s.
READ_S = 5.0
# So long a query waits for those before it, which may be those of other clients.
READ_TURN_S = 10.0
# The longest time that the link can say. A relay lets go of what moves for more than a second.
MOVE_MOST_MS = 3_600_000
