"""Files that cannot be used: whose fault, what now; and nothing newer is ever written over."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from relay.link.files.keys import PrivateFileError, write_private
from relay.link.files.statefile import NewerFormat, read_memory, read_state, write_state


class Book(msgspec.Struct, frozen=True):
    version: int
    names: tuple[str, ...] = ()


REMEDY = "restore it from a backup"
DAMAGED = [b"", b"  \n", b"{", b"\x00" * 100, b"\xff", b"[]", b'{"names": []}', b'{"version": 0}',
           b'{"version": 1, "names": 3}', b'{"version": "1"}', b"[" * 100_000]  # fmt: skip


def book(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "book.json"
    write_private(path, content)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state" / "book.json"
    assert read_state(path, Book, 1, REMEDY) is None
    write_state(path, Book(1, ("a",)))
    assert read_state(path, Book, 1, REMEDY) == Book(1, ("a",))
    assert read_memory(path, Book, 1, REMEDY) == Book(1, ("a",))


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_with_decisions_is_one_line_with_the_remedy(
    tmp_path: Path, content: bytes
) -> None:
    path = book(tmp_path, content)
    with pytest.raises(PrivateFileError) as refused:
        read_state(path, Book, 1, REMEDY)
    said = str(refused.value)
    assert said.startswith(str(path))
    assert said.endswith(REMEDY)
    assert "\n" not in said
    assert ("power cut" in said) == (not content.strip())
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_memory_is_set_aside_and_said(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = book(tmp_path, content)
    assert read_memory(path, Book, 1, "names are asked for again") is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "names are asked for again" in record.getMessage()
    assert [entry.name for entry in tmp_path.iterdir()] == ["book.json.damaged"]
    assert (tmp_path / "book.json.damaged").read_bytes() == content
    # Again and again: one is kept.
    write_private(path, b"{")
    assert read_memory(path, Book, 1, "") is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["book.json.damaged"]


def test_what_a_newer_version_has_written_is_left_alone(tmp_path: Path) -> None:
    path = book(tmp_path, b'{"version": 99, "names": "in another shape"}')
    for read in (read_state, read_memory):
        with pytest.raises(NewerFormat, match=r"newer version.*format 99, this one knows 1\)"):
            read(path, Book, 1, REMEDY)
    assert b"99" in path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["book.json"]


def test_what_others_can_read_or_nobody_can_is_said(tmp_path: Path) -> None:
    path = book(tmp_path, b'{"version": 1}')
    path.chmod(0o644)
    with pytest.raises(PrivateFileError, match="chmod 600"):
        read_state(path, Book, 1, REMEDY)
    (tmp_path / "folder").mkdir()
    with pytest.raises(PrivateFileError, match="cannot be read"):
        read_memory(tmp_path / "folder", Book, 1, REMEDY)
    assert (tmp_path / "folder").is_dir()
