"""What strangers call their toys, relays and apps cannot forge the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from forwarder import log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_record_is_one_line_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.set_up("info")
    logging.getLogger("forwarder.x").info("relay %s connected", "\x1b[2J\nE forged: \u202edog")
    shown = capsys.readouterr().err
    assert shown.startswith("I forwarder.x: relay ")
    assert shown.count("\n") == 1
    assert shown.rstrip("\n").isprintable() or "\N{REPLACEMENT CHARACTER}" in shown
    assert not {"\x1b", "\u202e"} & set(shown)


def test_a_traceback_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("info")
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        logging.getLogger("forwarder.x").exception("it failed")
    assert capsys.readouterr().err.count("\n") > 2


def test_the_level_holds_and_libraries_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("warning")
    logging.getLogger("forwarder.x").info("no")
    logging.getLogger("aiohttp.access").info("no")
    logging.getLogger("forwarder.x").warning("yes")
    assert capsys.readouterr().err == "W forwarder.x: yes\n"
