from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from relay.link.files.keys import (
    PrivateFileError,
    load_key,
    load_or_create_key,
    read_private,
    spoil,
    write_private,
)
from tests.doubles.full_disk import full_disk

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "state" / "hub.key"
    key = load_or_create_key(path)
    assert load_or_create_key(path).public == key.public == load_key(path).public
    assert [entry.name for entry in path.parent.iterdir()] == ["hub.key"]


@posix
def test_only_the_owner_can_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create_key(tmp_path / "state" / "hub.key")
        write_private(tmp_path / "state" / "tokens.json", b"{}")
    finally:
        os.umask(before)
    assert _mode(tmp_path / "state") == 0o700
    assert _mode(tmp_path / "state" / "hub.key") == 0o600
    assert _mode(tmp_path / "state" / "tokens.json") == 0o600


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o601])
def test_a_key_that_others_can_reach_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "hub.key"
    load_or_create_key(path)
    path.chmod(mode)
    with pytest.raises(PrivateFileError, match=f"chmod 600 {path}"):
        load_or_create_key(path)
    path.chmod(0o600)
    load_key(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"bpforward key 1\n",
        b"bpforward key 2\n" + b"A" * 43 + b"=\n",
        b"bpforward key 1\nAAAA\n",
        b"bpforward key 1\n" + b"*" * 44 + b"\n",
        b"\xff" * 60,
    ],
)
def test_a_damaged_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub.key"
    write_private(path, content)
    with pytest.raises(PrivateFileError, match="damaged"):
        load_or_create_key(path)
    assert path.read_bytes() == content


def test_an_error_does_not_show_the_key(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    load_or_create_key(path)
    secret = path.read_text().splitlines()[1]
    path.write_text("bpforward key 1\n" + secret[:-4] + "\n")
    with pytest.raises(PrivateFileError) as caught:
        load_key(path)
    assert secret[:8] not in str(caught.value)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrivateFileError):
        read_private(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "absent")


@posix
def test_a_pipe_in_the_place_of_a_key_does_not_hold_anyone_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hub.key", 0o600)
    with pytest.raises(PrivateFileError, match="not a file"):
        load_key(tmp_path / "hub.key")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    write_private(path, bytes((4 << 20) + 1))
    with pytest.raises(PrivateFileError, match="too large"):
        read_private(path)


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "book"
    write_private(path, b"old")
    with pytest.raises(TypeError):
        write_private(path, "text")  # type: ignore[arg-type]  # fails after the file was opened
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["book"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    for writer in (os.getpid(), 1, "1234-abcd"):
        (tmp_path / f".book.{writer}.new").write_bytes(b"half")
    (tmp_path / ".notebook.1.new").touch()
    write_private(tmp_path / "book", b"whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".notebook.1.new", "book"]


# Writes for ever; each content says how long it is, so that half of one would be noticed.
_WRITER = """
import os, random, signal, sys, time
from pathlib import Path
from relay.link.files.keys import read_private, write_private
path = Path(sys.argv[1])
for number in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        while True:
            size = random.randrange(1, 200_000)
            write_private(path, b"%d:" % size + b"x" * size)
    time.sleep(random.uniform(0.002, 0.012))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if path.exists():
        size, _, content = read_private(path).partition(b":")
        assert int(size) == len(content), number
        assert len(list(path.parent.iterdir())) <= 2, number
write_private(path, b"0:")
print(*sorted(entry.name for entry in path.parent.iterdir()))
"""


@posix
def test_two_hundred_kills_while_writing_leave_whole_files_and_no_litter(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, str(tmp_path / "book"), "200"],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == "book\n"


@posix
def test_writers_at_the_same_time_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(50):
            write_private(tmp_path / "book", b"%d" % number * 1000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(read_private(tmp_path / "book")) == 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["book"]


@posix
def test_a_pipe_or_a_link_among_the_litter_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".book.1.new")
    target = tmp_path / "target"
    target.touch()
    (tmp_path / ".book.2.new").symlink_to(target)
    write_private(tmp_path / "book", b"whole")
    assert target.exists()


def test_a_spoilt_file_is_empty_and_private(tmp_path: Path) -> None:
    path = tmp_path / "wearer.json"
    with full_disk():
        spoil(path)
    assert read_private(path) == b""
    write_private(path, b"old")
    with full_disk():
        with pytest.raises(OSError, match="large"):
            write_private(path, b"new")
        assert path.read_bytes() == b"old"
        spoil(path)
    assert path.read_bytes() == b""
    assert [entry.name for entry in tmp_path.iterdir()] == ["wearer.json"]


@posix
def test_a_link_laid_in_the_way_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    (tmp_path / f".book.{os.getpid()}.new").symlink_to(target)
    write_private(tmp_path / "book", b"secret")
    assert target.read_bytes() == b"mine"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")
    target = tmp_path / "folder"
    target.mkdir()
    (target / "x").touch()
    with pytest.raises(OSError, match="irectory"):
        write_private(target, b"new")
    assert path.read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]
    assert path.stat().st_mode & 0o777 == 0o600
