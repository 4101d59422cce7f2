"""Every bound of a meeting point in one place, each with its reason.

A registration is an idle socket (25 KiB without TLS), a pair two sockets that hold 256 KiB while
both ends are slow. The numbers are for one core and half a gigabyte.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Final

from relay.link.security.noise import MAX_MESSAGE_BYTES

if sys.platform != "win32":
    import resource

# --- times ---------------------------------------------------------------------------------------

# A hub's proof: two round trips over the worst mobile network.
PROOF_S: Final = 5.0
# From a visitor to the hub's joining: the hub dials once, TLS included. A relay gives a handshake
# 4 s in all, so nobody waits longer anyway.
JOIN_S: Final = 4.0
# A pair that says nothing: the link inside beats every 2.5 s, and gives up after 10.
IDLE_S: Final = 30.0
# A hub that says nothing, for it pings every 5 s.
SILENT_S: Final = 20.0
# How often the two are looked after.
SWEEP_S: Final = 2.0
# An end that takes nothing off a full socket for so long is given up, and the pair with it.
SEND_S: Final = 5.0

# --- bytes ---------------------------------------------------------------------------------------

# The largest message of the Noise protocol: one frame.
FRAME_BYTES: Final = MAX_MESSAGE_BYTES
# What a frame counts beside its bytes: an empty one is read, kept and passed on, too.
FRAME_COST: Final = 32

# --- several nodes --------------------------------------------------------------------------------

# A question to another node, there and back: visitors wait for four seconds in all.
ASK_S: Final = 1.0
# Of one direction of a pair, on its way: what the node holds for a slow end.
WINDOW_BYTES: Final = 256 << 10
# Messages that wait in this process; more are dropped, which ends the pair.
NODE_MESSAGES: Final = 1_024
# A server that is gone without a word is noticed after two of these (s).
NODE_PING_S: Final = 2
# Between tries of a node that NATS has refused: what was wrong, a person has to mend.
NODE_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many, in all and per address (an IPv4 address, an IPv6 /64).

    registrations, registrations_each  hubs that can be asked for; a home, or a small provider's
                                       shared address
    derived, derived_each              ids beside their own that hubs answer to, 0.5 KiB each: more
                                       shares than anybody keeps track of
    wishes_each                        changes of those by one hub, a minute: all of them when it
                                       comes back, and some
    visitors, visitors_each            waiting to be joined
    visitors_hub, visitors_derived     waiting for one id: more than a house has relays, and more
                                       than one share has guests
    visits_hub, visits_derived         for one id, a minute: each costs the hub a dialing, so that
                                       whoever floods the id of a share takes 1 % of its time
    pairs, pairs_each                  joined; a household at one address
    pairs_hub, pairs_derived           by one id: a hub's relays, a share's guests
    slow                               pairs that hold back bytes of an end that does not read:
                                       256 KiB each, 32 MiB in all; the one that has been slow for
                                       longest ends
    attempts, attempts_each            of whatever kind, a minute
    addresses                          remembered for that, oldest forgotten
    bytes_s, burst_bytes               one direction of a pair. A crowded flat with ten sensors says
                                       20 KiB/s; bursts are lists of advertisements and of services
    """

    registrations: int = 12_000
    registrations_each: int = 16
    derived: int = 24_000
    derived_each: int = 64
    wishes_each: int = 512
    visitors: int = 512
    visitors_each: int = 8
    visitors_hub: int = 32
    visitors_derived: int = 8
    visits_hub: int = 600
    visits_derived: int = 120
    pairs: int = 1_200
    pairs_each: int = 32
    pairs_hub: int = 64
    pairs_derived: int = 16
    slow: int = 128
    attempts: int = 12_000
    attempts_each: int = 240
    addresses: int = 16_384
    bytes_s: int = 256 << 10
    burst_bytes: int = 512 << 10


DEFAULT: Final = Bounds()
# For pages, logs and libraries, beside the sockets.
_OTHER_DESCRIPTORS: Final = 128
# Connections that have not said yet what they come for.
KNOCKING: Final = 512


def with_descriptors(bounds: Bounds) -> Bounds:
    """`bounds`, smaller if this program may not open as many files; the limit is raised to what
    the system lets it."""
    if sys.platform == "win32":
        return bounds
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OTHER_DESCRIPTORS + KNOCKING + sockets(bounds)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    room = wanted - _OTHER_DESCRIPTORS - KNOCKING
    if room >= sockets(bounds):
        return bounds
    share = max(room, 64) / sockets(bounds)
    return replace(
        bounds,
        registrations=max(8, int(bounds.registrations * share)),
        visitors=max(8, int(bounds.visitors * share)),
        pairs=max(8, int(bounds.pairs * share)),
    )


def sockets(bounds: Bounds) -> int:
    return bounds.registrations + bounds.visitors + 2 * bounds.pairs
