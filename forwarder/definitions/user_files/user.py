"""Intiface's user device configuration (v4, v5): read, changed, written without losing anything.

The file stays a tree of plain values, and of the version that it came in; typed views are made of
the parts that we understand, changes go into the tree, and what we do not understand stays where it
was. Within `user_configs` nothing may be misunderstood: it may hold a limit or a denial.
"""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.model import (
    NAME_OF,
    Definition,
    OutputLimit,
    UserDevice,
)
from forwarder.definitions.recognition import DefinitionOrigin
from forwarder.definitions.user_files.json_file import (
    MAJORS,
    JsonTree,
    array,
    misspelt,
    read_tree,
    table,
    version_of,
    word,
)
from forwarder.definitions.user_files.official import Overlay, ProtocolConfig, overlay, protocols_of
from forwarder.definitions.user_files.user_entries import (
    CHOICES,
    SimulatedDevice,
    canonical_address,
    check_choice,
    check_protocols,
    device_of,
    simulated_of,
)
from forwarder.errors import ConfigError
from relay.link.files.keys import write_private

__all__ = ["SimulatedDevice", "UserConfig", "canonical_address"]

_TABLES = ("version", "user_configs", "protocols")
_CONFIGS = ("devices", "protocols", "simulated_devices")


@dataclass
class UserConfig:
    """What the user decided about devices. Addresses are compared in their canonical form."""

    _tree: JsonTree = field(default_factory=lambda: _empty())

    # Outputs that Intiface's file knows and we do not: limits of them take their feature away.
    _other_kinds: frozenset[str] = frozenset()

    # What the tree says, until it changes: it is asked for at every sighting of a device.
    _read: list[tuple[JsonTree, UserDevice]] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def load(
        cls, path: Path, *, named: bool = False, other_kinds: frozenset[str] = frozenset()
    ) -> UserConfig:
        """Empty if there is no such file, unless its owner `named` it.

        Raises ConfigError: what is wrong, where, and what to do.
        """
        if not named and not path.exists():
            return cls()
        return cls.from_tree(read_tree(path), str(path), other_kinds)

    @classmethod
    def from_tree(
        cls,
        tree: object,
        name: str = "user configuration",
        other_kinds: frozenset[str] = frozenset(),
    ) -> UserConfig:
        if not isinstance(tree, dict):
            raise ConfigError(f"{name} is not a user device configuration: it is no table.")
        version_of(tree, name)
        for key in tree:
            meant = misspelt(key, _TABLES)
            if meant is not None and key not in _TABLES:
                raise ConfigError(f"{name}: {word(key)} is unknown. Did you mean {meant}?")
            if key in _CONFIGS and key != "protocols":
                raise ConfigError(f"{name}: {key} stands outside of user_configs. Put it in there.")
        if "protocols" in tree and "user_configs" not in tree:
            raise ConfigError(
                f"{name} is Intiface's own configuration. "
                "Name it as `official` in [devices], not `user`."
            )
        config = cls(tree, other_kinds)
        try:
            table(tree.get("user_configs"), "user_configs", _CONFIGS)
            config.devices()
            own = config._configs().get("protocols")
            check_protocols(own, "user_configs.protocols", other_kinds)
            config.protocols()
            config.simulated()
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error
        return config

    def save(self, path: Path) -> None:
        """Replace `path` at once; a crash leaves the old or the new file, never half of one."""
        text = json.dumps(self._tree, indent=2, ensure_ascii=False) + "\n"
        write_private(path, text.encode("utf-8"))

    def tree(self) -> JsonTree:
        """A copy of the whole file."""
        return copy.deepcopy(self._tree)

    def copy(self) -> UserConfig:
        """Something to change and save, while this one stays as it is."""
        return UserConfig(self.tree(), self._other_kinds)

    def again(self, path: Path) -> UserConfig:
        """What the file says now. Raises ConfigError."""
        return UserConfig.load(path, named=True, other_kinds=self._other_kinds)

    def adopt(self, changed: UserConfig) -> None:
        """Become what a changed copy is."""
        self._tree = changed.tree()
        self._read = None

    # --- reading -------------------------------------------------------------------------------

    def devices(self) -> tuple[UserDevice, ...]:
        return tuple(device for _, device in self._devices())

    def protocols(self) -> dict[str, ProtocolConfig]:
        return protocols_of(self._configs().get("protocols"), "user_configs.protocols")

    def simulated(self) -> tuple[SimulatedDevice, ...]:
        """The toys that the user wants to have without having them."""
        place = "user_configs.simulated_devices"
        return simulated_of(self._configs().get("simulated_devices"), place)

    def at_start(self) -> tuple[object, object]:
        """What is looked at when a hub starts, and not again."""
        configs = self._configs()
        return configs.get("protocols"), configs.get("simulated_devices")

    def overlay(self) -> Overlay:
        """The user's own ways to recognise devices, and own models."""
        return overlay(self.protocols(), DefinitionOrigin.USER)

    def device(self, address: str, protocol: str, identifier: str | None) -> UserDevice | None:
        """What was decided about this device.

        A device that now calls itself otherwise (new firmware) keeps its limits: without an exact
        entry, those of the same address and protocol count. Of several the limits of all hold, and
        of the rest the first one's.
        """
        address = canonical_address(address)
        same = [d for d in self.devices() if (d.address, d.protocol) == (address, protocol)]
        exact = [device for device in same if device.identifier == identifier]
        found = next(iter(exact or same), None)
        if found is not None:
            every = (limits for device in exact or same for limits in device.features)
            found = replace(found, features=tuple(every))
        shown = {canonical_address(one.address): one.display_name for one in self.simulated()}
        if shown.get(address) and (found is None or found.display_name is None):
            found = found or UserDevice(protocol, address, identifier)
            found = replace(found, display_name=shown[address])
        return found

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
        identity: JsonTree = {
            "address": canonical_address(address),
            "protocol": definition.protocol,
        }
        if identifier is not None:
            identity["identifier"] = identifier
        config: JsonTree = {
            "id": str(uuid.uuid4()),
            "base_id": definition.id,
            "features": [
                {"id": str(uuid.uuid4()), "base_id": feature.id} for feature in definition.features
            ],
            "user_config": {"allow": False, "deny": False, "index": index},
        }
        configs = self._configs()
        if configs.get("devices") is None:
            configs["devices"] = []
        cast("list[object]", configs["devices"]).append({"identifier": identity, "config": config})
        self._read = None

    def set_choice(self, device: UserDevice, **choices: str | int | bool | None) -> None:
        """Set `display_name`, `message_gap_ms`, `allow`, `deny` or `index`; None removes it.

        Raises ConfigError for what clients or relays could not be told.
        """
        unknown = choices.keys() - set(CHOICES)
        if unknown:
            raise ConfigError(f"A device has no setting {', '.join(sorted(unknown))}.")
        for name, value in choices.items():
            try:
                check_choice(name, value)
            except ConfigError as error:
                raise ConfigError(f"A device cannot have that setting: {error}") from error
        config = self._config(device)
        settings = cast("JsonTree", config.get("user_config") or {})
        config["user_config"] = settings
        for name, value in choices.items():
            if value is None:
                settings.pop(name, None)
            else:
                settings[name] = value
        self._read = None

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
        features = cast("list[JsonTree]", config.get("features") or [])
        config["features"] = features
        entry = next((one for one in features if one.get("base_id") == spec.id), None)
        if entry is None:
            entry = {"id": str(uuid.uuid4()), "base_id": spec.id}
            features.append(entry)
        outputs = cast("JsonTree", entry.get("output") or {})
        entry["output"] = outputs
        limits = cast("JsonTree", outputs.get(NAME_OF[kind]) or {})
        outputs[NAME_OF[kind]] = limits
        limits.update(
            value=list(limit.value) if limit.value is not None else None,
            duration=list(limit.duration) if limit.duration is not None else None,
            reverse=limit.reverse or None,
            disabled=limit.disabled or None,
        )
        for name in [name for name, value in limits.items() if value is None]:
            del limits[name]
        self._read = None

    # --- the tree ------------------------------------------------------------------------------

    def _configs(self) -> JsonTree:
        if self._tree.get("user_configs") is None:
            self._tree["user_configs"] = {}
        return cast("JsonTree", self._tree["user_configs"])

    def _devices(self) -> list[tuple[JsonTree, UserDevice]]:
        if self._read is None:
            place = "user_configs.devices"
            entries = enumerate(array(self._configs().get("devices"), place))
            self._read = [
                (cast("JsonTree", entry), device_of(entry, f"{place}[{n}]", self._other_kinds))
                for n, entry in entries
            ]
        return self._read

    def _entry(self, address: str, protocol: str, identifier: str | None) -> JsonTree | None:
        wanted = (canonical_address(address), protocol, identifier)
        for entry, device in self._devices():
            if (device.address, device.protocol, device.identifier) == wanted:
                return entry
        return None

    def _config(self, device: UserDevice) -> JsonTree:
        entry = self._entry(device.address, device.protocol, device.identifier)
        if entry is None:
            raise ConfigError("This device is not in the user configuration.")
        return cast("JsonTree", entry["config"])


def _empty() -> JsonTree:
    return {"version": {"major": MAJORS[-1], "minor": 0}, "user_configs": {}}
