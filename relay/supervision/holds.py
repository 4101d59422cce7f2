"""What a relay tells its supervisor, one JSON object per packet of a SOCK_SEQPACKET pair.

    {"hold": ADDRESS, "writes": [[HANDLE, HEX, RESPONSE, DELAY_MS], …], "gap_ms": N, "cut": BOOL,
     "record": PATH, "line": N}
    {"release": ADDRESS}
    {}                      the relay's event loop turns

With a hold whose `line` is not 0 comes a descriptor (SCM_RIGHTS): its writes go there, as they are.
A hold replaces an earlier one for the same address. The end of the stream means that the relay is
dead, or has ended in order if nothing is held any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from relay.supervision.bounds import MOST_BYTES


@dataclass(frozen=True, slots=True)
class HeldWrite:
    """One write of an armed stop. `delay_ms` after the one before it."""

    handle: int
    data: bytes
    response: bool = False
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class StopOrder:
    """How to stop one connected peripheral: with `writes`; `cut`: else by disconnecting it.

    `record`: the file by which the relay's next start knows of it, if there is one. `line`: the
    number of the open port or socket that it is reached by; 0: through BlueZ.
    """

    address: str
    writes: tuple[HeldWrite, ...] = ()
    gap_ms: int = 0
    cut: bool = True
    record: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class StopWithdrawn:
    """This peripheral is not connected any more."""

    address: str


@dataclass(frozen=True, slots=True)
class LoopTurns:
    """The relay's event loop turns."""


RelayReport = StopOrder | StopWithdrawn | LoopTurns


def fitting(said: StopOrder) -> bytes:
    """The order in a packet of MOST_BYTES. A stop that does not fit, which no model has, goes
    without the copies that a lossy way wants, else as an order to cut the peripheral off."""
    packet = encode(said)
    if len(packet) > MOST_BYTES:
        packet = encode(replace(said, writes=tuple(dict.fromkeys(said.writes))))
    if len(packet) > MOST_BYTES:
        packet = encode(replace(said, writes=(), cut=True))
    return packet


def encode(said: RelayReport) -> bytes:
    """Return the packet for `said`."""
    match said:
        case StopOrder():
            writes = [[w.handle, w.data.hex(), w.response, w.delay_ms] for w in said.writes]
            rest = {
                "writes": writes, "gap_ms": said.gap_ms, "cut": said.cut, "record": said.record,
                "line": said.line,
            }  # fmt: skip
            return json.dumps({"hold": said.address, **rest}).encode()
        case StopWithdrawn():
            return json.dumps({"release": said.address}).encode()
        case LoopTurns():
            return b"{}"


def decode(packet: bytes) -> RelayReport:
    """Return what `encode` was given. The relay is trusted: anything else is a bug and raises."""
    fields = json.loads(packet)
    if "hold" in fields:
        writes = tuple(HeldWrite(h, bytes.fromhex(d), r, ms) for h, d, r, ms in fields["writes"])
        rest = (fields["gap_ms"], fields["cut"], fields["record"], fields["line"])
        return StopOrder(fields["hold"], writes, *rest)
    if "release" in fields:
        return StopWithdrawn(fields["release"])
    return LoopTurns()
