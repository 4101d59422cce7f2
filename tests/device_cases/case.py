"""A device case as values, and how its YAML file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class BadCase(Exception):
    """The file is no device case; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Toy:
    name: str
    address: str | None = None
    expected_name: str | None = None
    expected_display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What a client does. `what`: Vibrate, Scalar, Rotate, Linear, Battery or Stop."""

    what: str
    entries: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What must reach the toy. `what`: Write, Subscribe or Unsubscribe."""

    what: str
    endpoint: str
    data: bytes = b""
    response: bool = False

    def __str__(self) -> str:
        shown = f" {self.data.hex(' ')}{' with response' if self.response else ''}"
        return f"{self.what} {self.endpoint}{shown if self.what == 'Write' else ''}"


@dataclass(frozen=True, slots=True)
class Event:
    """What the toy does. `what`: Notifications, Reads or Disconnect; one endpoint each."""

    what: str
    endpoint: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Group:
    """Steps of one kind for one device, from spec version `min_version` on."""

    device: int
    steps: tuple[Action | Expected | Event, ...]
    min_version: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    toys: tuple[Toy, ...]
    init: tuple[Group, ...]
    script: tuple[Group, ...]
    config_file: Path | None = None
    user_config_file: Path | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def alone(self) -> bool:
        """Whether no action means one of several motors."""
        actions = [
            step
            for group in (*self.init, *self.script)
            for step in group.steps
            if isinstance(step, Action)
        ]
        return all(
            len(action.entries) <= 1 and not any(entry.get("Index") for entry in action.entries)
            for action in actions
        )


@dataclass(frozen=True, slots=True)
class _Tagged:
    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    pass


def _construct(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> _Tagged:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.ScalarNode)
        value = loader.construct_scalar(node)
    return _Tagged(tag, value)


_Loader.add_multi_constructor("!", _construct)


def read(path: Path) -> Case:
    """Raises BadCase."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        return Case(
            name=path.stem,
            toys=tuple(_toy(entry) for entry in data["devices"]),
            init=tuple(_groups(data.get("device_init"))),
            script=tuple(_groups(data.get("device_commands"))),
            config_file=_beside(path, data.get("device_config_file")),
            user_config_file=_beside(path, data.get("user_device_config_file")),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadCase(f"{path.name}: {type(error).__name__}: {error}") from error


def _beside(path: Path, name: str | None) -> Path | None:
    if name is None:
        return None
    for folder in (path.parent / "config", path.parent, path.parent.parent / "config"):
        if (folder / name).exists():
            return folder / name
    raise ValueError(f"there is no {name} in config/ beside it")


def _toy(entry: Mapping[str, Any]) -> Toy:
    identifier = entry["identifier"]
    return Toy(
        identifier["name"],
        identifier.get("address"),
        entry.get("expected_name"),
        entry.get("expected_display_name"),
    )


def _groups(items: Sequence[_Tagged] | None, min_version: int = 0) -> list[Group]:
    groups: list[Group] = []
    for item in items or ():
        value = item.value
        match item.tag:
            case "VersionGated":
                gate = max(min_version, int(value["min_spec_version"]))
                groups += _groups(value["commands"], gate)
            case "Messages":
                steps = tuple(_action(step) for step in value["messages"])
                groups.append(Group(value["device_index"], steps, min_version))
            case "Commands":
                expected = tuple(_expected(step) for step in value["commands"])
                groups.append(Group(value["device_index"], expected, min_version))
            case "Events":
                events = tuple(one for step in value["events"] for one in _events(step))
                groups.append(Group(value["device_index"], events, min_version))
            case other:
                raise ValueError(f"unknown group !{other}")
    return groups


def _action(step: _Tagged) -> Action:
    match step.tag:
        case "Vibrate" | "Scalar" | "Rotate" | "Linear":
            return Action(step.tag, tuple(step.value))
        case "Battery":
            return Action(step.tag, (step.value,))
        case "Stop":
            return Action(step.tag)
        case other:
            raise ValueError(f"unknown message !{other}")


def _expected(step: _Tagged) -> Expected:
    match step.tag:
        case "Write":
            response = bool(step.value.get("write_with_response", False))
            return Expected("Write", step.value["endpoint"], bytes(step.value["data"]), response)
        case "Subscribe" | "Unsubscribe":
            return Expected(step.tag, step.value["endpoint"])
        case other:
            raise ValueError(f"unknown command !{other}")


def _events(step: _Tagged) -> list[Event]:
    match step.tag:
        case "Notifications" | "Reads":
            return [Event(step.tag, one["endpoint"], bytes(one["data"])) for one in step.value]
        case "Disconnect":
            return [Event(step.tag)]
        case other:
            raise ValueError(f"unknown event !{other}")
