"""Times and bounds of the hub: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- device news ---------------------------------------------------------------------------------

# A box of toys that comes to life is a few lists, not one for each toy; nobody sees the difference.
EVERY_S: Final = 0.1
# What all lists together may be: with two hundred clients and five thousand devices one list to all
# is 250 MB. Above it they come less often, but people see what comes and goes.
LISTED_BYTES_S: Final = 64e6
SELDOM_S: Final = 2.0
# Told in one pass of the loop: making so many bytes leave takes 1 ms.
AT_ONCE_BYTES: Final = 1 << 20


# --- drove ---------------------------------------------------------------------------------------

# Toys remembered, the one that left longest ago is forgotten.
DROVE_MOST = 256


# --- device --------------------------------------------------------------------------------------

# Values of one device that are on their way and not answered, of all clients together. A relay
# takes some 60 µs for each, and on the link a stop comes behind them: 8 ms of its 20. Nobody needs
# more: two motors at 60 values a second are 108 in the 0.9 s after which a link that does not
# answer has stopped them. An off passes all the same: it is on its way once for each feature, and
# the app that says it may never say it again.
VALUES_UNDER_WAY: Final = 128


# --- loop guard ----------------------------------------------------------------------------------

# A device that came through so many hubs came round in a circle that somebody hides from us.
MAX_HUBS: Final = 8


# --- scanning ------------------------------------------------------------------------------------

# How long a hub that is a client may scan without asking again: hubs that are each other's source
# would keep each other scanning for ever.
HUB_SCAN_S = 60.0


# --- store ---------------------------------------------------------------------------------------

# Of one source, devices that were never driven; and in all. A collection has a hundredth of that,
# a hall with a thousand relays a third.
UNUSED_EACH = 128
STORE_MOST = 16_384
# Changes that come within this time are one write. What a power cut takes of it is an index that
# was given half a second ago.
BEHIND_S = 0.5
