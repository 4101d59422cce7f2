"""Times and bounds of radios, and what stands before them: each with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- advertised: bluez ---------------------------------------------------------------------------

# The company that the makers' app uses; toys do not look.
COMPANY = 0x00FF
# Between two advertisements (ms), where BlueZ and the kernel let us choose.
INTERVAL_MS = 100
# BlueZ answers within milliseconds.
ANSWER_S = 2.0


# --- advertised: frames --------------------------------------------------------------------------

# Bytes of the packet before the frame: 2 of the header, 6 of the address, 7 of the data. What
# every sender that is known to work has.
BEFORE: Final = 15
ADDRESS_BYTES: Final = 5
POLYNOMIAL = 0x1021


# --- advertised: on air --------------------------------------------------------------------------

# So long (s) a stop is on the air, for each command of it: 20 advertisements at the least, of which
# a toy that is in reach hears one. What the app of the maker does, too.
HOLD_S = 2.0
# How often (s) what is on the air is put there anew: controllers that choose their own interval (up
# to 1.28 s) advertise at once each time. Toys take a gap of 250 ms for the end.
STEP_S = 0.1


# --- advertised: radio ---------------------------------------------------------------------------

TX = 1
# How often (s) they are said to be there, as nothing else says it.
ADVERTISED_LOOK_S = 0.5
# A stop counts as taken once each of its commands has been on the air so often; it stays there for
# ten times as long whatever happens, unless something newer is said.
TIMES = 2
# A holder that did not even hear what it was told within this time (s) hangs: it waits for nothing.
# Less than the last stop of a program that ends may take (relay.peripheral.limits.LAST_STOP_S).
ADVERTISED_HANGS_S = 0.5
# Starting its process, its imports and BlueZ's answer on a busy machine (s).
START_S = 10.0


# --- bleak connection ----------------------------------------------------------------------------

# BlueZ takes 2 s for a disconnect.
DISCONNECT_S = 10.0


# --- bleak radio ---------------------------------------------------------------------------------

# Attempts per connect: on a busy BlueZ the second or third always helped (failed discovery, stale
# connections); more would only hide that the peripheral is out of range.
ATTEMPTS = 3
# One attempt, discovery included: BlueZ itself gives up connecting after 20 to 40 s.
ATTEMPT_S = 20.0
# And while another peripheral waits for its turn: nearly all connect within three seconds, and who
# waits has a deadline too, which runs meanwhile.
CROWDED_S = 6.0
# How long to listen for a peripheral that this process has not heard yet. Toys advertise at least
# once a second; scanners listen only part of the time.
FIND_S = 10.0
# Scanners die without a word (adapter reset or switched off, bluetoothd restarted): start a silent
# one anew, which also tells whether the radio still works. Costs little where nobody advertises.
SCAN_SILENCE_S = 15.0
# Controllers report an address once per scan, so not again when its connection is lost: begin anew
# then, as soon as the hub has heard of the loss and wants the device back.
RENEW_SCAN_S = 1.5
# BlueZ answers within milliseconds unless it is stuck.
SCAN_STOP_S = 5.0
# Addresses that change every 15 minutes make a busy place look like thousands of devices.
DEVICES_KEPT = 1000
# Bound of the link's messages.
NAME_LENGTH = 128


# --- blocking ------------------------------------------------------------------------------------

# What a call takes at most (s): a transfer over USB or to a Bluetooth pad takes milliseconds.
CALL_S = 2.0
# Calls that wait behind one that hangs, nobody for them any more: two minutes of looking. What is
# connected was let go long before, as its stop failed.
CALLS_MOST = 64


# --- choice --------------------------------------------------------------------------------------

# Characters of what names a radio: paths and addresses are shorter.
WORD_MOST = 512


# --- failures ------------------------------------------------------------------------------------

# Waits before the next attempt to connect. Most failures are over at once; a stack that is busy
# with the last attempt, and a radio without free slots, need a moment to notice that it ended.
AT_ONCE_S = 0.1
SOON_S = 0.5
LATER_S = 1.0
NO_SLOT_S = 4.0


# --- scanner -------------------------------------------------------------------------------------

# How often (s) the radio's state is looked at: the seam has no event for it, people watch it.
SCANNER_LOOK_S = 1.0
# Pause (s) before scanning is tried again, doubled up to the second value: an adapter that is
# switched off or busy comes back within seconds, or not soon.
SCANNER_RETRY_S = 1.0
SCANNER_RETRY_MOST_S = 15.0


# --- score ---------------------------------------------------------------------------------------

# Half of what two readings of a toy that lies still differ by, at most (BlueZ's own hysteresis).
NOISE_DB = 8
# One failed attempt counts like a room; four like out of range. After FORGET_S it counts nothing.
FAILED_DB = 15.0
FAILURES_COUNTED = 4
FORGET_S = 600.0
# A connect in progress: who comes now waits for it, half a second as a rule.
CONNECTING_DB = 2.0
CONNECTS_COUNTED = 3
# Nearly all connect within three seconds. Longer, and nobody should wait behind it.
SCORE_HANGS_S = 4.0
# The last free place; the second last half of it, and so on: what is near to both fills neither.
LAST_SLOT_DB = 6.0
# For the radio that had it last, as far as it hears it at all: nothing at FAINT_DBM, all at WEAK.
KEPT_DB = 30.0


# --- several -------------------------------------------------------------------------------------

# As many as RadioInfo.parts holds.
MOST_RADIOS = 16
# Pause (s) before a radio that cannot scan is tried again, doubled up to the second value; as for
# a relay's only radio (relay.radio.scanner).
SEVERAL_RETRY_S = 1.0
SEVERAL_RETRY_MOST_S = 15.0
# What was heard longer ago (s) says nothing about where a toy is now: they advertise each second,
# and scanners miss most of what they could hear.
FRESH_S = 20.0
# The radio that had it last gets so long (s) to hear it again, if it works and another hears it:
# toys advertise once a second, and a scanner listens part of the time.
AGAIN_S = 2.0
# How long (s) one radio may try while another could: nearly all connect within three seconds.
ELSEWHERE_S = 8.0
# Addresses whose sightings are kept; the one that was not heard for longest is forgotten.
HEARD_MOST = 1000


# --- sightings -----------------------------------------------------------------------------------

# A batch leaves at most this long (s) after its first advertisement: people do not notice, and a
# room with a hundred beacons becomes ten messages a second.
BATCH_S = 0.1
# The same content is told once in this time (s): enough to see who is in range, and how near.
SAME_S = 1.0
# Of one message: half a link frame, so that nothing waits long behind it on a slow network.
BATCH = 32
BATCH_BYTES = 32 << 10
# Peripherals remembered; the one not seen for longest is forgotten. A train station has fewer.
SIGHTINGS_MOST = 512
# Weight of a new reading in the running mean of the signal strength.
RSSI_WEIGHT = 0.3


# --- turns ---------------------------------------------------------------------------------------

# Addresses whose failures are remembered; the oldest is forgotten.
REMEMBERED = 256
