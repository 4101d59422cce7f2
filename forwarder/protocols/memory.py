"""What a protocol is opened with, and what its expressions can see of one connected device."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from forwarder.definitions.model import NAME_OF, Definition
from forwarder.protocols.base import NoEndpoint
from relay.link.messages import Packet


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """A connected device, as far as bytes depend on it.

    `endpoints`: role name → characteristic handle. `name` as advertised; `manufacturer`: company
    number → data. `constants` come from the file's `set`. `random` yields that many random bytes.
    """

    definition: Definition
    endpoints: Mapping[str, int]
    address: str = ""
    name: str = ""
    manufacturer: Mapping[int, bytes] = field(default_factory=dict)
    constants: Mapping[str, int | str] = field(default_factory=dict)
    random: Callable[[int], bytes] = secrets.token_bytes
    # What its slots are called over the link, by the names that its protocol has for them: numbered
    # as they come, of which a protocol's file has some dozens at most.
    _slots: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def handle(self, endpoint: str) -> int:
        """Raises NoEndpoint."""
        try:
            return self.endpoints[endpoint]
        except KeyError:
            raise NoEndpoint(f"the device has no endpoint {endpoint}") from None

    def keys(self, names: Iterable[str]) -> tuple[int, ...]:
        """The keys of these slots."""
        return tuple(self._slots.setdefault(name, len(self._slots)) for name in names)

    def packet(self, endpoint: str, data: bytes, *names: str, response: bool = False) -> Packet:
        """One write to `endpoint`, which fills the slots of these names. Raises NoEndpoint."""
        return Packet(self.handle(endpoint), data, response, self.keys(names))


class FeatureMemory(dict[int, int]):
    """Feature index → remembered value, 0 if none; iterates over the values."""

    def __missing__(self, _index: int) -> int:
        return 0

    def __iter__(self) -> Iterator[int]:
        return iter(self.values())


class Memory:
    """The names of expressions (see data/README.md) for one device. Starts at rest."""

    __slots__ = (
        "_counts", "address", "counter_at", "counter_xor_at", "endpoints", "groups", "ident",
        "kinds", "n", "name", "names", "s", "seq", "variant",
    )  # fmt: skip

    def __init__(self, opening: DeviceMemory) -> None:
        definition = opening.definition
        self.s = FeatureMemory()
        self.seq = 0
        self.ident = definition.identifier or ""
        self.name = opening.name
        self.address = opening.address
        self.variant = definition.variant or ""
        self.endpoints = opening.endpoints
        self.names: dict[str, object] = dict(opening.constants)
        # Where the running number stands in the packet encoded last, and its checksum.
        self.counter_at = 0
        self.counter_xor_at: int | None = None
        self._counts: dict[str, int] = {}
        self.groups: dict[str | None, list[tuple[int, str]]] = {None: []}
        for feature in sorted(definition.features, key=lambda one: one.index):
            types = [NAME_OF[kind] for kind in feature.outputs]
            if types:
                self.s[feature.index] = 0
                self.groups[None].append((feature.index, types[0]))
            for type_ in types:
                self._counts[type_] = self._counts.get(type_, 0) + 1
                self.groups.setdefault(type_, []).append((feature.index, type_))
        self.n = len(self.groups[None])
        self.kinds = len(self._counts)

    def count(self, *types: str) -> int:
        return sum(self._counts.get(type_, 0) for type_ in types)
