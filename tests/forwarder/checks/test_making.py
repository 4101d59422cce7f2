"""The configuration is tried on a copy: all faults are found, and nothing is changed."""

from __future__ import annotations

import logging
from pathlib import Path

from forwarder.checks.making import making
from forwarder.config import Config
from relay.checks.findings import Mark


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())
    }


def test_every_damaged_file_is_found_at_once_and_none_is_touched(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    for name in ("hub.key", "tokens.json", "admin.token", "certificate.pem"):
        (state / name).write_text("x")
        (state / name).chmod(0o600)
    (state / "indexes.json").write_text("{")
    before = snapshot(state)
    found = list(making(Config(state=state)))
    assert snapshot(state) == before
    for name in ("hub.key", "tokens.json", "admin.token", "certificate.pem"):
        (one,) = [finding for finding in found if str(state / name) in finding.text]
        assert one.mark is Mark.BAD
    # What is only memory is set aside at the start, and said now.
    (one,) = [finding for finding in found if "indexes.json" in finding.text]
    assert one.mark is Mark.NOTE


def test_a_hub_that_has_never_run_can_be_made_and_leaves_nothing(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    found = list(making(Config(state=tmp_path / "none")))
    assert [finding.mark for finding in found] == [Mark.GOOD]
    assert not (tmp_path / "none").exists()
    assert logging.getLogger().handlers == before
