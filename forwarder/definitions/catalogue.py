"""All devices that the hub can drive: recognise one, identify it, open its protocol.

Start-up reads one compact index; a protocol's file is parsed when a device of it is first seen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from pathlib import Path

from forwarder.definitions.check import drivable, opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.definitions.loader import LoadedProtocol, ModelEntry
from forwarder.definitions.model import Definition, FeatureSpec, present
from forwarder.definitions.recognition import Rank, Recogniser, RecognitionBlock
from forwarder.definitions.schema import DefinitionError
from forwarder.definitions.user_files.official import Official, Overlay
from forwarder.definitions.user_files.user import UserConfig
from forwarder.errors import ConfigError
from forwarder.protocols import connecting
from forwarder.protocols.base import DeviceProtocol, ProtocolError, Steps
from forwarder.protocols.connecting import Seen
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Advertisement, Interests, Service
from relay.link.names import CHIPS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model, for people: `identifiers` are what tells it from its siblings."""

    definition: Definition
    identifiers: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """What a connected device turned out to be."""

    definition: Definition
    _loaded: LoadedProtocol = field(repr=False)
    _constants: dict[str, int | str] = field(repr=False)
    _blocks: tuple[RecognitionBlock, ...] = field(repr=False)
    _seen: Seen = field(repr=False)

    def endpoints(self, services: tuple[Service, ...]) -> dict[str, int]:
        """Endpoint → characteristic handle, as this model's own protocol names them."""
        return _endpoints(self._blocks, services)

    def open(
        self, *, endpoints: Mapping[str, int], address: str = "", advertised_name: str = ""
    ) -> DeviceProtocol:
        """A fresh protocol, its memory at rest. Raises ProtocolError if it cannot be driven."""
        opening = DeviceMemory(
            definition=self.definition,
            endpoints=endpoints,
            address=address or self._seen.address,
            name=advertised_name or self._seen.name,
            manufacturer=self._seen.manufacturer,
            constants=self._constants,
        )
        return open_protocol(self._loaded, opening)


@dataclass(frozen=True)
class Candidate:
    """A protocol that an advertisement may speak of; `why` says by what it was recognised."""

    protocol: str
    why: str
    _block: RecognitionBlock = field(repr=False)
    _catalogue: Catalogue = field(repr=False)
    # Only a service speaks for it, which others may have, too: it has to answer as its kind does.
    _must_answer: bool = field(default=False, repr=False)

    def endpoints(self, services: tuple[Service, ...]) -> dict[str, int]:
        """Endpoint → characteristic handle; empty if the services do not fit."""
        return self._block.endpoints(services)

    @property
    def services(self) -> dict[str, dict[str, str]]:
        """Service UUID → endpoint → characteristic UUID, as its file describes such devices."""
        return self._block.services

    def identify(self, advertisement: Advertisement) -> Steps[str | None]:
        """Find out which model it is; brings its identifier, None if the device does not tell."""
        loaded = self._catalogue.files.get(self.protocol)
        return connecting.identify(loaded.behaviour, _seen(advertisement), loaded.companies)

    def told(self, advertisement: Advertisement) -> str | None:
        """The model's name without asking the device, see Catalogue.model_name."""
        if self._must_answer:
            return None
        with suppress(ProtocolError):
            told = connecting.without_asking(self.identify(advertisement))
            return self.resolve(told, advertisement).definition.name
        default = self._catalogue.files.get(self.protocol).default
        return None if default is None else default.definition.name

    def resolve(self, identifier: str | None, advertisement: Advertisement) -> Model:
        """The model behind an identifier, perhaps of another protocol. Raises ProtocolError."""
        if identifier is None and self._must_answer:
            loaded = self._catalogue.files.get(self.protocol)
            if any(rule.ask is not None for rule in loaded.behaviour.identify):
                name = advertisement.name or advertisement.address
                raise ProtocolError(f"{name} does not answer as {self.protocol} devices do")
        return self._catalogue.resolve(self.protocol, identifier, advertisement, self._block)


@dataclass(repr=False)
class Catalogue:
    """`unknown_protocols`: in official or user files, but not driven by us; listed, not fatal."""

    files: Files
    _recogniser: Recogniser
    _overlays: tuple[Overlay, ...] = ()
    unknown_protocols: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        *,
        official: Path | Official | None = None,
        user: UserConfig | None = None,
        data: Traversable | Path | None = None,
        own: Path | None = None,
    ) -> Catalogue:
        """`official`: an Intiface device configuration; `own`: a folder of protocol files.

        Raises ConfigError that names file, line and reason if one of them cannot be used.
        """
        if own is not None and not own.is_dir():
            what = "is no folder" if own.exists() else "does not exist"
            raise ConfigError(f"{own} {what}. Name the folder that holds your protocol files.")
        files = Files(DATA if data is None else data, own)
        try:
            files.check_own()
        except DefinitionError as error:
            raise ConfigError(str(error)) from error
        overlays: list[Overlay] = []
        if user is not None:
            overlays.append(user.overlay())
        if official is not None:
            published = Official.load(official) if isinstance(official, Path) else official
            overlays.append(published.overlay())
        recogniser = Recogniser()
        unknown: set[str] = set()
        for overlay in overlays:
            for block in overlay.blocks:
                if files.has(block.protocol):
                    recogniser.add(block)
                else:
                    unknown.add(block.protocol)
        for block in files.blocks():
            recogniser.add(block)
        if user is not None:
            for line in strange(user, files):
                log.warning("%s", line)
        if unknown:
            log.info("protocols in configuration files that we do not drive: %s", sorted(unknown))
        return cls(files, recogniser, tuple(overlays), tuple(sorted(unknown)))

    def match(self, advertisement: Advertisement) -> tuple[Candidate, ...]:
        """Best first: exact name, longest wildcard, manufacturer data, service."""
        return tuple(
            Candidate(hit.block.protocol, hit.why, hit.block, self, hit.rank is Rank.SERVICE)
            for hit in self._recogniser.hits(advertisement)
        )

    def leaves(self, advertisement: Advertisement) -> bool:
        """Whether it must not be touched, as it says itself."""
        return self._recogniser.leaves(advertisement.name or "")

    def model_name(self, advertisement: Advertisement) -> str | None:
        """The model, as far as its advertisement tells: that of its kind where it has to be asked;
        None where nothing fits, or only what others advertise, too."""
        if advertisement.name in CHIPS:
            return None
        for candidate in self.match(advertisement):
            if (name := candidate.told(advertisement)) is not None:
                return name
        return None

    def match_websocket(self, identifier: str) -> tuple[Candidate, ...]:
        """For devices that dial in and say what they are."""
        return tuple(
            Candidate(block.protocol, f"it says that it is {identifier}", block, self)
            for block in self._recogniser.match_websocket(identifier)
        )

    def interests(self) -> Interests:
        return self._recogniser.interests()

    def entries(self) -> tuple[CatalogueEntry, ...]:
        """Every model there is, by protocol; parses all files."""
        return tuple(entry for loaded in self.files.all() for entry in self._entries(loaded))

    def search(self, text: str) -> list[CatalogueEntry]:
        """Models whose name, protocol or identifiers contain every word of `text`."""
        words = text.casefold().split()
        return [
            entry for entry in self.entries() if all(word in _searchable(entry) for word in words)
        ]

    def _entries(self, loaded: LoadedProtocol) -> Iterable[CatalogueEntry]:
        models: dict[str, ModelEntry] = {}
        for overlay in reversed(self._overlays):
            if overlay.older:
                models |= overlay.models.get(loaded.name, {})
        models |= loaded.models
        for overlay in reversed(self._overlays):
            if not overlay.older:
                models |= overlay.models.get(loaded.name, {})
        grouped: dict[tuple[str, str], tuple[Definition, list[str]]] = {}
        for identifier, entry in models.items():
            definition = entry.definition
            grouped.setdefault((definition.id, definition.name), (definition, []))[1].append(
                identifier
            )
        for definition, identifiers in grouped.values():
            yield CatalogueEntry(definition, tuple(identifiers))
        if loaded.default is not None:
            yield CatalogueEntry(loaded.default.definition, ())

    def resolve(
        self,
        protocol: str,
        identifier: str | None,
        advertisement: Advertisement,
        block: RecognitionBlock | None = None,
    ) -> Model:
        """The model, after a redirect if its file has one. Raises ProtocolError."""
        seen = _seen(advertisement)
        loaded = self.files.get(protocol)
        target = connecting.redirected(loaded.behaviour, identifier, seen)
        if target != protocol:
            try:
                loaded = self.files.get(target)
            except KeyError:
                raise ProtocolError(f"{protocol}: there is no protocol {target}") from None
            block = None
        entry = self._entry(loaded, identifier)
        if entry is None:
            raise ProtocolError(f"{loaded.name}: no model of it is known as {identifier!r}")
        ours = (one.definition for one in loaded.entries())
        told = entry.definition
        if not any((one.id, one.features) == (told.id, told.features) for one in ours):
            entry = self._reduced(loaded, entry)
        blocks = (block,) if block is not None else self._blocks(loaded)
        definition = entry.definition
        definition = replace(definition, features=present(definition.features, seen.name))
        return Model(definition, loaded, entry.constants, blocks, seen)

    def _reduced(self, loaded: LoadedProtocol, entry: ModelEntry) -> ModelEntry:
        """A model that is not ours, without what our rules cannot drive. Raises ProtocolError."""
        opening = opening_of(loaded, entry)
        reduced = drivable(loaded, entry, open_protocol(loaded, opening))
        name, features = entry.definition.name, reduced.definition.features
        if not any(feature.outputs or feature.inputs for feature in features):
            raise ProtocolError(f"{name}: our rules for {loaded.name} cannot drive it")
        if features != entry.definition.features:
            log.warning("%s: our rules do not cover %s", name, ", ".join(_lost(entry, features)))
        return reduced

    def _blocks(self, loaded: LoadedProtocol) -> tuple[RecognitionBlock, ...]:
        extra = [
            block
            for overlay in self._overlays
            for block in overlay.blocks
            if block.protocol == loaded.name
        ]
        return (*extra, *loaded.blocks)

    def _entry(self, loaded: LoadedProtocol, identifier: str | None) -> ModelEntry | None:
        own = loaded.models.get(identifier) if identifier is not None else None
        constants = own.constants if own is not None else dict(loaded.file.set)
        variant = own.definition.variant if own is not None else loaded.file.variant

        def variety(definition: Definition) -> ModelEntry:
            if definition.variant is None and variant is not None:
                definition = replace(definition, variant=variant)
            return ModelEntry(definition, constants)

        newer = [overlay for overlay in self._overlays if not overlay.older]
        older = [overlay for overlay in self._overlays if overlay.older]
        for overlay in newer:
            if (definition := overlay.get(loaded.name, identifier)) is not None:
                return variety(definition)
        if own is not None:
            return own
        for overlay in older:
            if (definition := overlay.get(loaded.name, identifier)) is not None:
                return variety(definition)
        for overlay in newer:
            if (definition := overlay.default(loaded.name)) is not None:
                return ModelEntry(definition, constants)
        if loaded.default is not None:
            return loaded.default
        defaults = (overlay.default(loaded.name) for overlay in older)
        found = next((one for one in defaults if one is not None), None)
        return None if found is None else ModelEntry(found, constants)


def strange(user: UserConfig, files: Files) -> list[str]:
    """What a user's file says in vain, a sentence each."""
    found = [
        f"What is decided about {device.address} is for devices of {device.protocol}, "
        "which nobody here can drive."
        for device in user.devices()
        if not files.has(device.protocol)
    ]
    for protocol, config in user.protocols().items():
        if not files.has(protocol):
            found.append(f"Devices of {protocol}, which a user's file names, cannot be driven.")
        for way in config.communication or ():
            if way.btle is None and way.websocket is None:
                found.append(
                    f"A way to devices of {protocol} that a user's file names is neither btle nor "
                    "websocket; only a relay that has it can reach them."
                )
    return found


def _lost(entry: ModelEntry, kept: Iterable[FeatureSpec]) -> list[str]:
    """The outputs that a reduced model has no more, for people."""
    left = {(feature.index, kind) for feature in kept for kind in feature.outputs}
    return [
        f"{kind} of feature {feature.index}"
        for feature in entry.definition.features
        for kind in feature.outputs
        if (feature.index, kind) not in left
    ]


def _endpoints(blocks: Iterable[RecognitionBlock], services: tuple[Service, ...]) -> dict[str, int]:
    for block in blocks:
        found = block.endpoints(services)
        if found:
            return found
    return {}


def _seen(advertisement: Advertisement) -> Seen:
    return Seen(advertisement.name or "", advertisement.address, advertisement.manufacturer)


def _searchable(entry: CatalogueEntry) -> str:
    definition = entry.definition
    return " ".join((definition.name, definition.protocol, *entry.identifiers)).casefold()
