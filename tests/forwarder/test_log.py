"""What strangers call their toys, relays and apps cannot forge the log."""

from __future__ import annotations

import logging
import re
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
    assert re.match(r"[-\d]{10} [:\d]{8} I forwarder\.x: relay ", shown)
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
    assert capsys.readouterr().err[20:] == "W forwarder.x: yes\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("forwarder.x", logging.INFO, __file__, 1, text, args, None)


def test_the_same_line_is_said_once_a_minute_with_a_count() -> None:
    clock = Clock()
    sparing = log.Sparing(clock)
    said = 0
    for _ in range(60_000):
        clock.now += 0.001
        said += sparing.filter(record("relay %s: the radio is off", "attic"))
    assert said == 1
    clock.now = 61
    late = record("relay %s: the radio is off", "attic")
    assert sparing.filter(late)
    assert late.__dict__["kept_back"] == 59_999


def test_of_one_kind_a_peer_that_invents_names_fills_no_log_and_other_kinds_are_heard() -> None:
    clock = Clock()
    sparing = log.Sparing(clock)
    said = kept_back = 0
    for number in range(10_000):
        clock.now += 0.001
        line = record("device %d: gone", number)
        if sparing.filter(line):
            said += 1
            kept_back += line.__dict__["kept_back"]
    assert log.KIND_BURST <= said <= log.KIND_BURST + 10 * log.KIND_S + 1
    assert sparing.filter(record("something else"))
    clock.now += 60
    late = record("device %d: gone", 1)
    assert sparing.filter(late)
    assert said + kept_back + late.__dict__["kept_back"] == 10_000


def test_a_line_says_how_many_were_kept_back(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("info")
    formatter = logging.getLogger().handlers[0].formatter
    assert formatter is not None
    line = record("the radio is off")
    line.kept_back = 7
    assert formatter.format(line).endswith("the radio is off (7 more of these since)")
