"""Indexes survive restarts, whatever happens to the file meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.device import Identity
from forwarder.errors import ConfigError
from forwarder.store import Store

HUSH = Identity("AA:01", "lovense", "Z")
EDGE = Identity("AA:02", "lovense", "P")


def test_the_same_toy_keeps_its_index_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "indexes.json"
    first = Store(path)
    assert [first.index(HUSH, "Hush"), first.index(EDGE, "Edge")] == [0, 1]
    again = Store(path)
    assert [again.index(EDGE, "Edge"), again.index(HUSH, "Hush")] == [1, 0]
    assert {known.name for known in again.known} == {"Hush", "Edge"}


def test_a_new_toy_gets_the_lowest_index_that_nobody_ever_had() -> None:
    store = Store(None)
    assert store.index(HUSH, "Hush") == 0
    assert store.index(EDGE, "Edge") == 1


def test_a_wished_index_is_given_if_it_is_free() -> None:
    store = Store(None)
    assert store.index(HUSH, "Hush", wish=7) == 7
    assert store.index(EDGE, "Edge", wish=7) == 0


def test_the_same_address_with_another_model_is_another_device() -> None:
    store = Store(None)
    store.index(HUSH, "Hush")
    assert store.index(Identity("AA:01", "lovense", "P"), "Edge") == 1


def test_a_broken_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "indexes.json"
    path.write_text('{"version":1,"devices":[{}]}')
    with pytest.raises(ConfigError, match=r"indexes\.json cannot be read"):
        Store(path)
    assert path.read_text() == '{"version":1,"devices":[{}]}'


def test_a_full_disk_costs_the_memory_and_not_the_device(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    store = Store(tmp_path / "indexes.json")
    store._path = blocker / "indexes.json"  # a folder that cannot be: every write fails
    assert store.index(HUSH, "Hush") == 0
    assert "could not be saved" in caplog.text
