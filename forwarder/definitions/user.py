"""Intiface's user device configuration (v4): read, changed and written without losing anything.

The file stays a tree of plain values; typed views are made of the parts that we understand, changes
go into the tree, and what we do not understand stays where it was. An entry that cannot be
understood is an error, never skipped: it may hold a limit or a denial.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct

from forwarder.buttplug.messages import I32, U32, OutputType
from forwarder.definitions.model import (
    NAME_OF,
    OUTPUT_NAMES,
    Definition,
    FeatureLimits,
    OutputLimit,
    UserDevice,
)
from forwarder.definitions.official import (
    MAJORS,
    MAX_FILE,
    GapMs,
    Overlay,
    ProtocolConfig,
    overlay,
)
from forwarder.definitions.recognition import Origin
from forwarder.errors import ConfigError
from relay.link.keys import write_private

Tree = dict[str, object]

_MAC = re.compile(r"([0-9A-Fa-f]{2})(?:[:_-]([0-9A-Fa-f]{2})){5}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def canonical_address(address: str) -> str:
    """One spelling for an address; also takes it out of the forms that Intiface writes.

    `PeripheralId(hci0/dev_AA_BB_CC_DD_EE_FF)` → `AA:BB:CC:DD:EE:FF`.
    """
    if found := _MAC.search(address):
        return re.sub("[-_]", ":", found[0]).upper()
    if found := _UUID.search(address):
        return found[0].upper()
    return address


class _Identifier(Struct):
    address: str
    protocol: str
    identifier: str | None = None


class _Limit(Struct):
    value: tuple[I32, I32] | None = None
    duration: tuple[U32, U32] | None = None
    reverse: bool = False
    disabled: bool = False


class _Feature(Struct):
    base_id: str = ""
    output: dict[str, _Limit] = {}


class _Choice(Struct, frozen=True):
    allow: bool = False
    deny: bool = False
    index: U32 | None = None
    display_name: str | None = None
    message_gap_ms: GapMs | None = None


class _Config(Struct):
    base_id: str = ""
    features: tuple[_Feature, ...] = ()
    user_config: _Choice = _Choice()


class _Device(Struct):
    identifier: _Identifier
    config: _Config

    def typed(self) -> UserDevice:
        choice = self.config.user_config
        return UserDevice(
            protocol=self.identifier.protocol,
            address=canonical_address(self.identifier.address),
            identifier=self.identifier.identifier,
            index=choice.index,
            display_name=choice.display_name,
            gap_ms=choice.message_gap_ms,
            allow=choice.allow,
            deny=choice.deny,
            base_id=self.config.base_id,
            features=tuple(
                FeatureLimits(
                    one.base_id,
                    {
                        OUTPUT_NAMES[name]: OutputLimit(
                            limit.value, limit.duration, limit.reverse, limit.disabled
                        )
                        for name, limit in one.output.items()
                        if name in OUTPUT_NAMES
                    },
                )
                for one in self.config.features
            ),
        )


@dataclass
class UserConfig:
    """What the user decided about devices. Addresses are compared in their canonical form."""

    _tree: Tree = field(default_factory=lambda: _empty())

    @classmethod
    def load(cls, path: Path) -> UserConfig:
        """Empty if there is no such file. Raises ConfigError: what is wrong, and where."""
        try:
            if path.stat().st_size > MAX_FILE:
                raise ConfigError(f"{path} is too large for a device configuration.")
            tree = json.loads(path.read_text(encoding="utf-8"))
            # Half a character in a \\u escape is JSON, but could never be written back.
            json.dumps(tree, ensure_ascii=False).encode()
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON: {error}.") from error
        except RecursionError as error:
            raise ConfigError(f"{path} nests too deeply.") from error
        return cls.from_tree(tree, str(path))

    @classmethod
    def from_tree(cls, tree: object, name: str = "user configuration") -> UserConfig:
        if not isinstance(tree, dict) or not isinstance(tree.get("version"), dict):
            raise ConfigError(f"{name} is not a user device configuration (no version).")
        if tree["version"].get("major") not in MAJORS:
            raise ConfigError(f"{name}: version {tree['version'].get('major')} is not 4 or 5.")
        config = cls(tree)
        if not isinstance(tree.get("user_configs", {}), dict):
            raise ConfigError(f"{name}: user_configs is not a table.")
        try:
            config.devices()
            config.protocols()
        except msgspec.ValidationError as error:
            raise ConfigError(f"{name}: {error}.") from error
        return config

    def save(self, path: Path) -> None:
        """Replace `path` at once; a crash leaves the old or the new file, never half of one."""
        text = json.dumps(self._tree, indent=2, ensure_ascii=False) + "\n"
        write_private(path, text.encode("utf-8"))

    def tree(self) -> Tree:
        """A copy of the whole file."""
        return copy.deepcopy(self._tree)

    def copy(self) -> UserConfig:
        """Something to change and save, while this one stays as it is."""
        return UserConfig(self.tree())

    def adopt(self, changed: UserConfig) -> None:
        """Become what a changed copy is."""
        self._tree = changed.tree()

    # --- reading -------------------------------------------------------------------------------

    def devices(self) -> tuple[UserDevice, ...]:
        return tuple(device for _, device in self._devices())

    def protocols(self) -> dict[str, ProtocolConfig]:
        return msgspec.convert(self._configs().get("protocols") or {}, dict[str, ProtocolConfig])

    def overlay(self) -> Overlay:
        """The user's own ways to recognise devices, and own models."""
        return overlay(self.protocols(), Origin.USER)

    def device(self, address: str, protocol: str, identifier: str | None) -> UserDevice | None:
        """What was decided about this device.

        A device that now calls itself otherwise (new firmware) keeps its limits: without an exact
        entry, one of the same address and protocol counts.
        """
        address = canonical_address(address)
        same = [d for d in self.devices() if (d.address, d.protocol) == (address, protocol)]
        exact = [device for device in same if device.identifier == identifier]
        return next(iter(exact or same), None)

    def allowed(self, address: str) -> bool:
        """Whether a device with this address may be connected at all."""
        address = canonical_address(address)
        devices = self.devices()
        if any(device.deny and device.address == address for device in devices):
            return False
        listed = {device.address for device in devices if device.allow}
        return not listed or address in listed

    # --- changing ------------------------------------------------------------------------------

    def remember(
        self, address: str, identifier: str | None, definition: Definition, index: int
    ) -> None:
        """Make an entry for a device that has none yet, so that it can be decided about."""
        if self._entry(address, definition.protocol, identifier) is not None:
            return
        identity: Tree = {"address": canonical_address(address), "protocol": definition.protocol}
        if identifier is not None:
            identity["identifier"] = identifier
        config: Tree = {
            "id": str(uuid.uuid4()),
            "base_id": definition.id,
            "features": [
                {"id": str(uuid.uuid4()), "base_id": feature.id} for feature in definition.features
            ],
            "user_config": {"allow": False, "deny": False, "index": index},
        }
        devices = cast("list[object]", self._configs().setdefault("devices", []))
        devices.append({"identifier": identity, "config": config})

    def set_choice(self, device: UserDevice, **choices: str | int | bool | None) -> None:
        """Set `display_name`, `message_gap_ms`, `allow`, `deny` or `index`; None removes it.

        Raises ConfigError for what clients or relays could not be told.
        """
        unknown = choices.keys() - set(_Choice.__struct_fields__)
        if unknown:
            raise ConfigError(f"A device has no setting {', '.join(sorted(unknown))}.")
        try:
            msgspec.convert({n: v for n, v in choices.items() if v is not None}, _Choice)
        except msgspec.ValidationError as error:
            raise ConfigError(f"A device cannot have that setting: {error}.") from error
        config = self._config(device)
        table = cast("Tree", config.setdefault("user_config", {}))
        for name, value in choices.items():
            if value is None:
                table.pop(name, None)
            else:
                table[name] = value

    def set_limit(
        self,
        device: UserDevice,
        definition: Definition,
        feature_index: int,
        kind: OutputType,
        limit: OutputLimit,
    ) -> None:
        """Replace the limit of one output. Raises ConfigError if it does not fit the output."""
        spec = next((one for one in definition.features if one.index == feature_index), None)
        if spec is None or kind not in spec.outputs:
            raise ConfigError(f"{definition.name} has no output {kind} at {feature_index}.")
        high = spec.outputs[kind].high
        if limit.value is not None and not 0 <= limit.value[0] <= limit.value[1] <= high:
            raise ConfigError(f"{definition.name}: a limit of {kind} lies within 0..{high}.")
        if limit.reverse and not kind.is_position:
            raise ConfigError(f"{definition.name}: only positions can be reversed.")
        config = self._config(device)
        features = cast("list[Tree]", config.setdefault("features", []))
        entry = next((one for one in features if one.get("base_id") == spec.id), None)
        if entry is None:
            entry = {"id": str(uuid.uuid4()), "base_id": spec.id}
            features.append(entry)
        outputs = cast("Tree", entry.setdefault("output", {}))
        table = cast("Tree", outputs.setdefault(NAME_OF[kind], {}))
        table.update(
            value=list(limit.value) if limit.value is not None else None,
            duration=list(limit.duration) if limit.duration is not None else None,
            reverse=limit.reverse or None,
            disabled=limit.disabled or None,
        )
        for name in [name for name, value in table.items() if value is None]:
            del table[name]

    # --- the tree ------------------------------------------------------------------------------

    def _configs(self) -> Tree:
        configs = self._tree.setdefault("user_configs", {})
        if not isinstance(configs, dict):
            raise ConfigError("The user device configuration has no table user_configs.")
        return configs

    def _devices(self) -> Iterator[tuple[Tree, UserDevice]]:
        # Only checked, so that what is changed is the tree itself.
        entries = self._configs().get("devices") or []
        msgspec.convert(entries, list[dict[str, object]])
        for number, entry in enumerate(cast("list[Tree]", entries), 1):
            try:
                yield entry, msgspec.convert(entry, _Device).typed()
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(f"device {number} of its list: {error}") from error

    def _entry(self, address: str, protocol: str, identifier: str | None) -> Tree | None:
        wanted = (canonical_address(address), protocol, identifier)
        for entry, device in self._devices():
            if (device.address, device.protocol, device.identifier) == wanted:
                return entry
        return None

    def _config(self, device: UserDevice) -> Tree:
        entry = self._entry(device.address, device.protocol, device.identifier)
        if entry is None:
            raise ConfigError("This device is not in the user configuration.")
        return cast("Tree", entry["config"])


def _empty() -> Tree:
    return {"version": {"major": MAJORS[-1], "minor": 0}, "user_configs": {}}
