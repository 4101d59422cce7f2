from __future__ import annotations

import json
from pathlib import Path

import pytest

from relay.wearer.audit import Audit


def test_events_are_lines_without_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    Audit(path).note("stopped", "AA:BB", cause="lease")
    Audit(path).note("resumed", None, cause=None)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["event"], first["address"], first["cause"]) == ("stopped", "AA:BB", "lease")
    assert set(second) == {"time", "event"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_files_stay_within_their_bound(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = Audit(path, most_bytes=2000)
    for n in range(200):
        audit.note("stopped", f"{n}")
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 2000
    assert sorted(each.name for each in tmp_path.iterdir()) == ["audit.log", "audit.log.1"]
    assert json.loads(path.read_text().splitlines()[-1])["address"] == "199"


def test_a_disk_that_refuses_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit(tmp_path / "gone" / "audit.log")
    for _ in range(3):
        audit.note("stopped")
    assert caplog.text.count("cannot be written") == 1


def test_without_a_path_nothing_is_kept(tmp_path: Path) -> None:
    Audit().note("stopped")
    assert not list(tmp_path.iterdir())
