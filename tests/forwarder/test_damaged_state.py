"""After a power cut, or a step back to an older version: what stops the start, what does not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from forwarder.cli import run
from forwarder.state_lock import StateLock

DECISIONS = [
    "hub.key", "relays.json", "tokens.json", "admin.token", "origins.json", "pins.json",
    "devices.json", "certificate.pem",
]  # fmt: skip
VERSIONED = ["relays.json", "tokens.json", "origins.json", "pins.json", "indexes.json"]


def started(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    # A port that is taken is found after all files were read: no hub has to run.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = ["--port", "0", "--link-port", str(taken.getsockname()[1])]
        status = run(["run", "--state", str(folder), *ports])
    return status, capsys.readouterr().err


@pytest.mark.parametrize("name", DECISIONS)
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"{"], ids=["empty", "zeros", "half"])
def test_a_file_with_decisions_that_is_damaged_stops_the_start_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    path.chmod(0o600)
    status, said = started(tmp_path, capsys)
    assert status == 2
    assert said.startswith("forwarder: ")
    assert str(path) in said
    assert said.count("\n") == 1
    assert any(word in said.lower() for word in ("delete it", "backup", "mend it", "put a copy")), (
        said
    )
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", VERSIONED)
def test_what_a_newer_version_has_written_stops_the_start_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / name
    path.write_text('{"version": 99}')
    path.chmod(0o600)
    status, said = started(tmp_path, capsys)
    assert status == 2
    assert "written by a newer version" in said
    assert said.count("\n") == 1
    assert path.read_text() == '{"version": 99}'


def test_a_start_that_was_stopped_holds_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "indexes.json").write_bytes(b"")
    status, said = started(tmp_path, capsys)
    # The damaged memory was no reason.
    assert status == 2
    assert "is taken" in said.splitlines()[-1]
    StateLock(tmp_path).release()
