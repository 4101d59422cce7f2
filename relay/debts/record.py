"""How to stop a peripheral when it has to be connected again for it. Sans-I/O.

By UUIDs and not by handles, as handles may be others tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from relay.link.messages import Address, Name, Service
from relay.supervision.holds import StopOrder


class RecordedWrite(msgspec.Struct, frozen=True, omit_defaults=True):
    """One write of a stop, to the `nth` of the characteristics that are named alike."""

    service: str
    uuid: str
    data: bytes  # with the running number that is next
    nth: int = 0
    response: bool = False
    delay_ms: int = 0


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """`stop`: how to stop it; empty: letting it go is all there is to do. `runs`: it may run."""

    address: Address
    name: Name = ""
    stop: tuple[RecordedWrite, ...] = ()
    gap_ms: int = 0
    runs: bool = False


def record_of(name: str, hold: StopOrder, services: tuple[Service, ...], *, runs: bool) -> Record:
    """Return what to write down about a connected peripheral that `hold` stops."""
    places = _places(services)
    stop = tuple(
        RecordedWrite(*places[write.handle][:2], write.data, places[write.handle][2],
             write.response, write.delay_ms)
        for write in hold.writes
        if write.handle in places
    )  # fmt: skip
    return Record(hold.address, name, stop, hold.gap_ms, runs)


def _places(services: tuple[Service, ...]) -> Mapping[int, tuple[str, str, int]]:
    """Handle → service, characteristic, and which one of those alike."""
    found: dict[int, tuple[str, str, int]] = {}
    seen: dict[tuple[str, str], int] = {}
    for service in services:
        for one in service.characteristics:
            key = (service.uuid, one.uuid)
            found[one.handle] = (*key, seen.get(key, 0))
            seen[key] = seen.get(key, 0) + 1
    return found


def handles(services: tuple[Service, ...]) -> Mapping[tuple[str, str, int], int]:
    """Return the handle of each characteristic: the other way round."""
    return {place: handle for handle, place in _places(services).items()}
