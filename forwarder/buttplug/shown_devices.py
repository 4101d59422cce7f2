"""The devices that a client may see: looked up one by one, or listed, and listed once for many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from forwarder.buttplug.messages import DeviceInfo

T = TypeVar("T")

DeviceInfos = Mapping[int, DeviceInfo]

_encoder = msgspec.json.Encoder()


class DeviceSnapshot(dict[int, DeviceInfo]):
    """All of them at one moment, by index; never changed. What is made of them is made once,
    however many clients are told."""

    _text: msgspec.Raw | None = None

    @property
    def text(self) -> msgspec.Raw:
        """As JSON of spec v4."""
        if self._text is None:
            self._text = msgspec.Raw(_encoder.encode(dict(self)))
        return self._text

    def made(self, key: object, make: Callable[[DeviceSnapshot], T]) -> T:
        """What `make` makes of them; once for each `key`."""
        kept: dict[object, T] = self.__dict__.setdefault("_made", {})
        if key not in kept:
            kept[key] = make(self)
        return kept[key]


class ShownDevices(DeviceInfos):
    """Those there are whenever it is asked. `indexes`: of all; `show`: one of them as the client
    sees it, None if it does not. `changed` ends the snapshot."""

    def __init__(
        self, indexes: Callable[[], Iterable[int]], show: Callable[[int], DeviceInfo | None]
    ) -> None:
        self._indexes = indexes
        self._show = show
        self._snapshot: DeviceSnapshot | None = None
        self._listed_bytes = 0

    def __getitem__(self, index: int) -> DeviceInfo:
        info = self._show(index)
        if info is None:
            raise KeyError(index)
        return info

    def __iter__(self) -> Iterator[int]:
        return (index for index in sorted(self._indexes()) if self._show(index) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def snapshot(self) -> DeviceSnapshot:
        """The same object until `changed`."""
        if self._snapshot is None:
            shown = ((index, self._show(index)) for index in sorted(self._indexes()))
            self._snapshot = DeviceSnapshot(
                (index, info) for index, info in shown if info is not None
            )
        return self._snapshot

    @property
    def listed_bytes(self) -> int:
        """How long the newest list was, also while the next one is not made; 0 before there was
        one."""
        text = None if self._snapshot is None else self._snapshot._text
        return self._listed_bytes if text is None else len(bytes(text))

    def changed(self) -> None:
        """A device came, went, or is another one now."""
        self._listed_bytes = self.listed_bytes
        self._snapshot = None


def snapshot_of(devices: DeviceInfos) -> DeviceSnapshot:
    """`devices` at this moment."""
    if isinstance(devices, DeviceSnapshot):
        return devices
    return devices.snapshot() if isinstance(devices, ShownDevices) else DeviceSnapshot(devices)
