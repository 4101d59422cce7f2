"""Times and bounds of relays as a source of devices: each with its unit and its reason."""

from __future__ import annotations

# --- choosing: choice ----------------------------------------------------------------------------

# Wait so long for a second relay to see the same toy, if there is a second one.
GATHER_S = 0.3
# And for the one that had it last: toys advertise each second, and it takes a moment to be told.
AGAIN_S = 2.0


# --- choosing: sightings -------------------------------------------------------------------------

# A sighting older than this (s) says nothing about where the toy is now.
SIGHTING_S = 5.0
# Pause (s) after a failed opening: doubled each time up to the limit.
RETRY_S = 1.0
RETRY_LIMIT_S = 30.0
# And up to so much of it more, at random.
RETRY_JITTER = 0.25
# Addresses remembered, the one not heard for longest is forgotten; a crowded flat has some hundred.
SIGHTINGS = 1024
# And of each address relays, the same way: those of this machine may come by ever new names.
RELAYS = 32


# --- finder --------------------------------------------------------------------------------------

# How long a relay may try to connect (ms): alone, and where another one could. Nearly all connect
# within three seconds.
CONNECT_MS = 20_000
ELSEWHERE_MS = 10_000
# A relay that said that it is full, without a number, is asked again after so long (s) if nothing
# became free there meanwhile.
FULL_S = 10.0
# A toy advertises while it is not connected. What a relay tells was heard a tenth of a second ago,
# and may have been on its way for longer: older than this nothing is, on a link that lives.
LATE_S = 2.0
# Toys that wait for a free place; more are heard again soon.
WAITING = 64


# --- hardware ------------------------------------------------------------------------------------

# The hub's patience beyond the relay's own limits for the same thing.
CONNECT_S = 25.0
# A relay tries a stop for a second, and lets the peripheral go within another 2.5 s.
STOP_S = 4.5
# Bluetooth LE takes a write per connection event; phones use events of 15 to 50 ms, and toys drop
# what comes faster than they can run. Definitions that know better say so.
BLE_GAP_MS = 50


# --- link driver ---------------------------------------------------------------------------------

# Frames waiting for the network; a relay that is this far behind gets no more values. Stops have
# places of their own, so that a flood cannot keep them out.
OUTBOX_FRAMES = 256
OUTBOX_STOP_FRAMES = 64
# A relay gives up a write after 5 s; its answer needs the way back.
REQUEST_S = 6.5
# Advertisements that are looked at between two looks at the clock.
HEARD_AT_ONCE = 8
# How long one frame may take to leave; the lease has stopped the toys long before.
SEND_S = 5.0


# --- owing ---------------------------------------------------------------------------------------

# What one relay itself keeps at most (relay.debts.debts); what it tells beyond is a fault of it.
MOST_EACH = 64
# Of all relays. For one more, the oldest of the relay that has most is forgotten: nobody's lies
# push out what another has told.
OWING_MOST = 256


# --- reserved ------------------------------------------------------------------------------------

# Addresses remembered, the one that was had longest ago is forgotten; a household has a dozen.
RESERVED_MOST = 1024


# --- searches ------------------------------------------------------------------------------------

# A device that was lost is looked for without any client asking: a toy that is carried out of
# range and back, or whose battery is changed.
MISSING_S = 120.0
# One that may be running is looked for until it is found or given up by a person: after those two
# minutes for so many seconds of each half minute, which costs radios little.
OWING_LOOK_S = 5.0
OWING_EVERY_S = 30.0
# Of those that are looked for on a relay's word alone. What all relays owe is half of it: beyond
# that they make it up, and the oldest is given up.
MOST_TOLD = 512


# --- source --------------------------------------------------------------------------------------

# Relays whose links are counted by name; strangers of this machine may come by any.
MOST_COUNTED = 64
# Characters of toys in a line of the log.
MOST_NAMED = 400


# --- status --------------------------------------------------------------------------------------

# Twice a second at most, says the link; a person does not read faster.
EVERY_S = 0.5
# Relays looked at in one pass of the loop: with five toys each, 2 ms.
AT_ONCE = 50
# Names on the link are at most so long.
MAX_NAME = 128
