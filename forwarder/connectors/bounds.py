"""Every bound of the doors in one place: connections, deadlines, messages, each with its reason.

A connection costs a stranger nothing and this hub 16 KiB (70 KiB with TLS) and a file descriptor.
The hub asks its system for as many as all places need, and radios, files and D-Bus beside them;
where it gets fewer, often 1,024, the large tables are cut first, see descriptors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Purpose(StrEnum):
    """What a connection is for. Each has places of its own: none can use up another's."""

    CLIENTS = "clients"  # Buttplug clients
    LINKS = "links"  # relays that are programs
    VISITORS = "visitors"  # relays that are web pages: any site can make a browser try
    MEETING = "meeting"  # relays that come by a meeting point
    GUESTS = "guests"  # whoever comes by the id of a share at a meeting point
    DIRECT = "direct"  # relays that come by a direct path
    EVENTS = "events"  # dashboards, and scripts that read events
    DEVICES = "devices"  # toys that dial in by themselves
    UPSTREAM = "upstream"  # other Buttplug servers that dial in
    OTHER = "other"  # whatever a program that embeds a connector makes of it


class PeerOrigin(StrEnum):
    """Where a connection comes from, as far as its address says."""

    HERE = "here"  # this machine
    KNOWN = "known"  # a network from which somebody has proven itself lately
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Bound:
    """`most` at a time, `each` of them from one network (an IPv4 address, an IPv6 /64), or with
    one key or token."""

    most: int
    each: int


# --- before a request has come, and between requests --------------------------------------------

# A full table gives the place of the oldest to a newcomer: a good one needs a tenth of a second,
# and a thousand silent ones a second leave it that. Browsers open six connections to a host, so
# two phones behind one address fit twice. This machine's own programs, and networks that somebody
# proved itself from, are counted apart: no crowd can push them out.
KNOCKING: Final[Mapping[PeerOrigin, Bound]] = {
    PeerOrigin.HERE: Bound(96, 96),
    PeerOrigin.KNOWN: Bound(48, 24),
    PeerOrigin.NEW: Bound(96, 24),
}

# Beside these and the strangers below: for each network as many as keys have proven themselves from
# there, all of them together. A thousand relays behind one address are back at once, and whoever
# else is behind it takes no more than this.
OWN_PLACES: Final = 1024

# --- websockets and streams ---------------------------------------------------------------------

# Opened, and not proven yet: as above, by origin, and the oldest goes. Each has PROOF_S.
STRANGERS: Final[Mapping[Purpose, Bound]] = {
    Purpose.LINKS: Bound(16, 8),
    Purpose.VISITORS: Bound(8, 4),
    # Sockets that this hub dialed, a quarter of all places at most with those below. From an
    # address, as the meeting point states it: it may lie, and then these are what it can use up.
    Purpose.MEETING: Bound(8, 4),
    # The same for guests, by the share that they come by: links to those are passed on.
    Purpose.GUESTS: Bound(4, 2),
    # Datagrams of one port, no sockets; through an iroh relay all seem to come from that.
    Purpose.DIRECT: Bound(8, 4),
    Purpose.EVENTS: Bound(8, 4),
    Purpose.DEVICES: Bound(8, 4),
    Purpose.CLIENTS: Bound(4, 4),
    Purpose.UPSTREAM: Bound(4, 4),
    Purpose.OTHER: Bound(4, 4),
}
# Proven: they stay, and a newcomer is refused. Several times what a household needs, and relays and
# apps for a hall: 1,024 of each. Devices prove
# nothing, so one network may have a part. A relay has one link, and for a moment its next one.
SETTLED: Final[Mapping[Purpose, Bound]] = {
    Purpose.CLIENTS: Bound(1024, 16),
    Purpose.LINKS: Bound(1024, 2),
    Purpose.VISITORS: Bound(24, 2),
    Purpose.MEETING: Bound(24, 2),
    Purpose.GUESTS: Bound(16, 2),
    Purpose.DIRECT: Bound(24, 2),
    Purpose.EVENTS: Bound(16, 8),
    Purpose.DEVICES: Bound(16, 8),
    Purpose.UPSTREAM: Bound(4, 4),
    Purpose.OTHER: Bound(16, 16),
}
# For programs of this machine that showed neither key nor token, apart: no guest can take their
# places, and they take nobody's.
SETTLED_HERE: Final[Mapping[Purpose, Bound]] = {
    Purpose.CLIENTS: Bound(1024, 1024),
    Purpose.LINKS: Bound(24, 24),
    Purpose.VISITORS: Bound(8, 8),
    Purpose.MEETING: Bound(0, 0),  # nobody who comes from elsewhere is of this machine
    Purpose.GUESTS: Bound(0, 0),
    Purpose.DIRECT: Bound(0, 0),
    Purpose.EVENTS: Bound(24, 24),
    Purpose.DEVICES: Bound(16, 16),
    Purpose.UPSTREAM: Bound(8, 8),
    Purpose.OTHER: Bound(16, 16),
}
# Visitors of a meeting point for whom this hub dials, a second and at once, by its own id and by
# that of one share. A dialing costs 2 ms, with TLS 5: a flood for one share takes a hundredth of
# the time. A meeting point says less; this is for one that means harm.
MEETING_VISITS_S: Final = 10.0
MEETING_BURST: Final = 64
MEETING_VISITS_DERIVED_S: Final = 2.0
MEETING_BURST_DERIVED: Final = 16
# Of those, for one network as the meeting point states it: a relay asks once and is here, and two
# phones behind one address that lose each other's link ask a few times. It only narrows: whoever
# states a new address for each visitor has the bounds above.
MEETING_VISITS_EACH_S: Final = 1.0
MEETING_BURST_EACH: Final = 16
# Networks whose visits are counted; of more, the one that asked longest ago begins anew.
MEETING_NETWORKS: Final = 512

# --- deadlines ----------------------------------------------------------------------------------

# For TLS, and again for the request: a lost packet or two, not a visitor who keeps us waiting.
TLS_S: Final = 5.0
REQUEST_S: Final = 5.0
# From the upgrade to the proof: the slowest honest one is the handshake of a link, 4 s.
PROOF_S: Final = 10.0
# A connection that only ever asks for pages gets its last answer after this, and whoever wants
# more opens another. One that takes no answer is cut off after twice as long.
PAGES_S: Final = 60.0
# What the system keeps of a connection that nobody has read, twice this; it would be six megabytes.
UNREAD_BYTES: Final = 16 << 10
# And what this hub itself keeps of a websocket that nobody has read: 170 pings. Each is an object,
# and two hundred thousand of them take the collector 30 ms.
UNREAD_HERE_BYTES: Final = 1 << 10
# Of what came so much is looked at at a time: the worst, empty pieces of a frame, takes 0.3 ms.
SLICE_BYTES: Final = 1 << 10
# So little is never dear: the worst of it takes a third of DEAR_READ_S. To ask what it took are two
# calls of the system, for each command that comes alone.
CHEAP_BYTES: Final = 256
# Looking at what came took so long, ten times what as many bytes of messages take: the connection
# rests for a multiple of it, with what is left. All such connections do so one after the other, so
# that together they take a fifth of a processor.
DEAR_READ_S: Final = 0.0002
DEAR_REST: Final = 4.0
# What aiohttp cannot use yet is offered again after this. Only who does not wait for an answer is
# kept waiting by it, where RFC 6455 (4.1) says to, or who sends more than is taken of it.
LOOK_AGAIN_S: Final = 0.01
# A request counts as so many messages of a turn: a page has twenty files, by six connections.
REQUEST_MESSAGES: Final = 8
# Between two requests of connections that send more than that, all together: the dearest of them
# takes 2 ms, so that a value meets one in a fifth of all cases.
REQUESTS_APART_S: Final = 0.01
# Descriptors have run out, whoever has them: before the next try to accept.
ACCEPT_AGAIN_S: Final = 0.1

# --- messages -----------------------------------------------------------------------------------

# Messages of one peer that are carried out before everybody else has a turn. 64 of the dearest
# kind take 5 ms, a tenth of what may delay another peer's beat.
TURN_MESSAGES: Final = 64
# A turn of a peer that says more than that, of the processor's time; and so a step of whatever is
# done in steps. A value takes two passes of the loop and half a millisecond on its way through this
# hub: with such a step in each of them it takes twice as long.
STEP_S: Final = 0.00025
# What takes many passes begins as late as the last one was; a machine that stood still for longer
# is not waited for.
SPARE_MOST_S: Final = 0.25
# Who has said less in so long is read at once. Four toys with two motors at ten values a second,
# and ten sensors, are an eighth of it.
TURN_S: Final = 0.1
# Of a guest: ten devices with two motors at ten values a second each. The programs of this machine
# are not counted: they share its processor anyway.
GUEST_MESSAGES_S: Final = 250.0
GUEST_BURST: Final = 512.0
# One frame of a client: forty thousand messages. It is opened in steps and carried out in turns, so
# that a long one takes its sender's time and nobody else's. One that is larger cannot be read, and
# ends the session.
CLIENT_FRAME_BYTES: Final = 1 << 20
# One message in it, which is opened in one step: 10 ms for the worst of this size. The longest that
# anybody has a reason for are raw bytes for a toy, in v1, of which a radio takes 512 at a time.
MESSAGE_BYTES: Final = 64 << 10
# From here on a frame is long: it is opened in steps, one client's at a time, with a turn for
# everybody else in between: twenty clients that send long ones together would cost 100 ms at once.
LONG_FRAME_BYTES: Final = 8 << 10
# What is opened between two looks at the clock; the worst of this size takes half a millisecond.
OPENED_BYTES: Final = 512
# Answers that wait for a client: above the first nothing more of it is read until they leave.
ANSWERS: Final = 512
ANSWER_BYTES: Final = 512 << 10
# Requests that wait for one stop that was sent once for all of them.
SHARED_STOPS: Final = 1024

# --- relays and other servers, after they have proven themselves ---------------------------------

# What one link may say unasked. Reading a message costs 20 µs and more of everybody's time; a
# crowded flat with ten sensors says a tenth of it. Above it the link is read more slowly. Answers
# are not counted: there are as many as commands, and slow answers would hold up a stop's.
LINK_MESSAGES_S: Final = 3000.0
# A message counts once more for each so many bytes: the largest frame is a turn of its own. A
# guest's frame counts as so many messages at least.
WEIGHT_BYTES: Final = 1024
LINK_BURST: Final = 6000.0
# Readings of toys; above it they are dropped, for a newer one follows. Sensors tell 100 a second.
NOTIFICATIONS_S: Final = 500.0
NOTIFICATIONS_BURST: Final = 1000.0
# Toys of one relay that are opened: a box of toys at once, and then one every half second.
OPENINGS_S: Final = 2.0
OPENINGS_BURST: Final = 32.0
# What another Buttplug server may say, answers apart. A list of devices costs as much as 20 other
# messages.
SERVER_MESSAGES_S: Final = 1000.0
SERVER_BURST: Final = 2000.0
# One frame of theirs: the lists of four hundred devices. Opening it is one step.
SERVER_FRAME_BYTES: Final = 384 << 10


# --- descriptors ---------------------------------------------------------------------------------

# For everything that is no place: 30 of an idle hub, radios and D-Bus, what it dials by itself, a
# connection that was just accepted, files that are being written.
RESERVED: Final = 128
# A burst of connections must not overflow the queue: the next try of a client comes after 1 s.
BACKLOG: Final = 1024


# --- direct --------------------------------------------------------------------------------------

# From the first packet to the first word: as long as a meeting point's visitor has for its socket.
DIRECT_JOIN_S = 4.0


# --- host addresses ------------------------------------------------------------------------------

# Of each kind; a relay keeps eight of all.
HOST_ADDRESSES_MOST = 8
# How often this machine's addresses are looked at: sooner than relays give a toy up.
ADDRESSES_S = 10.0


# --- in process ----------------------------------------------------------------------------------

# Calls of `open` that the handlers have not taken up yet; only a program that opens channels
# without waiting for anything gets there.
MAX_WAITING = 64


# --- listener ------------------------------------------------------------------------------------

# Request line and header fields: a token and what browsers send fit four times.
MAX_LINE_BYTES = 8190
# The end of a listener, of the two seconds that a hub's end may take: the devices were stopped
# before. Peers get so long to answer a goodbye; then their connections are closed as they are.
GOODBYE_S = 0.15
HANDLERS_S = 0.1


# --- meeting -------------------------------------------------------------------------------------

# Pings of a registration: a meeting point that is frozen is noticed after 7.5 s, half of that for
# the answer. Nothing else ever goes over it.
PING_S = 5.0
# The proof: as at the meeting point.
MEETING_PROOF_S = 5.0
# From a visitor to its socket: the visitor waits for four seconds in all.
MEETING_JOIN_S = 4.0
# What a meeting point says of visitors, a second and at once; more is read more slowly. One that
# means well says no more than this however many ids are flooded there: 600 a minute of the hub's
# own and 120 of each share's, all of them at once (forwarder/meet/bounds.py); 20 µs each.
NEWS_S: Final = 200.0
NEWS_BURST: Final = 8_500
# Changes of what this hub answers to that wait for the meeting point: it takes none, and is left.
WISHES = 1024


# --- meeting ids ---------------------------------------------------------------------------------

# As many as a meeting point takes of one hub (`derived_each` in forwarder/meet/bounds.py).
MEETING_IDS_MOST = 64


# --- websocket client ----------------------------------------------------------------------------

# A channel that lasted so long was no failure, however it ended.
STABLE_S = 10.0
# A program of this machine: it is not asked by many, and who starts it again sits in front of it.
NEAR_LIMIT_S = 3.0


# --- websocket server ----------------------------------------------------------------------------

# Pages that are refused try again every second or so; the log says it once in a while.
SAY_AGAIN_S = 60.0
MAX_SAID = 64
MAX_SAID_CHARS = 240
