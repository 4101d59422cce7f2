"""Intiface's device configuration (v4): newer models of protocols that we know, without an update.

Read at run time; what it says about recognition and models comes before our own files, the bytes
stay ours. Protocols that we do not know are listed by the catalogue and otherwise left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from forwarder.buttplug.messages import I32, U32, InputCommand
from forwarder.definitions.loader import ModelEntry, derived_id
from forwarder.definitions.model import (
    INPUT_NAMES,
    OUTPUT_NAMES,
    Definition,
    FeatureSpec,
    InputSpec,
    OutputSpec,
)
from forwarder.definitions.recognition import Block, Manufacturer, Origin
from forwarder.errors import ConfigError

# Version 5 (2026) is version 4 with other ways to be connected; both are read alike.
MAJORS = (4, 5)
# The official file has 600 kB; what is a hundred times larger is something else.
MAX_FILE = 64 * 1024 * 1024
_COMMANDS = frozenset(("Read", "Subscribe"))
T = TypeVar("T")
Byte = Annotated[int, Meta(ge=0, le=255)]


class Version(Struct):
    major: int
    minor: int = 0


class ManufacturerData(Struct):
    company: int
    data: tuple[Byte, ...] = ()


class Btle(Struct):
    names: tuple[str, ...] = ()
    manufacturer_data: tuple[ManufacturerData, ...] = ()
    advertised_services: tuple[str, ...] = ()
    services: dict[str, dict[str, str]] = {}


class Websocket(Struct):
    name: str


class Communication(Struct):
    """Other ways than these two are not ours to drive and are skipped."""

    btle: Btle | None = None
    websocket: Websocket | None = None


# What clients and the link can be told: an index, or a pause, beyond that would end their sessions.
FeatureIndex = Annotated[int, Meta(ge=0, le=255)]
GapMs = Annotated[int, Meta(ge=0, le=60_000)]


class OutputConfig(Struct):
    value: tuple[I32, I32]
    duration: tuple[U32, U32] | None = None


class InputConfig(Struct):
    value: tuple[tuple[I32, I32], ...]
    command: tuple[str, ...]


class FeatureConfig(Struct):
    id: str
    index: FeatureIndex | None = None
    description: str = ""
    output: dict[str, OutputConfig] = {}
    input: dict[str, InputConfig] = {}


class Configuration(Struct):
    id: str
    name: str
    identifier: tuple[str, ...] = ()
    features: tuple[FeatureConfig, ...] | None = None
    protocol_variant: str | None = None
    message_gap_ms: GapMs | None = None


class ProtocolConfig(Struct):
    communication: tuple[Communication, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    # The published file has this misspelling once (sexverse-v5).
    configuration: tuple[Configuration, ...] = ()
    defaults: Configuration | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """Recognition and models that come before those of our own files."""

    blocks: tuple[Block, ...] = ()
    models: dict[str, dict[str, ModelEntry]] = field(default_factory=dict)
    defaults: dict[str, ModelEntry] = field(default_factory=dict)

    def get(self, protocol: str, identifier: str | None) -> Definition | None:
        if identifier is None:
            return None
        entry = self.models.get(protocol, {}).get(identifier)
        return entry.definition if entry is not None else None

    def default(self, protocol: str) -> Definition | None:
        entry = self.defaults.get(protocol)
        return entry.definition if entry is not None else None


class _File(Struct):
    version: Version
    protocols: dict[str, ProtocolConfig] = {}


@dataclass(frozen=True, slots=True)
class Official:
    """A loaded `buttplug-device-config-v4.json`."""

    version: str
    protocols: dict[str, ProtocolConfig]

    @classmethod
    def load(cls, path: Path) -> Official:
        """Raises ConfigError: cannot be read, is no such file, or is of another major version."""
        file = read_json(path, _File)
        if file.version.major not in MAJORS:
            raise ConfigError(
                f"{path.name} is a device configuration of version {file.version.major}, "
                f"we read versions {MAJORS[0]} and {MAJORS[1]}."
            )
        return cls(f"{file.version.major}.{file.version.minor}", file.protocols)

    def overlay(self) -> Overlay:
        return overlay(self.protocols, Origin.OFFICIAL)


def read_json(path: Path, kind: type[T]) -> T:
    """Raises ConfigError that names the file and what is wrong with it."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError(f"{path} is too large for a device configuration.")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a device configuration (v4): {error}.") from error


def overlay(protocols: dict[str, ProtocolConfig], origin: Origin) -> Overlay:
    """The overlay that a `protocols` table makes."""
    blocks: list[Block] = []
    models: dict[str, dict[str, ModelEntry]] = {}
    defaults: dict[str, ModelEntry] = {}
    for protocol, config in protocols.items():
        ids = tuple(identifier for one in config.configurations for identifier in one.identifier)
        blocks += [block(protocol, one, ids, origin) for one in config.communication]
        base = None
        if config.defaults is not None:
            base = definition(protocol, None, config.defaults, None)
            if base.features:
                defaults[protocol] = ModelEntry(base)
        table = models.setdefault(protocol, {})
        for one in (*config.configurations, *config.configuration):
            entry = ModelEntry(definition(protocol, one.identifier, one, base))
            if not entry.definition.features:
                # Listed so that something is recognised; there is nothing to drive.
                continue
            for identifier in one.identifier:
                table[identifier] = ModelEntry(replace(entry.definition, identifier=identifier))
    kept = [one for one in blocks if one.services or one.websocket]
    return Overlay(tuple(kept), models, defaults)


def block(
    protocol: str, communication: Communication, ids: tuple[str, ...], origin: Origin
) -> Block:
    btle = communication.btle or Btle()
    return Block(
        protocol=protocol,
        names=btle.names,
        manufacturer=tuple(
            Manufacturer(rule.company, bytes(rule.data)) for rule in btle.manufacturer_data
        ),
        advertised=tuple(uuid.lower() for uuid in btle.advertised_services),
        services={
            service.lower(): {endpoint: uuid.lower() for endpoint, uuid in endpoints.items()}
            for service, endpoints in btle.services.items()
        },
        websocket=communication.websocket.name if communication.websocket else None,
        ids=ids if btle.advertised_services else (),
        origin=origin,
    )


def definition(
    protocol: str,
    identifiers: tuple[str, ...] | None,
    config: Configuration,
    base: Definition | None,
) -> Definition:
    features = base.features if base is not None else ()
    if config.features is not None:
        features = tuple(feature(number, one) for number, one in enumerate(config.features))
    gap = config.message_gap_ms
    return Definition(
        protocol=protocol,
        identifier=identifiers[0] if identifiers else None,
        name=config.name,
        features=features,
        gap_ms=gap if gap is not None else (base.gap_ms if base is not None else None),
        id=config.id or derived_id(protocol, *(identifiers or ())),
        variant=config.protocol_variant,
    )


def feature(number: int, config: FeatureConfig) -> FeatureSpec:
    """Outputs and inputs of kinds that this version does not know are left out."""
    return FeatureSpec(
        index=number if config.index is None else config.index,
        description=config.description,
        outputs={
            OUTPUT_NAMES[name]: OutputSpec(one.value[0], one.value[1], one.duration)
            for name, one in config.output.items()
            if name in OUTPUT_NAMES and one.value[1] > 0
        },
        inputs={
            INPUT_NAMES[name]: InputSpec(
                one.value, tuple(InputCommand(word) for word in one.command if word in _COMMANDS)
            )
            for name, one in config.input.items()
            if name in INPUT_NAMES
        },
        id=config.id,
    )
