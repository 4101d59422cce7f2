"""What people write wrongly in a TOML file is one line that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.link.bounds import TOML_BYTES
from relay.link.files.toml_file import TomlFileError, read_toml


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "is not UTF-8: save"),
        (b"a = ", "is not TOML: "),
        (b'a = "\x00"', "no text has"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "too deeply: write"),
        (b"#" * (TOML_BYTES + 1), "too large for what people write: correct"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_bytes(content)
    with pytest.raises(TomlFileError) as error:
        read_toml(path)
    assert str(error.value).startswith(f"{path} ")
    assert why in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TomlFileError, match="cannot be read"):
        read_toml(tmp_path)


def test_a_mark_at_the_start_and_ends_of_lines_of_windows_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert read_toml(path) == ({"a": 1, "b": 2}, "a = 1\nb = 2\n")
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "none.toml")
