"""One device is looked up without the others; a list is made once for all who are told."""

from __future__ import annotations

import msgspec

from forwarder.buttplug.codec import encode
from forwarder.buttplug.dialect import V4Dialect
from forwarder.buttplug.legacy.dialects import dialect
from forwarder.buttplug.messages import DeviceInfo, DeviceList
from forwarder.buttplug.server import ServerSession
from forwarder.buttplug.shown_devices import DeviceSnapshot, ShownDevices, snapshot_of
from tests.forwarder.buttplug.devices import nora


class Table:
    def __init__(self, count: int) -> None:
        self.devices = {
            index: msgspec.structs.replace(nora(), device_index=index) for index in range(count)
        }
        self.looked = 0
        self.shown = ShownDevices(lambda: self.devices, self._show)

    def _show(self, index: int) -> DeviceInfo | None:
        self.looked += 1
        return self.devices.get(index)


def test_one_command_looks_at_one_device() -> None:
    table = Table(1000)
    session = ServerSession("x", devices=lambda: table.shown)
    hello = '[{"RequestServerInfo":{"Id":1,"ClientName":"old","MessageVersion":3}}]'
    session.receive(hello, 0.0)
    stop = '{"StopCmd":{"Id":3,"DeviceIndex":7,"FeatureIndex":0}}'
    vibrate = '{"VibrateCmd":{"Id":2,"DeviceIndex":7,"Speeds":[{"Index":0,"Speed":0.5}]}}'
    actions = session.receive(f"[{vibrate},{stop}]", 0.0)
    assert not any(isinstance(action, str) for action in actions)
    assert table.looked == 2


def test_it_is_a_mapping_of_what_is_shown() -> None:
    table = Table(4)
    assert list(table.shown) == [0, 1, 2, 3]
    assert len(table.shown) == 4
    assert dict(table.shown) == table.devices == table.shown.snapshot()


def test_the_same_list_is_made_once_for_all_clients() -> None:
    table = Table(3)
    first, second = V4Dialect({}), V4Dialect({})
    one, two = (each.changes(table.shown)[0] for each in (first, second))
    assert encode(one) == encode(DeviceList(id=0, devices=table.devices))
    assert one.devices is two.devices  # type: ignore[attr-defined]
    assert first.changes(table.shown) == []
    looked = table.looked
    assert second.changes(table.shown) == []
    assert table.looked == looked


def test_old_versions_share_what_they_are_told_too() -> None:
    table = Table(3)
    first, second = dialect(3), dialect(3)
    one, two = (each.device_list(1, table.shown) for each in (first, second))
    assert one == two
    assert one.devices[0] is two.devices[0]  # type: ignore[attr-defined]
    other = dialect(2).device_list(1, table.shown)
    assert type(other.devices[0]) is not type(one.devices[0])  # type: ignore[attr-defined]


def test_a_change_is_another_list() -> None:
    table = Table(2)
    client = V4Dialect({})
    client.changes(table.shown)
    del table.devices[0]
    assert client.changes(table.shown) == []
    table.shown.changed()
    (told,) = client.changes(table.shown)
    assert encode(told) == encode(DeviceList(id=0, devices=table.devices))
    assert table.shown.listed_bytes == len(msgspec.json.encode(table.devices))


def test_how_long_a_list_is_is_known_before_the_next_one_is_made() -> None:
    """That is when the hub asks: how many clients are told in one pass, and how often."""
    table = Table(2)
    assert table.shown.listed_bytes == 0
    (told,) = V4Dialect({}).changes(table.shown)
    encode(told)
    listed_bytes = len(msgspec.json.encode(table.devices))
    for _ in range(2):
        table.shown.changed()
        assert table.shown.listed_bytes == listed_bytes


def test_a_snapshot_of_anything_stays_as_it_is() -> None:
    devices = {0: nora()}
    snapshot = snapshot_of(devices)
    devices.clear()
    assert snapshot == {0: nora()}
    assert snapshot_of(snapshot) is snapshot
    assert isinstance(snapshot, DeviceSnapshot)


def test_the_frame_of_news_is_one_for_all_clients_of_v4() -> None:
    table = Table(3)
    told = []
    for _ in range(2):
        session = ServerSession("x", devices=lambda: table.shown)
        session.receive(
            '[{"RequestServerInfo":{"Id":1,"ClientName":"new","ProtocolVersionMajor":4,'
            '"ProtocolVersionMinor":0}}]',
            0.0,
        )
        told += session.device_list()
    first, second = told
    assert first is second
    assert first == encode(DeviceList(id=0, devices=table.devices))
