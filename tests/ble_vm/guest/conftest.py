"""What the tests measured, shown at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Note = Callable[[str, float], None]

_figures: dict[str, list[float]] = {}


@pytest.fixture
def note() -> Note:
    """Keep a figure: what it is, in milliseconds."""

    def keep(what: str, ms: float) -> None:
        _figures.setdefault(what, []).append(ms)

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("measured, in milliseconds (least, median, most)")
    for what, values in _figures.items():
        values.sort()
        three = (values[0], values[len(values) // 2], values[-1])
        terminalreporter.write_line("  ".join(f"{value:7.1f}" for value in three) + f"  {what}")
