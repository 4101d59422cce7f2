"""What a websocket is closed with, by number (RFC 6455, section 7.4; from 4000 on, our own)."""

from __future__ import annotations

from typing import Final

NORMAL_CLOSURE: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
# Never sent: set aside for programs to say "no code" and "no closing frame" (7.4.1).
NO_CODE: Final = 1005
NO_CLOSE: Final = 1006
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
# IANA's registry of close codes: full now; come again later.
TRY_AGAIN: Final = 1013

# Of the dashboard: who looks has to sign in anew.
UNKNOWN_TOKEN: Final = 4401
# Of a meeting point, to a visitor: nobody has this id; the hub did not take it; no room.
NOT_HERE: Final = 4404
NO_ANSWER: Final = 4408
POINT_FULL: Final = 4429
