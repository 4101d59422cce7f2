"""What a person at the relay is asked, and what comes of it. Both ends together are in
tests/forwarder/access/test_comparing.py."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from relay.errors import UsageError
from relay.hub_link.comparing import TERMINAL, pair_by_code
from relay.hub_link.looking import HubHeard

DESK = HubHeard("desk.local", "ws://192.168.1.5:12346/link")
ATTIC = HubHeard("attic.local", "ws://192.168.1.6:12346/link")


T = TypeVar("T")


def run(asked: Awaitable[T]) -> T:
    async def main() -> T:
        return await asked

    return asyncio.run(main())


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.parametrize(
    ("text", "same"), [("y\n", True), ("Yes\n", True), ("ja", True), ("n\n", False), ("", False)]
)
def test_only_a_yes_means_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, same: bool
) -> None:
    typed(monkeypatch, text)
    assert run(TERMINAL.same("7KQ-M2X", "Desk\n\x1b[2J")) is same
    said = capsys.readouterr().out
    assert "\n  7KQ-M2X\n" in said
    assert "\x1b" not in said


def test_one_hub_needs_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "")
    assert run(TERMINAL.choose([DESK])) == 0


def test_of_several_hubs_one_is_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "2\n")
    assert run(TERMINAL.choose([ATTIC, DESK])) == 1
    assert "  2  desk.local  ws://192.168.1.5:12346/link" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0\n", "3\n", "desk\n", ""])
def test_no_hub_is_chosen_by_what_is_no_number_of_one(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    typed(monkeypatch, text)
    with pytest.raises(UsageError, match="none of 1 to 2"):
        run(TERMINAL.choose([ATTIC, DESK]))


def test_where_nobody_sits_no_code_is_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typed(monkeypatch, "y\n")
    with pytest.raises(UsageError, match="nobody is here to compare"):
        pair_by_code(None, tmp_path, "Attic")
