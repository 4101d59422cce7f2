"""One hub per state folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forwarder.app import App
from forwarder.cli import run
from forwarder.config import Clients, Config, Link
from forwarder.errors import ConfigError
from forwarder.state_lock import LOCK_FILE, StateLock


def test_a_folder_has_one_holder_who_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first = StateLock(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigError) as refused:
        StateLock(folder)
    assert str(refused.value) == (
        f"A hub runs with the state folder {folder} already, as process {os.getpid()}: end it, or"
        " give this one a folder of its own with --state."
    )
    first.release()
    first.release()
    StateLock(folder).release()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from forwarder.state_lock import StateLock\n"
        "lock = StateLock(Path(sys.argv[1])); print('mine', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid}:"):
            StateLock(tmp_path)
        holder.kill()
        holder.wait()
    StateLock(tmp_path).release()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        StateLock(tmp_path / "file" / "state")
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(ConfigError, match="cannot be locked"):
        StateLock(tmp_path)


def test_a_second_hub_ends_with_status_2_and_reads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = App(Config(state=tmp_path, clients=Clients(port=0), link=Link(port=0, https_port=0)))
    files = {path.name for path in tmp_path.iterdir()}
    ports = ["--port", "0", "--link-port", "0"]
    assert run(["run", "--state", str(tmp_path), *ports]) == 2
    said = capsys.readouterr().err
    assert said.startswith("forwarder: A hub runs with the state folder")
    assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == files
    app.close()


def test_a_hub_that_cannot_start_gives_its_folder_back(tmp_path: Path) -> None:
    (tmp_path / "relays.json").write_bytes(b"{")
    (tmp_path / "relays.json").chmod(0o600)
    with pytest.raises(ConfigError, match="damaged"):
        App(Config(state=tmp_path))
    StateLock(tmp_path).release()
