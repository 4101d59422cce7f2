"""Intiface's device configuration (v4, v5): newer models of protocols that we know.

Read at run time; what it says about recognition and models comes before our own files if it is
newer than what those were made from, behind them if not. The bytes stay ours. Protocols that we do
not know are listed by the catalogue and otherwise left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

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
from forwarder.definitions.recognition import DefinitionOrigin, ManufacturerMatch, RecognitionBlock
from forwarder.definitions.user_files.json_file import (
    JsonTree,
    convert,
    read_tree,
    shown,
    version_of,
    word,
)
from forwarder.errors import ConfigError

# The configuration that our own files hold, see test_agrees_with_official.
OURS: Final = (5, 57)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_COMMANDS = frozenset(("Read", "Subscribe"))
OfficialByte = Annotated[int, Meta(ge=0, le=255)]


class ManufacturerData(Struct):
    company: int
    data: tuple[OfficialByte, ...] | None = None


class Btle(Struct):
    names: tuple[str, ...] | None = None
    manufacturer_data: tuple[ManufacturerData, ...] | None = None
    advertised_services: tuple[str, ...] | None = None
    services: dict[str, dict[str, str]] | None = None


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
    description: str | None = None
    output: dict[str, OutputConfig] | None = None
    input: dict[str, InputConfig] | None = None


class Configuration(Struct):
    id: str
    name: str
    identifier: tuple[str, ...] | None = None
    features: tuple[FeatureConfig, ...] | None = None
    protocol_variant: str | None = None
    message_gap_ms: GapMs | None = None


class Nested(Struct):
    """Where the schema of user files puts models."""

    configurations: tuple[Configuration, ...] | None = None


class ProtocolConfig(Struct):
    communication: tuple[Communication, ...] | None = None
    configurations: tuple[Configuration, ...] | None = None
    # Version 4.189 has this misspelling once (sexverse-v5).
    configuration: tuple[Configuration, ...] | None = None
    devices: Nested | None = None
    defaults: Configuration | None = None

    @property
    def models(self) -> tuple[Configuration, ...]:
        nested = self.devices.configurations if self.devices is not None else None
        return (*(self.configurations or ()), *(self.configuration or ()), *(nested or ()))


@dataclass(frozen=True, slots=True)
class Overlay:
    """Recognition and models that come before those of our own files; `older`: behind them."""

    blocks: tuple[RecognitionBlock, ...] = ()
    models: dict[str, dict[str, ModelEntry]] = field(default_factory=dict)
    defaults: dict[str, ModelEntry] = field(default_factory=dict)
    older: bool = False

    def get(self, protocol: str, identifier: str | None) -> Definition | None:
        if identifier is None:
            return None
        entry = self.models.get(protocol, {}).get(identifier)
        return entry.definition if entry is not None else None

    def default(self, protocol: str) -> Definition | None:
        entry = self.defaults.get(protocol)
        return entry.definition if entry is not None else None


@dataclass(frozen=True, slots=True)
class Official:
    """A loaded `buttplug-device-config-v5.json`, or one of version 4."""

    version: tuple[int, int]
    protocols: dict[str, ProtocolConfig]

    @classmethod
    def load(cls, path: Path) -> Official:
        """Raises ConfigError: cannot be read, is no such file, or is of another major version."""
        tree = read_tree(path)
        version = version_of(tree, str(path))
        if "protocols" not in tree and "user_configs" in tree:
            raise ConfigError(
                f"{path} is a user's configuration. Name it as `user` in [devices], not `official`."
            )
        return cls(version, protocols_of(tree.get("protocols"), f"{path}: protocols"))

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of output that it names and that we do not know."""
        return frozenset(
            kind
            for config in self.protocols.values()
            for model in (*config.models, *((config.defaults,) if config.defaults else ()))
            for feature in model.features or ()
            for kind in feature.output or ()
            if kind not in OUTPUT_NAMES
        )

    def overlay(self) -> Overlay:
        if self.version <= OURS:
            return replace(overlay(self.protocols, DefinitionOrigin.OLDER), older=True)
        return overlay(self.protocols, DefinitionOrigin.OFFICIAL)


def protocols_of(value: object, where: str) -> dict[str, ProtocolConfig]:
    """A `protocols` table, each protocol by itself so that an error says which. ConfigError."""
    found = {}
    for protocol, config in convert({} if value is None else value, JsonTree, where).items():
        place = f"{where}.{word(protocol)}"
        found[protocol] = convert({} if config is None else config, ProtocolConfig, place)
        _check(found[protocol], place)
    return found


def _check(config: ProtocolConfig, place: str) -> None:
    """What would lead nowhere, or take too much. Raises ConfigError."""
    for at, way in enumerate(config.communication or ()):
        if way.btle is not None:
            _check_btle(way.btle, f"{place}.communication[{at}].btle")
    for model in (*config.models, *((config.defaults,) if config.defaults else ())):
        here = f"{place}: features of {word(model.name)}"
        seen: set[int] = set()
        for at, one in enumerate(model.features or ()):
            index = at if one.index is None else one.index
            if index in seen:
                raise ConfigError(f"{here}: index {index} stands twice. Give each its own.")
            seen.add(index)
            for kind, output in (one.output or {}).items():
                for pair in (output.value, output.duration or (0, 0)):
                    if pair[0] > pair[1]:
                        raise ConfigError(
                            f"{here}: {word(kind)} of index {index} must begin with the lower "
                            f"number, not {shown(list(pair))}."
                        )


def _check_btle(btle: Btle, place: str) -> None:
    for name in btle.names or ():
        if not name.strip("* "):
            raise ConfigError(
                f"{place}.names: {shown(name)} would take every device there is. Name the "
                "beginning that these have in common."
            )
        if "*" in name[:-1]:
            raise ConfigError(
                f"{place}.names: {shown(name)} fits no device: a * stands at the end only."
            )
    for service, endpoints in (btle.services or {}).items():
        for one in (service, *endpoints.values()):
            if _UUID.fullmatch(one) is None:
                raise ConfigError(
                    f"{place}.services: {shown(one)} is no UUID. Write it in full, such as "
                    "0000fff0-0000-1000-8000-00805f9b34fb."
                )


def overlay(protocols: dict[str, ProtocolConfig], origin: DefinitionOrigin) -> Overlay:
    """The overlay that a `protocols` table makes."""
    blocks: list[RecognitionBlock] = []
    models: dict[str, dict[str, ModelEntry]] = {}
    defaults: dict[str, ModelEntry] = {}
    for protocol, config in protocols.items():
        ids = tuple(identifier for one in config.models for identifier in one.identifier or ())
        blocks += [block(protocol, one, ids, origin) for one in config.communication or ()]
        base = None
        if config.defaults is not None:
            base = definition(protocol, None, config.defaults, None)
            if base.features:
                defaults[protocol] = ModelEntry(base)
        table = models.setdefault(protocol, {})
        for one in config.models:
            entry = ModelEntry(definition(protocol, one.identifier, one, base))
            if not entry.definition.features:
                # Listed so that something is recognised; there is nothing to drive.
                continue
            for identifier in one.identifier or ():
                table[identifier] = ModelEntry(replace(entry.definition, identifier=identifier))
    kept = [one for one in blocks if one.services or one.websocket]
    return Overlay(tuple(kept), models, defaults)


def block(
    protocol: str, communication: Communication, ids: tuple[str, ...], origin: DefinitionOrigin
) -> RecognitionBlock:
    btle = communication.btle or Btle()
    advertised = btle.advertised_services or ()
    return RecognitionBlock(
        protocol=protocol,
        names=btle.names or (),
        manufacturer=tuple(
            ManufacturerMatch(rule.company, bytes(rule.data or ()))
            for rule in btle.manufacturer_data or ()
        ),
        advertised=tuple(uuid.lower() for uuid in advertised),
        services={
            service.lower(): {endpoint: uuid.lower() for endpoint, uuid in endpoints.items()}
            for service, endpoints in (btle.services or {}).items()
        },
        websocket=communication.websocket.name if communication.websocket else None,
        ids=ids if advertised else (),
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
        description=config.description or "",
        outputs={
            OUTPUT_NAMES[name]: OutputSpec(one.value[0], one.value[1], one.duration)
            for name, one in (config.output or {}).items()
            if name in OUTPUT_NAMES and one.value[1] > 0
        },
        inputs={
            INPUT_NAMES[name]: InputSpec(
                one.value, tuple(InputCommand(word) for word in one.command if word in _COMMANDS)
            )
            for name, one in (config.input or {}).items()
            if name in INPUT_NAMES
        },
        id=config.id,
    )
