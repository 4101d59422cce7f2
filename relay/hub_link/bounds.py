"""Times and bounds of the relay's end of a link: each with its unit and its reason."""

from __future__ import annotations

# --- comparing -----------------------------------------------------------------------------------

# To walk to the other screen and back, and for the hub's person to say so. The hub waits 120 s, and
# says so when they are over.
COMPARE_S = 125.0
# So many looks, of 1.5 s each, until a hub is heard.
LOOKS = 4


# --- driver --------------------------------------------------------------------------------------

# A hub that takes no frame for this long (s) is as good as gone; its leases have lapsed long ago.
SEND_S = 10.0


# --- fitting -------------------------------------------------------------------------------------

# Of one advertisement: extended advertising has room for 800 services, toys tell one or two.
SERVICES = 128
COMPANIES = 16


# --- hubs ----------------------------------------------------------------------------------------

# A person waits for it; the slowest part is a place that swallows packets.
PAIR_S = 20.0
# One place to the other end's websocket: weak Wi-Fi has been seen to take seconds. All places are
# dialed together, so this is how long a hub that has just come back waits for its next turn.
DIAL_S = 5.0


# --- looking -------------------------------------------------------------------------------------

# From the question to the last answer: RFC 6762 (section 6) lets answers wait for 0.5 s.
LOOK_S = 1.5
# Hubs in one network that are looked at; somebody may announce thousands.
LOOKING_MOST = 16


# --- outbox --------------------------------------------------------------------------------------

# Messages that may wait before requests are no longer read: every request brings one answer, and
# a hub that has a thousand of them under way does not read its answers.
OUTBOX_FULL = 1024
# Notifications of one subscription that may wait: a sensor at 100/s over a link that stands still
# for a third of a second.
NOTIFICATIONS = 32


# --- uplink --------------------------------------------------------------------------------------

# Pauses (s) between attempts: any time up to a bound that doubles ("full jitter"), so that the
# relays of a hub that restarts do not come back all at once; and never longer than it has been
# away, however the dice fell. A person waits 10 s at most.
PAUSE_FIRST_S = 0.5
PAUSE_MOST_S = 10.0
# Never less (s), however the dice fall: a hub that hangs up at once is dialed ten times a second.
PAUSE_LEAST_S = 0.1
# A hub that is busy greeting others (s, at most, any time up to it): it is there, and has done with
# a thousand relays in less than ten seconds.
BUSY_S = 3.0
# A link that held this long (s) was a good one; the next loss starts again with short pauses.
GOOD_S = 5.0
# A hub that refuses us does so again until a person has done something about it.
REFUSED_S = 30.0
# A hub that proved who it is and revoked this relay: only a new pairing helps.
REVOKED_S = 600.0
