"""Every time and bound of the link in one place, each with its reason. `_S` is seconds.

Both ends must agree on what is said here, and the phone's page has the same numbers in JavaScript
(tests/test_bounds.py compares them). README.md names those that another implementation has to keep.
"""

from __future__ import annotations

from typing import Final

# --- sessions -------------------------------------------------------------------------------------

# A device with an output on is leased for Welcome.active_ms (900 ms) and renewed every 250 ms: two
# beats may be lost or late before the relay stops it, and off-within-a-second still holds.
BEAT_ACTIVE_S: Final = 0.25
# Idle: keeps address translators and phones awake at little cost.
BEAT_IDLE_S: Final = 2.5
# The first message must follow the connection at once; weak Wi-Fi has been seen to take seconds.
GREETING_S: Final = 5.0
# Either end gives the link up after so long (s) while anything may run: whoever drives it waits.
# Eight beats; the relay has stopped its toys by then.
ACTIVE_PATIENCE_S: Final = 2.0
# Else: the hub after an unanswered beat, the relay after hearing nothing, which comes to the same:
# three beats may be lost.
ECHO_IDLE_S: Final = 7.5
LINK_SILENCE_S: Final = 10.0
# While a beat takes longer than this (s) to be answered, the hub leases nothing that runs: a stop
# of its own would take as long, and a relay that has known no better link cannot see it.
SLOW_BEAT_S: Final = 1.2
# Relay: when for this long (s) every beat came too late for a lease in it, the link is no use. A
# clock that stood still with its machine looks the same, and a new link measures anew.
LATE_BEATS_S: Final = 2.0
# Weight of a new round trip in the running mean: follows a change within about ten beats.
RTT_WEIGHT: Final = 0.2

# --- the relay's clock of leases ------------------------------------------------------------------

# How fast (s per s) the least delay may grow. Quartz clocks are within 200 ppm of each other, and
# a network whose delay really grows does so a thousand times as fast.
DELAY_GROWTH: Final = 0.0005

# --- the relay's clock as the hub sees it ---------------------------------------------------------

# How fast (s per s) two clocks drift apart at most: 200 ppm, as above.
CLOCK_DRIFT: Final = 0.0002
# Beats that are answered before a time is named: with 5 to 40 ms each way, the least of 32 is
# within 5 ms of the least there is in 99 of 100 cases, and the error is half the difference of two.
CLOCK_SAMPLES: Final = 32
# So often (s) the hub beats until it has them: 1.3 s in all, while toys are already driven.
BEAT_MEASURING_S: Final = 0.04
# Nothing was timed for so long (s): it measures anew, for idle beats are too rare to follow clocks.
MEASURE_AGAIN_S: Final = 10.0
# Round trips of which the slowest counts (4 s of fast beats), what is added for the loops at both
# ends, which have other things to do, and the longest lead (s): above it a hand would feel it, and
# values go at once.
LEAD_TRIPS: Final = 16
LEAD_MARGIN_S: Final = 0.02
LEAD_MOST_S: Final = 0.25

# --- frames ---------------------------------------------------------------------------------------

# A Noise message is 65,535 bytes at most, 16 of them the tag (Noise rev 34, section 3).
PLAIN_FRAME_BYTES: Final = 65_519
# The longest list is Interests.services: every service known, about 200 today.
MOST_ITEMS: Final = 4_096

# --- finding a hub --------------------------------------------------------------------------------

# Head start of each place over the next, as RFC 8305 (section 5) recommends: the first is the
# best guess, and a place that swallows packets must not cost the dialing deadline. Nor must one
# that answers and then says nothing, such as another program at the hub's port: so each attempt is
# dialing and greeting together, beside the others.
HEAD_START_S: Final = 0.25
# Connections that lost the race: a polite end must not hold up the one that won.
HANG_UP_S: Final = 0.1

# --- handshake and encryption ---------------------------------------------------------------------

# Two round trips over the worst mobile network. With the second below these are the 5 s that a
# stranger may cost a hub.
HANDSHAKE_S: Final = 4.0
# An unauthenticated refusal goes out this long after the frame it answers, whatever the reason,
# so that its timing says nothing; it also slows down whoever tries codes.
REFUSAL_S: Final = 0.25
# A close waits for the peer's; nothing is owed to one that broke the rules.
SECURE_CLOSE_S: Final = 1.0

# --- handshake frames -----------------------------------------------------------------------------

# What a peer may send before it is authenticated. The longest legal frame is about 700 bytes.
HANDSHAKE_FRAME_BYTES: Final = 4096
# Characters of a text. A greeting and a Bye are a text and three entries.
HANDSHAKE_TEXT_CHARS: Final = 512

# --- keys -----------------------------------------------------------------------------------------

# Messages per key and direction (README, Transport). Far below the 2^32 that AES-GCM bears; a key
# that leaks opens at most this many.
REKEY_AFTER: Final = 65_536

# --- meeting points -------------------------------------------------------------------------------

# Frames of a registration; the longest is a visitor's, with an address.
REGISTRATION_FRAME_BYTES: Final = 1024

# --- pairing --------------------------------------------------------------------------------------

# Of a hub in a link and in a file: two addresses of each family, names, meeting points.
MAX_PLACES: Final = 8
# Eight host names of ordinary length and the rest; a QR code of this size can still be scanned.
MAX_LINK_CHARACTERS: Final = 1024

# --- direct paths ---------------------------------------------------------------------------------

# What may have come over a direct path that nobody has read: four of the longest frames. The
# library's own bound is 1.25 MB for each stream, too much for somebody who has proven nothing.
DIRECT_WINDOW_BYTES: Final = 256 << 10
# Between two visitors that could not even be looked at (s): no loop without a pause.
DIRECT_AGAIN_S: Final = 0.01
# What is taken from a stream at once: a link frame of the longest kind.
DIRECT_READ_BYTES: Final = 64 << 10
# What waits for the write that is under way, before a sender waits: as a socket's (asyncio's mark).
DIRECT_OUTBOX_BYTES: Final = 64 << 10
# Of a hub in one direct place: of each family one that leads in from outside, and one at home.
MAX_DIRECT_ADDRESSES: Final = 4

# Of the code that people compare: 30 bits, as two groups of three. A guess succeeds once in 2^30,
# and a hub takes three.
COMPARE_SYMBOLS: Final = 6

# --- names ----------------------------------------------------------------------------------------

# As long as a link name may be; what is shown is cut to it whatever its source.
MAX_NAME: Final = 128

# --- files ----------------------------------------------------------------------------------------

# A configuration that names every key has 12 KiB; what is larger is another file, or a device.
TOML_BYTES: Final = 1 << 20
# Of a word that is compared with those that are known: the longest of them has 60 characters.
MOST_WORD: Final = 100

# --- websockets -----------------------------------------------------------------------------------

# From the first packet to the upgrade; 10 s is what browsers and websocket libraries allow, and
# covers one lost SYN (1 s), a TLS handshake and a phone whose Wi-Fi has to wake up.
OPEN_S: Final = 10.0
# A peer that takes nothing off a full socket for this long is stuck, not slow.
SEND_S: Final = 10.0
# For the peer's closing frame. Programs must end within 2 s of a signal, and close last.
CLOSE_S: Final = 1.0
# Address translators forget silent TCP connections, some home routers after 60 s.
HEARTBEAT_S: Final = 20.0
# From here on a text is a list that many are sent alike; 300 devices have so much.
MANY_CHARS: Final = 64 << 10
# A DeviceList of 100 devices with 10 features each has about 200 KiB.
CHANNEL_FRAME_BYTES: Final = 1 << 20
# What a peer may have sent that nobody has read, to be owed a goodbye: 170 pings, which are read in
# a quarter of a millisecond.
MOST_UNREAD_BYTES: Final = 1 << 10
# Microseconds of a time: what a double holds exactly, 285 years.
MICROS_MOST: Final = 2**53
# Pings and pongs of one peer; an honest one sends one every few seconds. Answering one costs a call
# of the system: five hundred peers take a tenth of a processor with it.
CONTROL_HZ: Final = 5.0
CONTROL_BURST: Final = 8
# Frames of one peer before everybody else has a turn.
TURN_FRAMES: Final = 16
