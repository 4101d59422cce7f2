"""`relay pair`: where the link comes from, and what is said of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from relay.cli import run
from relay.link.security.pairing import HubPlace, PairingLink


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_link_is_read_from_standard_input_and_is_in_no_argument(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nobody listens there, which is what is said of a link that was read.
    link = PairingLink((HubPlace("127.0.0.1", 1),), bytes(32)).text()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{link}\n"))
    assert run(["pair", "-", "--state", str(tmp_path)]) == 1
    assert "127.0.0.1" in _said(capsys)


def test_what_is_no_link_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pair", "hello", "--state", str(tmp_path)]) == 2
    assert "pairing link" in _said(capsys)


def test_a_link_names_its_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pair", "bpforward://x", "--at", "ws://desk:12346", "--state", str(tmp_path)]
    assert run(words) == 2
    assert "a link names its hub" in _said(capsys)


def test_who_is_paired_with_nobody_is_told_how_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["unpair", "--state", str(tmp_path)]) == 1
    assert "relay pair LINK" in _said(capsys)
