"""The entries of a user's file: what was decided about single devices. Nothing is skipped.

A word that is not understood may be a limit or a denial, so it is an error that names its place.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from forwarder.definitions.model import OUTPUT_NAMES, FeatureLimits, OutputLimit, UserDevice
from forwarder.definitions.user_files.json_file import (
    JsonTree,
    array,
    flag,
    hint,
    number,
    pair,
    shown,
    table,
    text,
    word,
)
from forwarder.errors import ConfigError

_MAC = re.compile(r"([0-9A-Fa-f]{2})(?:[:_-]([0-9A-Fa-f]{2})){5}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_BARE = re.compile(r"[0-9A-Fa-f]{12}")

# As much as the link carries.
ADDRESS_CHARACTERS = 64
# Each client is told it again whenever a device comes or goes; a line of a screen.
NAME_CHARACTERS = 200
INDEX = (0, 2**32 - 1)
# The link carries no longer pause.
GAP_MS = (0, 60_000)
STEPS = (-(2**31), 2**31 - 1)
DURATION_MS = (0, 2**32 - 1)
# Intiface also writes names, descriptions and inputs; they decide nothing.
_CONFIG = ("name", "id", "base_id", "features", "user_config", "protocol_variant")
_FEATURE = ("id", "base_id", "description", "index", "output", "input", "feature_settings")
# The models of simulated.toml.
ARCHETYPES = (
    "simulated-1vibe", "simulated-2vibe", "simulated-rotator", "simulated-oscillator",
    "simulated-stroker",
)  # fmt: skip
CHOICES = ("allow", "deny", "index", "display_name", "message_gap_ms")


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A toy that is not there, by the archetype that it is of (`simulated-1vibe`, …)."""

    identifier: str
    address: str
    display_name: str | None = None


@functools.lru_cache(1024)
def canonical_address(address: str) -> str:
    """One spelling for an address; also takes it out of the forms that Intiface writes.

    `PeripheralId(hci0/dev_AA_BB_CC_DD_EE_FF)` → `AA:BB:CC:DD:EE:FF`. People leave the colons out.
    """
    if found := _MAC.search(address):
        return re.sub("[-_]", ":", found[0]).upper()
    if found := _UUID.search(address):
        return found[0].upper()
    bare = re.sub(r"[ .:_-]", "", address)
    if _BARE.fullmatch(bare):
        return ":".join(bare[at : at + 2] for at in range(0, 12, 2)).upper()
    return address


def device_of(entry: object, where: str, other_kinds: frozenset[str] = frozenset()) -> UserDevice:
    """One entry of `devices`. `other_kinds`: outputs that Intiface's file knows and we do not.

    Raises ConfigError that begins with the place, below `where`.
    """
    tree = table(entry, where, ("identifier", "config"))
    at = f"{where}.identifier"
    identity = table(tree.get("identifier"), at, ("address", "protocol", "identifier"))
    config = table(tree.get("config"), f"{where}.config", _CONFIG)
    choice = _choice(config.get("user_config"), f"{where}.config.user_config")
    identifier = identity.get("identifier")
    place = f"{where}.config.features"
    return UserDevice(
        protocol=text(identity.get("protocol"), f"{at}.protocol"),
        address=canonical_address(text(identity.get("address"), f"{at}.address")),
        identifier=None if identifier is None else _label(identifier, f"{at}.identifier"),
        index=choice.index,
        display_name=choice.display_name,
        gap_ms=choice.gap_ms,
        allow=choice.allow,
        deny=choice.deny,
        base_id=_id(config, f"{where}.config"),
        features=tuple(
            _feature(one, f"{place}[{number}]", other_kinds)
            for number, one in enumerate(array(config.get("features"), place))
        ),
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    allow: bool
    deny: bool
    index: int | None
    display_name: str | None
    gap_ms: int | None


def _choice(value: object, where: str) -> _Choice:
    tree = table(value, where, CHOICES)
    index, gap, name = (tree.get(key) for key in ("index", "message_gap_ms", "display_name"))
    return _Choice(
        allow=flag(tree.get("allow"), f"{where}.allow"),
        deny=flag(tree.get("deny"), f"{where}.deny"),
        index=None if index is None else number(index, f"{where}.index", *INDEX),
        display_name=_name(name, f"{where}.display_name"),
        gap_ms=None if gap is None else number(gap, f"{where}.message_gap_ms", *GAP_MS),
    )


def check_choice(name: str, value: object) -> None:
    """Raises ConfigError unless `user_config` may have this."""
    _choice({name: value}, "it")


def _label(value: object, where: str) -> str:
    """Text that may be empty."""
    return "" if value == "" else text(value, where)


def _name(value: object, where: str) -> str | None:
    """What people call a device."""
    if value is None:
        return None
    name = _label(value, where)
    if len(name) > NAME_CHARACTERS:
        longest = f"at most {NAME_CHARACTERS} characters"
        raise ConfigError(f"{where} has {len(name)} characters. Give it {longest}.")
    return name


def _id(tree: JsonTree, where: str) -> str:
    value = tree.get("base_id")
    return "" if value is None else _label(value, f"{where}.base_id")


def _feature(value: object, where: str, other_kinds: frozenset[str]) -> FeatureLimits:
    tree = table(value, where, _FEATURE)
    outputs, unknown = {}, []
    place = f"{where}.output"
    for kind, limit in table(tree.get("output"), place, (*OUTPUT_NAMES, *other_kinds)).items():
        if kind in OUTPUT_NAMES:
            outputs[OUTPUT_NAMES[kind]] = _limit(limit, f"{place}.{kind}", kind)
        elif limit:
            unknown.append(kind)
    return FeatureLimits(_id(tree, where), outputs, tuple(unknown))


def _limit(value: object, where: str, kind: str) -> OutputLimit:
    known = ["value", "disabled"]
    if OUTPUT_NAMES[kind].is_position:
        known.append("reverse")
    if kind == "hw_position_with_duration":
        known.append("duration")
    tree = table({k: v for k, v in table_of(value, where).items() if v is not None}, where, known)
    return OutputLimit(
        value=pair(tree.get("value"), f"{where}.value", *STEPS),
        duration=pair(tree.get("duration"), f"{where}.duration", *DURATION_MS),
        reverse=flag(tree.get("reverse"), f"{where}.reverse"),
        disabled=flag(tree.get("disabled"), f"{where}.disabled"),
    )


def table_of(value: object, where: str) -> JsonTree:
    if value is None or isinstance(value, dict):
        return value or {}
    raise ConfigError(f"{where} must be a table, not {shown(value)}.")


def simulated_of(value: object, where: str) -> tuple[SimulatedDevice, ...]:
    """`simulated_devices`. Raises ConfigError."""
    found = []
    seen: set[str] = set()
    for at, one in enumerate(array(value, where)):
        place = f"{where}[{at}]"
        tree = table(one, place, ("identifier", "display_name", "address"))
        identifier = text(tree.get("identifier"), f"{place}.identifier")
        if identifier not in ARCHETYPES:
            end = hint(identifier, ARCHETYPES)
            raise ConfigError(f"{place}.identifier: {word(identifier)} is unknown{end}")
        address = text(tree.get("address"), f"{place}.address")
        if len(address) > ADDRESS_CHARACTERS:
            longest = f"at most {ADDRESS_CHARACTERS} characters"
            raise ConfigError(f"{place}.address has {len(address)} characters. Give it {longest}.")
        if address in seen:
            raise ConfigError(
                f"{place}.address: {word(address)} is another one's, too. Give it its own."
            )
        seen.add(address)
        label = _name(tree.get("display_name"), f"{place}.display_name")
        found.append(SimulatedDevice(identifier, address, label))
    return tuple(found)


_PROTOCOL = ("communication", "configurations", "configuration", "devices", "defaults")
# How devices are reached, as Intiface's files name it; a hub reaches them by the first two.
_WAYS = (
    "btle", "websocket", "serial", "usb", "hid", "xinput", "sdl-gamepad", "simulated",
    "lovense_connect_service",
)  # fmt: skip
_BTLE = ("names", "manufacturer_data", "advertised_services", "services")
_MODEL = ("identifier", "name", "id", "protocol_variant", "message_gap_ms", "features")


def check_protocols(value: object, where: str, other_kinds: frozenset[str] = frozenset()) -> None:
    """The words of a user's own `protocols`; their values are the business of `official`."""
    for protocol, config in table_of(value, where).items():
        place = f"{where}.{word(protocol)}"
        tree = table(config, place, _PROTOCOL)
        for at, way in enumerate(array(tree.get("communication"), f"{place}.communication")):
            here = f"{place}.communication[{at}]"
            table(table(way, here, _WAYS).get("btle"), f"{here}.btle", _BTLE)
        nested = table(tree.get("devices"), f"{place}.devices", ("configurations",))
        lists = [(tree.get(key), f"{place}.{key}") for key in ("configurations", "configuration")]
        lists.append((nested.get("configurations"), f"{place}.devices.configurations"))
        for models, here in lists:
            for at, model in enumerate(array(models, here)):
                one = table(model, f"{here}[{at}]", _MODEL)
                _check_features(one, f"{here}[{at}]", other_kinds)
        here = f"{place}.defaults"
        _check_features(table(tree.get("defaults"), here, _MODEL), here, other_kinds)


def _check_features(model: JsonTree, where: str, other_kinds: frozenset[str]) -> None:
    place = f"{where}.features"
    for at, feature in enumerate(array(model.get("features"), place)):
        one = table(feature, f"{place}[{at}]", _FEATURE)
        table(one.get("output"), f"{place}[{at}].output", (*OUTPUT_NAMES, *other_kinds))
