"""Documents about what a person may switch."""

from __future__ import annotations

from forwarder.api.documents.base import Document, RequestBody

SwitchValue = bool | int | str | list[str | dict[str, str | float | list[str]]]


class SwitchView(Document, frozen=True):
    """`kind`: bool, text, texts, port, groups or stand_ins; of the last two each entry is a table
    as in hub.toml. `fixed`: who has decided it instead, with the line if that
    is a file; null if nobody has."""

    name: str
    kind: str
    label: str
    hint: str
    value: SwitchValue
    fixed: str | None


class FileOnlyView(Document, frozen=True):
    """`options`: of the command line, which are no switches. `why`: for people."""

    options: list[str]
    why: str


class SwitchesView(Document, frozen=True):
    """`can_change`: whether this hub starts anew by itself. `trouble`: why it had to start without
    what was switched."""

    switches: list[SwitchView]
    file_only: list[FileOnlyView]
    can_change: bool
    trouble: str | None


class SwitchesBody(RequestBody, frozen=True):
    """`values`: new ones, by name. The hub starts anew: devices are stopped, apps connect again."""

    values: dict[str, SwitchValue]


class SwitchesSaved(Document, frozen=True):
    """`restarts`: whether anything is another now, so that the hub starts anew."""

    restarts: bool
