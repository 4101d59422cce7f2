"""Screens are drawn on, files get dates, journals neither."""

from __future__ import annotations

import io

import pytest

from relay.terminal import can_draw, time_format


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "draws", "time"),
    [
        (Terminal(), {"TERM": "xterm"}, True, "%H:%M:%S"),
        (Terminal(), {}, True, "%H:%M:%S"),
        (Terminal(), {"TERM": "dumb"}, False, "%H:%M:%S"),
        (io.StringIO(), {"TERM": "xterm"}, False, "%Y-%m-%d %H:%M:%S"),
        (io.StringIO(), {"JOURNAL_STREAM": "8:1"}, False, None),
    ],
)
def test_a_stream_is_treated_as_what_it_is(
    stream: io.StringIO, environment: dict[str, str], draws: bool, time: str | None
) -> None:
    assert can_draw(stream, environment) is draws
    assert time_format(stream, environment) == time
