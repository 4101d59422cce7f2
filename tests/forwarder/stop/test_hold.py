"""The person's stop as a state: the whole table, mutes by name, and what is kept of it."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from forwarder.errors import ConfigError
from forwarder.stop.bounds import MAX_MUTED
from forwarder.stop.hold import NEXT, Hold, HoldMode, HoldState, Muted, Wish
from forwarder.stop.hold_file import HoldFile, load_hold
from tests.doubles.full_disk import full_disk

NOON = 1_750_000_000.0


def test_the_table_is_whole() -> None:
    assert set(NEXT) == set(itertools.product(HoldMode, Wish))


@pytest.mark.parametrize("mode", HoldMode)
def test_from_every_mode_a_stop_stops_and_only_a_resume_frees(mode: HoldMode) -> None:
    assert NEXT[mode, Wish.STOP] is HoldMode.STOPPED
    assert NEXT[mode, Wish.PAUSE] is not HoldMode.FREE
    assert NEXT[mode, Wish.RESUME] is HoldMode.FREE


@pytest.mark.parametrize("wishes", list(itertools.product(Wish, repeat=4)))
def test_whatever_comes_one_is_held_since_the_last_resume(wishes: tuple[Wish, ...]) -> None:
    hold = Hold()
    for wish in wishes:
        hold.wish(wish, "somebody", NOON)
    since = list(wishes[::-1]).index(Wish.RESUME) if Wish.RESUME in wishes else len(wishes)
    newest = wishes[len(wishes) - since :]
    assert hold.holds == bool(newest)
    assert (hold.state.mode is HoldMode.STOPPED) == (Wish.STOP in newest)
    assert (hold.refusal("app") is None) == (not newest)


def test_the_first_who_stops_is_named_and_a_stop_over_a_pause_is_news() -> None:
    hold = Hold()
    assert hold.wish(Wish.PAUSE, "Dashboard", NOON)
    assert not hold.wish(Wish.PAUSE, "API", NOON + 1)
    assert (hold.state.by, hold.state.since) == ("Dashboard", NOON)
    assert hold.wish(Wish.STOP, "API", NOON + 2)
    assert not hold.wish(Wish.PAUSE, "Dashboard", NOON + 3)
    assert hold.state == HoldState(HoldMode.STOPPED, "API", NOON + 2)
    assert "stopped by API on 20" in (hold.refusal() or "")
    hold.wish(Wish.RESUME, "Dashboard", NOON + 4)
    assert hold.state == HoldState()


@pytest.mark.parametrize("name", ["Game", "game", " GAME "])
def test_a_mute_is_by_name_as_a_person_reads_it(name: str) -> None:
    hold = Hold()
    hold.mute("Game", "Dashboard", NOON)
    refusal = hold.refusal(name)
    assert refusal is not None
    assert "muted by Dashboard" in refusal
    assert hold.refusal("other", "token") is None
    assert hold.refusal("another name", name) is not None  # the name of its token
    assert hold.unmute(name).name == "Game"
    assert hold.refusal(name) is None


def test_a_hold_goes_on_from_what_was_kept() -> None:
    kept = HoldState(HoldMode.PAUSED, "Dashboard", NOON, (Muted("Game", "API", NOON),))
    hold = Hold(kept)
    assert hold.holds
    assert hold.mute("GAME", "Dashboard", NOON + 9) == Muted("Game", "API", NOON)
    assert hold.state is kept
    assert hold.wish(Wish.PAUSE, "API", NOON) is False
    assert hold.mute("Other", "API", NOON) == Muted("Other", "API", NOON)


def test_resuming_does_not_unmute_and_muting_again_changes_nothing() -> None:
    hold = Hold()
    hold.mute("Game", "Dashboard", NOON)
    hold.mute("game", "API", NOON + 1)
    hold.wish(Wish.STOP, "API", NOON)
    hold.wish(Wish.RESUME, "API", NOON)
    assert hold.state.muted == (Muted("Game", "Dashboard", NOON),)


def test_mutes_have_a_bound_and_a_name() -> None:
    hold = Hold()
    for number in range(MAX_MUTED):
        hold.mute(f"app {number}", "API", NOON)
    with pytest.raises(ConfigError, match="unmute some"):
        hold.mute("one more", "API", NOON)
    for nothing in ("", "  "):
        with pytest.raises(ConfigError, match="Which app"):
            hold.mute(nothing, "API", NOON)
    with pytest.raises(ConfigError, match="not muted"):
        hold.unmute("one more")


# --- the file -----------------------------------------------------------------------------------


async def _kept(path: Path, hold: Hold) -> str | None:
    """Have `hold` kept, and say what was in the way."""
    file = HoldFile(path, hold)
    task = asyncio.ensure_future(file.run())
    file.changed()
    trouble = await file.saved()
    task.cancel()
    await asyncio.wait([task])
    return trouble


async def test_what_was_stopped_and_muted_is_so_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "hold.json"
    hold = Hold(load_hold(path))
    assert not hold.holds
    hold.wish(Wish.STOP, "Dashboard", NOON)
    hold.mute("Game", "API", NOON)
    assert await _kept(path, hold) is None
    assert load_hold(path) == hold.state


async def test_a_disk_that_is_full_is_said_and_the_stop_holds(tmp_path: Path) -> None:
    # What is in the way here is a folder that is a file: nobody can write there, not even root.
    (tmp_path / "state").write_text("")
    hold = Hold()
    hold.wish(Wish.STOP, "Dashboard", NOON)
    trouble = await _kept(tmp_path / "state" / "hold.json", hold)
    assert trouble is not None
    assert "does not survive a restart" in trouble
    assert hold.holds


async def test_a_stop_on_a_full_disk_counts_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "hold.json"
    hold = Hold()
    file = HoldFile(path, hold)
    hold.wish(Wish.STOP, "Dashboard", NOON)
    with full_disk():
        file._write()
    assert file.trouble is not None
    assert "the next start counts as stopped" in file.trouble
    assert load_hold(path).mode is HoldMode.STOPPED


def test_nothing_is_kept_before_anything_was(tmp_path: Path) -> None:
    assert load_hold(tmp_path / "hold.json") == HoldState()


async def test_what_was_not_changed_is_saved_already(tmp_path: Path) -> None:
    file = HoldFile(tmp_path / "hold.json", Hold())
    async with asyncio.timeout(20):
        assert await file.saved(60) is None
    assert not (tmp_path / "hold.json").exists()


async def test_a_change_is_written_once_and_then_waited_for_no_more(tmp_path: Path) -> None:
    writes = []

    class Counting(HoldFile):
        def _write(self) -> None:
            writes.append(self._hold.state.mode)
            super()._write()

    path, hold = tmp_path / "hold.json", Hold()
    file = Counting(path, hold)
    async with running(file), asyncio.timeout(20):
        for wish in (Wish.PAUSE, Wish.STOP):
            hold.wish(wish, "Dashboard", NOON)
            file.changed()
            assert await file.saved(60) is None
        for _ in range(100):
            await asyncio.sleep(0)
    assert writes == [HoldMode.PAUSED, HoldMode.STOPPED]
    assert '"version":1' in path.read_text().replace(" ", "")


async def test_a_change_during_a_write_is_not_saved_before_it_is_written_too(
    tmp_path: Path,
) -> None:
    path, hold = tmp_path / "hold.json", Hold()
    begun, goes_on = threading.Event(), threading.Semaphore(0)

    class Slow(HoldFile):
        def _write(self) -> None:
            state = self._hold.state
            begun.set()
            goes_on.acquire(timeout=20)
            super()._write()
            assert self._written is state or state.mode is HoldMode.PAUSED

    file = Slow(path, hold)
    async with running(file):
        hold.wish(Wish.PAUSE, "Dashboard", NOON)
        file.changed()
        await asyncio.to_thread(begun.wait, 20)
        hold.wish(Wish.STOP, "Dashboard", NOON)
        file.changed()
        saving = asyncio.ensure_future(file.saved(20))
        goes_on.release()
        await asyncio.sleep(0.05)
        assert not saving.done()
        goes_on.release()
        assert await saving is None
    assert load_hold(path).mode is HoldMode.STOPPED


def test_what_cannot_be_written_while_nothing_holds_is_said_with_its_reason_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hold = Hold()
    file = HoldFile(tmp_path / "hold.json", hold)
    hold.mute("Game", "Dashboard", NOON)
    with full_disk():
        file._write()
        assert caplog.messages == [file.trouble]
        file._write()
    assert file.trouble is not None
    assert file.trouble.endswith(f"cannot be written: {os.strerror(errno.EFBIG)}.")
    assert caplog.messages == [file.trouble]
    file._write()
    assert file.trouble is None


async def test_a_disk_that_has_room_again_is_tried_again_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "hold.json"
    path.mkdir()  # nothing can be put in its place
    hold = Hold()
    file = HoldFile(path, hold, again_s=0.05)
    async with running(file):
        hold.wish(Wish.STOP, "Dashboard", NOON)
        file.changed()
        assert await file.saved() is not None
        path.rmdir()
        async with asyncio.timeout(5):
            while file.trouble is not None:  # noqa: ASYNC110  # a thread, and no clock of ours
                await asyncio.sleep(0.01)
    assert load_hold(path).mode is HoldMode.STOPPED


class _Stuck(HoldFile):
    """Its disk does not answer until it is told to."""

    def __init__(self, path: Path, hold: Hold) -> None:
        super().__init__(path, hold)
        self.answers = threading.Event()

    def _write(self) -> None:
        self.answers.wait(5)
        super()._write()


async def test_a_disk_that_does_not_answer_holds_nobody_up_and_gets_the_newest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hold.json"
    hold = Hold()
    file = _Stuck(path, hold)
    async with running(file):
        hold.wish(Wish.STOP, "Dashboard", NOON)
        file.changed()
        trouble = await file.saved(0.05)
        assert trouble is not None
        assert "the disk does not answer" in trouble
        hold.mute("Game", "Dashboard", NOON)
        file.changed()
        file.answers.set()
        assert await file.saved() is None
        assert load_hold(path) == hold.state


@asynccontextmanager
async def running(file: HoldFile) -> AsyncIterator[None]:
    task = asyncio.ensure_future(file.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_newest_state_is_what_is_kept_also_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "hold.json"
    hold = Hold()
    file = HoldFile(path, hold)
    task = asyncio.ensure_future(file.run())
    await asyncio.sleep(0)
    hold.wish(Wish.STOP, "Dashboard", NOON)
    file.changed()
    task.cancel()  # the hub ends in the same moment
    await asyncio.wait([task])
    assert load_hold(path).mode is HoldMode.STOPPED


def test_a_file_of_a_newer_version_stops_the_start_and_one_without_a_number_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hold.json"
    path.write_text('{"version": 99, "mode": "stopped"}')
    with pytest.raises(ConfigError, match="newer version"):
        load_hold(path)
    assert "99" in path.read_text()
    path.write_text('{"mode": "paused"}')
    assert load_hold(path).mode is HoldMode.PAUSED


@pytest.mark.parametrize("damage", [b"", b"{}x", b'{"mode": "on"}', b'{"paused": true}', b"\xff"])
def test_a_damaged_file_counts_as_stopped(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "hold.json"
    path.write_bytes(damage)
    assert load_hold(path).mode is HoldMode.STOPPED


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_hold(tmp_path)


def test_a_write_that_waits_for_another_one_says_that_the_disk_does_not_answer(
    tmp_path: Path,
) -> None:
    file = HoldFile(tmp_path / "hold.json", Hold(), write_s=0.01)
    with file._writing:
        file._write()
    assert file.trouble is not None
    assert "the disk does not answer" in file.trouble
