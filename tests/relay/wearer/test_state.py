from __future__ import annotations

from pathlib import Path

import pytest

from relay.errors import UsageError
from relay.link.messages import StopCause
from relay.wearer.state import WearerState
from tests.doubles.full_disk import full_disk


def test_the_switches_last(tmp_path: Path) -> None:
    path = tmp_path / "wearer.json"
    will = WearerState(path)
    assert (will.paused, will.stopped, will.cause) == (False, False, None)
    will.pause()
    assert WearerState(path).cause is StopCause.PAUSE
    will.stop()
    assert (WearerState(path).paused, WearerState(path).stopped) == (True, True)
    assert WearerState(path).cause is StopCause.EMERGENCY
    will.resume()
    assert WearerState(path).cause is None
    assert [each.name for each in tmp_path.iterdir()] == ["wearer.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"paused": 3}',
        b'{"other": true}',
        b"\xff",
        b'{"a": "\xff"}',
    ],
)
def test_a_damaged_file_counts_as_stopped(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wearer.json"
    path.write_bytes(content)
    will = WearerState(path)
    assert will.cause is StopCause.EMERGENCY
    will.resume()
    assert WearerState(path).cause is None


def test_a_disk_that_refuses_costs_the_memory_and_not_the_pause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    will = WearerState(tmp_path / "gone" / "wearer.json")
    (tmp_path / "gone").touch()  # a file where the folder should be: every write fails
    will.pause()
    assert will.paused
    assert "will not survive a restart" in will.trouble
    assert will.trouble in caplog.text
    will.resume()
    assert will.trouble == ""


def test_a_pause_on_a_full_disk_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "wearer.json"
    for pause in (WearerState.pause, WearerState.stop):
        will = WearerState(path)
        will.resume()
        with full_disk():
            pause(will)
        assert will.trouble == ""
        assert WearerState(path).cause is StopCause.EMERGENCY


def test_a_file_of_a_newer_version_stops_the_start_and_one_without_a_number_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wearer.json"
    path.write_text('{"version": 99, "stopped": true, "more": 1}')
    with pytest.raises(UsageError, match="newer version"):
        WearerState(path)
    assert "99" in path.read_text()
    path.write_text('{"paused": true}')
    assert WearerState(path).paused
