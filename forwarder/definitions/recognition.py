"""Which protocol an advertisement speaks of. Deterministic; wildcards count only on our side.

An exact name beats the longest wildcard, that beats manufacturer data, that beats an advertised
service; a model's name together with an advertised service of its protocol beats them all.
Between equals, what the user configured beats an official file, that beats our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter

from msgspec import Struct

from relay.link.messages import Advertisement, Interests, Service


class DefinitionOrigin(IntEnum):
    USER = 0
    OFFICIAL = 1
    OWN = 2
    # An official file that is no newer than what our own are made from.
    OLDER = 3


class ManufacturerMatch(Struct, frozen=True, array_like=True):
    """Matches data of `company` that contains `data`."""

    company: int
    data: bytes = b""


class RecognitionBlock(Struct, frozen=True, omit_defaults=True):
    """One way to recognise devices of a protocol, and where their endpoints are then."""

    protocol: str
    names: tuple[str, ...] = ()
    manufacturer: tuple[ManufacturerMatch, ...] = ()
    advertised: tuple[str, ...] = ()
    # service UUID → endpoint → characteristic UUID
    services: dict[str, dict[str, str]] = {}
    websocket: str | None = None
    # Models that tell themselves by a name that other protocols use too, and by a service.
    ids: tuple[str, ...] = ()
    # Names of devices that must not be touched, whatever else speaks for them.
    leave: tuple[str, ...] = ()
    origin: DefinitionOrigin = DefinitionOrigin.OWN

    def endpoints(self, services: Iterable[Service]) -> dict[str, int]:
        """Endpoint → characteristic handle; the first service of the block that has it wins."""
        present: dict[str, dict[str, int]] = {}
        for service in services:
            handles = present.setdefault(service.uuid.lower(), {})
            for one in service.characteristics:
                handles.setdefault(one.uuid.lower(), one.handle)
        found: dict[str, int] = {}
        for uuid, endpoints in self.services.items():
            handles = present.get(uuid, {})
            for endpoint, characteristic in endpoints.items():
                if characteristic in handles:
                    found.setdefault(endpoint, handles[characteristic])
        return found


class Rank(IntEnum):
    MODEL = 0
    NAME = 1
    WILDCARD = 2
    MANUFACTURER = 3
    SERVICE = 4


@dataclass(frozen=True, slots=True)
class Hit:
    """`order` sorts hits, best first; `why` is for people."""

    block: RecognitionBlock
    rank: Rank
    length: int
    why: str

    @property
    def order(self) -> tuple[int, int, int, str]:
        return (self.rank, -self.length, self.block.origin, self.block.protocol)


@dataclass(slots=True)
class Recogniser:
    """All blocks, arranged for looking up."""

    _names: dict[str, list[RecognitionBlock]] = field(default_factory=dict)
    _prefixes: dict[str, list[RecognitionBlock]] = field(default_factory=dict)
    _companies: dict[int, list[tuple[ManufacturerMatch, RecognitionBlock]]] = field(
        default_factory=dict
    )
    _services: dict[str, list[RecognitionBlock]] = field(default_factory=dict)
    _websockets: dict[str, list[RecognitionBlock]] = field(default_factory=dict)
    _uuids: set[str] = field(default_factory=set)
    _left: set[str] = field(default_factory=set)

    def add(self, block: RecognitionBlock) -> None:
        for name in block.names:
            table = self._prefixes if name.endswith("*") else self._names
            table.setdefault(name.removesuffix("*"), []).append(block)
        self._left.update(block.leave)
        for rule in block.manufacturer:
            self._companies.setdefault(rule.company, []).append((rule, block))
        for uuid in block.advertised:
            self._services.setdefault(uuid, []).append(block)
        if block.websocket is not None:
            self._websockets.setdefault(block.websocket, []).append(block)
        self._uuids |= block.services.keys()

    def match(self, advertisement: Advertisement) -> tuple[RecognitionBlock, ...]:
        return tuple(hit.block for hit in self.hits(advertisement))

    def hits(self, advertisement: Advertisement) -> tuple[Hit, ...]:
        """Best first, each protocol once; none for a device that is to be left alone."""
        if self.leaves(advertisement.name or ""):
            return ()
        found = sorted(self._all(advertisement), key=attrgetter("order"))
        best: dict[str, Hit] = {}
        for hit in found:
            best.setdefault(hit.block.protocol, hit)
        return tuple(best.values())

    def leaves(self, name: str) -> bool:
        """Whether a device of this name must not be touched."""
        return any(
            name.startswith(one[:-1]) if one.endswith("*") else name == one for one in self._left
        )

    def _all(self, advertisement: Advertisement) -> Iterable[Hit]:
        name = advertisement.name
        if name:
            for block in self._names.get(name, ()):
                yield Hit(block, Rank.NAME, len(name), f"its name is {name}")
            for end in range(len(name), -1, -1):
                for block in self._prefixes.get(name[:end], ()):
                    yield Hit(block, Rank.WILDCARD, end, f"its name begins with {name[:end]}")
        for company, data in advertisement.manufacturer.items():
            for rule, block in self._companies.get(company, ()):
                if rule.data in data:
                    why = f"manufacturer {company} with {rule.data.hex(' ') or 'any data'}"
                    yield Hit(block, Rank.MANUFACTURER, len(rule.data), why)
        for uuid in advertisement.services:
            for block in self._services.get(uuid.lower(), ()):
                why = f"it offers service {uuid}"
                if name in block.ids:
                    yield Hit(block, Rank.MODEL, 0, f"{why} and is called {name}")
                yield Hit(block, Rank.SERVICE, 0, why)

    def match_websocket(self, identifier: str) -> tuple[RecognitionBlock, ...]:
        return tuple(
            sorted(self._websockets.get(identifier, ()), key=lambda b: (b.origin, b.protocol))
        )

    def interests(self) -> Interests:
        """All that we could drive; for relays whose person chooses the peripheral."""
        return Interests(
            services=tuple(sorted(self._uuids)),
            names=(*sorted(self._names), *sorted(f"{one}*" for one in self._prefixes)),
            companies=tuple(sorted(self._companies)),
        )
