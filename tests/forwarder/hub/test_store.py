"""Indexes survive restarts, whatever happens to the file meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from forwarder.errors import ConfigError
from forwarder.hub.bounds import BEHIND_S, STORE_MOST, UNUSED_EACH
from forwarder.hub.device import Identity
from forwarder.hub.kept import KeptConnection
from forwarder.hub.store import Store

HUSH = Identity("AA:01", "lovense", "Z")
EDGE = Identity("AA:02", "lovense", "P")


def test_the_same_toy_keeps_its_index_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "indexes.json"
    first = Store(path)
    assert [first.index(HUSH, "Hush"), first.index(EDGE, "Edge")] == [0, 1]
    first.save()
    again = Store(path)
    assert [again.index(EDGE, "Edge"), again.index(HUSH, "Hush")] == [1, 0]
    assert {known.name for known in again.known} == {"Hush", "Edge"}


def test_what_wearers_keep_is_kept_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "indexes.json"
    kept = (KeptConnection("AA:01", "ab12", "The wearer has paused attic.", "Hush"),)
    store = Store(path)
    store.keep(kept)
    store.save()
    assert Store(path).kept == kept
    again = Store(path)
    again.keep(())
    again.save()
    assert Store(path).kept == ()


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


@pytest.mark.parametrize("content", ['{"version":1,"devices":[{}]}', "", "\0\0\0\0"])
def test_a_broken_file_is_set_aside_and_the_hub_goes_on(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "indexes.json"
    path.write_text(content)
    store = Store(path)
    assert store.index(HUSH, "Hush") == 0
    store.save()
    assert "indexes.json.damaged" in caplog.text
    assert (tmp_path / "indexes.json.damaged").read_text() == content
    assert [known.name for known in Store(path).known] == ["Hush"]


def test_a_file_of_a_newer_version_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "indexes.json"
    path.write_text('{"version":99}')
    with pytest.raises(ConfigError, match="newer version"):
        Store(path)
    assert path.read_text() == '{"version":99}'


def test_a_full_disk_costs_the_memory_and_not_the_device(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    store = Store(tmp_path / "indexes.json")
    store._path = blocker / "indexes.json"  # a folder that cannot be: every write fails
    assert store.index(HUSH, "Hush") == 0
    store.save()
    assert "could not be saved" in caplog.text


def toy(number: int) -> Identity:
    return Identity(f"BB:{number}", "lovense", "Z")


def test_who_invents_toys_gets_a_quota_and_whose_toys_are_used_keeps_them() -> None:
    store = Store(None)
    mine = store.index(HUSH, "Hush", source="bedroom")
    store.gone(HUSH)
    driven = store.index(toy(0), "driven", source="inventor")
    store.used(toy(0))
    for number in range(20 * UNUSED_EACH):
        index = store.index(toy(number), "invented", source="inventor")
        assert index <= UNUSED_EACH + 2
        store.gone(toy(number))
    assert len(store.known) == UNUSED_EACH + 2
    assert store.index(HUSH, "Hush", source="bedroom") == mine
    assert store.index(toy(0), "driven", source="inventor") == driven


def test_what_is_connected_is_never_forgotten_for_something_new() -> None:
    store = Store(None)
    held = [store.index(toy(number), "held", source="one") for number in range(UNUSED_EACH + 9)]
    assert [store.index(toy(number), "held") for number in range(UNUSED_EACH + 9)] == held


def test_even_many_sources_together_stay_within_a_bound() -> None:
    store = Store(None)
    for number in range(STORE_MOST + 50):
        store.index(toy(number), "invented", source=str(number))
        store.gone(toy(number))
    assert len(store.known) == STORE_MOST
    assert store.index(HUSH, "Hush") <= STORE_MOST


@pytest.mark.parametrize("index", [0, -1, 2**32, 2**70])
def test_an_index_that_is_there_twice_or_cannot_be_said_is_given_anew(
    index: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "indexes.json"
    devices = [
        {"address": "AA:01", "protocol": "lovense", "index": 0, "identifier": "Z"},
        {"address": "AA:02", "protocol": "lovense", "index": index, "identifier": "P"},
        {"address": "AA:03", "protocol": "lovense", "index": 1},
    ]
    path.write_text(json.dumps({"version": 1, "devices": devices}))
    store = Store(path)
    assert [store.index(HUSH, "Hush"), store.index(EDGE, "Edge")] == [0, 2]
    assert "AA:02" in caplog.text
    store.save()
    caplog.clear()
    assert Store(path).index(EDGE, "Edge") == 2
    assert not caplog.text


def test_what_was_here_at_the_end_is_expected_at_the_next_start(tmp_path: Path) -> None:
    store = Store(tmp_path / "indexes.json")
    store.index(HUSH, "Hush")
    store.index(EDGE, "Edge")
    store.gone(HUSH)
    store.save()
    again = Store(tmp_path / "indexes.json")
    assert again.expected == (EDGE,)


def written(path: Path) -> int:
    return len(json.loads(path.read_text())["devices"]) if path.exists() else 0


def test_changes_are_written_behind_in_one_batch_and_the_rest_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "indexes.json"

    async def main() -> None:
        store = Store(path)
        running = asyncio.create_task(store.run())
        await asyncio.sleep(0)
        for number in range(1000):
            store.index(toy(number), "toy", source=str(number))
        assert written(path) == 0
        while not written(path):  # noqa: ASYNC110  # a file tells nobody
            await asyncio.sleep(BEHIND_S / 2)
        assert written(path) == 1000
        first = os.stat(path).st_ino
        await asyncio.sleep(10 * BEHIND_S)
        assert os.stat(path).st_ino == first  # nothing changed, nothing was written
        store.index(HUSH, "Hush")
        running.cancel()
        await asyncio.wait([running])
        assert written(path) == 1001

    asyncio.run(main())
