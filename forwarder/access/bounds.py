"""Times and bounds of credentials, pairing and shares: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- admission -----------------------------------------------------------------------------------

# Enough for a person to look through; whoever asks more often pushes out the oldest.
MAX_ASKED = 32


# --- allowed origins -----------------------------------------------------------------------------

# A person does not allow more; a script that does has a fault.
ALLOWED_ORIGINS_MOST = 256


# --- comparing -----------------------------------------------------------------------------------

# A guess succeeds once in 2^30; three of them, a minute apart, leave nothing to try for. A person
# who compares needs one.
TRIES: Final = 3
BETWEEN_TRIES_S: Final = 60.0
# Dashboards ask each second, with a network's hiccup between.
SEEN_S: Final = 5.0
# A handshake has 4 s.
GREETING_S: Final = 10.0
# To walk to the other screen and back; as long as a pairing link is worth something.
COMPARE_S: Final = 120.0
# How often a wait looks whether the dialog is still open.
LOOK_S: Final = 1.0
# For a word to a relay that may not read any more.
TOLD_S: Final = 1.0


# --- credentials ---------------------------------------------------------------------------------

# Nobody has a reason to give more. What is beyond it is not looked up, and so is not good.
MAX_GIVEN: Final = 8


# --- cross origin --------------------------------------------------------------------------------

# How long a browser may remember the answer to a preflight: an origin can be disallowed again.
PREFLIGHT_S: Final = 60


# --- doorkeeper ----------------------------------------------------------------------------------

# Handshakes under way. Each costs a socket, about 3 KiB of handshake state and 5 s at most, so
# strangers hold 64 sockets; a household does not have 64 relays that dial in the same 5 s.
MAX_GREETING: Final = 64
MAX_GREETING_EACH: Final = 8
# Attempts per minute. A relay backs off to seconds between dials; a flood of 600 a minute costs
# about 0.2% of a core in Diffie-Hellman.
ATTEMPTS_PER_MINUTE: Final = 600
ATTEMPTS_PER_MINUTE_EACH: Final = 60
# And for each key that has proven itself from an address: a hub that is killed now and then, and
# each relay tries three times until it is back.
ATTEMPTS_PER_MINUTE_KEY: Final = 12
# Of both, what comes by meeting points may take, beside what comes by itself.
MEETING_SHARE: Final = 0.25
# Addresses remembered; beyond it the one heard longest ago is forgotten.
MAX_ADDRESSES: Final = 1024


# --- grants --------------------------------------------------------------------------------------

# A household's apps and friends; one more is refused in words.
MAX_ENTRIES: Final = 256
MAX_NAME: Final = 64
SELECTORS: Final = 64


# --- page tokens ---------------------------------------------------------------------------------

# Dashboards of one person, with room for tabs that were forgotten.
MAX_PAGES: Final = 64


# --- proven networks -----------------------------------------------------------------------------

# Networks, and keys of all of them together: a hub has as many relays. Those that proved something
# longest ago are forgotten.
MOST_NETWORKS: Final = 256
MOST_KEYS: Final = 2048
DIGEST_BYTES: Final = 8


# --- relay keys ----------------------------------------------------------------------------------

# Time to carry a link to another room and type it in; issue and design say 120 s at most.
CODE_S: Final = 120.0
# One person pairs one relay; a few more for phones whose page was opened twice.
MAX_CODES: Final = 8
# Handshakes begun with one code. A relay that fails is tried again by hand a few times; who reads
# the code's id off the network gains nothing but the end of that code.
MAX_TRIES: Final = 10
# Codes that are over are remembered only to tell "expired or used" from "wrong".
MAX_SPENT: Final = 64
MAX_RELAYS: Final = 1024


# --- shares --------------------------------------------------------------------------------------

# A share is for a person, or a few.
MAX_USES: Final = 16
# Links that are over are remembered only to tell "ended" from "wrong".
MAX_OVER: Final = 64
