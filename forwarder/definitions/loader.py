"""A protocol file, loaded: what recognises its devices, which models there are, what moves them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

from msgspec import UNSET

from forwarder.buttplug.messages import InputCommand, InputType, OutputType
from forwarder.definitions import schema
from forwarder.definitions.lines import Path
from forwarder.definitions.model import (
    INPUT_NAMES,
    OUTPUT_NAMES,
    Definition,
    FeatureSpec,
    InputSpec,
    OutputSpec,
)
from forwarder.definitions.recognition import ManufacturerMatch, RecognitionBlock
from forwarder.definitions.schema import DefinitionError, SchemaError, decode, locate_error
from forwarder.definitions.wired import stand_ins
from forwarder.protocols.compiled import Behaviour, compile_file

# Ids of models and features that Intiface's files do not know are made from their names.
_NAMESPACE = uuid.UUID("6f9a3f0e-58c1-5d0e-9c53-5d6c3f3f0a11")
MODEL_KEY = "model"

# protocol → identifier ("" for the default) → "model" or feature index → UUID
Ids = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    definition: Definition
    constants: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedProtocol:
    """`models` by identifier; `code` names the class that replaces the template interpreter."""

    name: str
    blocks: tuple[RecognitionBlock, ...]
    models: dict[str, ModelEntry]
    default: ModelEntry | None
    behaviour: Behaviour
    code: str | None
    file: schema.File

    @property
    def companies(self) -> frozenset[int]:
        """Whose manufacturer data belongs to devices of this protocol."""
        return frozenset(rule.company for block in self.blocks for rule in block.manufacturer)

    def entries(self) -> tuple[ModelEntry, ...]:
        """Each identifier's model, the default last."""
        return (*self.models.values(), *((self.default,) if self.default else ()))


def load(text: str, source: str, ids: Ids) -> LoadedProtocol:
    """Raises DefinitionError: file, line, reason."""
    file = decode(text, source)
    try:
        return _load(file, ids.get(file.protocol, {}))
    except SchemaError as error:
        raise locate_error(text, source, error.path, error.reason) from error


def derived_id(*parts: object) -> str:
    return str(uuid.uuid5(_NAMESPACE, "/".join(str(part) for part in parts)))


def _load(file: schema.File, ids: dict[str, dict[str, str]]) -> LoadedProtocol:
    behaviour = compile_file(file)
    if file.code is not None and (file.output or file.init or file.input):
        raise SchemaError(("code",), "a file with code has no output, init or input of its own")
    defaults = _features(("feature",), file.feature, file, ids.get("", {}), "")
    default = None
    if file.feature:
        definition = Definition(
            protocol=file.protocol,
            identifier=None,
            name=file.name or file.protocol,
            features=defaults,
            gap_ms=file.message_gap_ms,
            id=file.id or ids.get("", {}).get(MODEL_KEY) or derived_id(file.protocol),
            variant=file.variant,
        )
        default = ModelEntry(definition, dict(file.set))
    models: dict[str, ModelEntry] = {}
    for number, device in enumerate(file.device):
        entry = _model(("device", number), device, file, defaults, ids)
        for identifier in device.ids:
            if identifier in models:
                raise SchemaError(("device", number, "ids"), f"{identifier!r} is listed twice")
            models[identifier] = replace(
                entry, definition=replace(entry.definition, identifier=identifier)
            )
    blocks = tuple(
        _block(("match", number), match, file) for number, match in enumerate(file.match)
    )
    return LoadedProtocol(file.protocol, blocks, models, default, behaviour, file.code, file)


def _model(
    path: Path,
    device: schema.DeviceEntry,
    file: schema.File,
    defaults: tuple[FeatureSpec, ...],
    ids: dict[str, dict[str, str]],
) -> ModelEntry:
    identifier = device.ids[0]
    known = ids.get(identifier, {})
    features = defaults
    if device.feature is not None:
        features = _features((*path, "feature"), device.feature, file, known, identifier)
    if not features:
        raise SchemaError(path, "it has no features, and the file has no default ones")
    gap = file.message_gap_ms if device.message_gap_ms is None else device.message_gap_ms
    definition = Definition(
        protocol=file.protocol,
        identifier=identifier,
        name=device.name,
        features=features,
        gap_ms=gap,
        id=device.id or known.get(MODEL_KEY) or derived_id(file.protocol, identifier),
        variant=device.variant or file.variant,
    )
    return ModelEntry(definition, {**file.set, **device.set})


def _features(
    path: Path,
    features: tuple[schema.Feature, ...],
    file: schema.File,
    ids: dict[str, str],
    identifier: str,
) -> tuple[FeatureSpec, ...]:
    found: dict[int, FeatureSpec] = {}
    for number, feature in enumerate(features):
        at = (*path, number)
        index = number if feature.index is None else feature.index
        if index in found:
            raise SchemaError(at, f"two features have the index {index}")
        outputs = _outputs(at, feature)
        inputs = _inputs(at, feature)
        if not outputs and not inputs:
            raise SchemaError(at, "it has neither an output nor an input")
        found[index] = FeatureSpec(
            index=index,
            description=feature.description or "",
            word=feature.word or "",
            outputs=outputs,
            inputs=inputs,
            id=feature.id or ids.get(str(index)) or derived_id(file.protocol, identifier, index),
        )
    return tuple(found.values())


def _outputs(path: Path, feature: schema.Feature) -> dict[OutputType, OutputSpec]:
    found = {}
    for name, kind in OUTPUT_NAMES.items():
        value = getattr(feature, name)
        if value is UNSET:
            continue
        low, high = value
        fits = low in (0, -high) or (kind is OutputType.TEMPERATURE and 0 < low < high)
        if high < 1 or not fits or (low and kind.is_position):
            raise SchemaError((*path, name), f"a range is [0, n] or [-n, n], not [{low}, {high}]")
        duration = None
        if kind is OutputType.HW_POSITION_WITH_DURATION:
            duration = feature.duration
            if duration is None or not 0 <= duration[0] < duration[1]:
                raise SchemaError((*path, name), "it needs duration = [shortest, longest] in ms")
        found[kind] = OutputSpec(low, high, duration)
    return found


def _inputs(path: Path, feature: schema.Feature) -> dict[InputType, InputSpec]:
    found = {}
    for name, kind in INPUT_NAMES.items():
        value = getattr(feature, name, UNSET) if name != "position" else UNSET
        if value is UNSET:
            continue
        given = schema.Input(value) if isinstance(value, str) else value
        if given.range[0] >= given.range[1]:
            raise SchemaError((*path, name), "its range is empty")
        found[kind] = InputSpec((given.range,), (InputCommand(given.command.capitalize()),))
    return found


def _block(path: Path, match: schema.Match, file: schema.File) -> RecognitionBlock:
    ble = match.ble or schema.Ble()
    rules = []
    for number, rule in enumerate(ble.manufacturer):
        try:
            rules.append(ManufacturerMatch(rule.company, bytes.fromhex(rule.data)))
        except ValueError as error:
            raise SchemaError((*path, "ble", "manufacturer", number), str(error)) from error
    for number, name in enumerate(ble.names):
        if "*" in name[:-1]:
            raise SchemaError((*path, "ble", "names", number), "a * may only stand at the end")
    for number, name in enumerate(ble.leave):
        if "*" in name[:-1] or name == "*":
            raise SchemaError((*path, "ble", "leave", number), "a * may only stand at the end")
    if match.ble is not None and not match.services:
        raise SchemaError(path, "a Bluetooth device needs services")
    wired = stand_ins(file.protocol, match)
    advertised = (*ble.advertised, *wired)
    identifiers = (identifier for device in file.device for identifier in device.ids)
    return RecognitionBlock(
        protocol=file.protocol,
        names=ble.names,
        manufacturer=tuple(rules),
        advertised=advertised,
        services={**match.services, **wired},
        websocket=match.websocket,
        ids=tuple(identifiers) if advertised and not file.identify else (),
        leave=ble.leave,
    )


__all__ = ["DefinitionError", "Ids", "LoadedProtocol", "ModelEntry", "derived_id", "load"]
