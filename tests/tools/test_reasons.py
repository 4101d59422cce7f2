"""What counts as a reason, and what does not."""

from __future__ import annotations

import pytest

from tools.reasons import Count, count


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", Count()),
        ("x = 1\n\n\ny = 2\n", Count(2)),
        ("# why\nx = 1  # and why\n", Count(2, 2)),
        ('x = "# no comment"\n', Count(1)),
        ('"""One line."""\n', Count(1, 0, 1)),
        ('class A:\n    """Two,\n\n    and an empty one."""\n', Count(3, 0, 2)),
        ('x = """\nno docstring\n"""\n', Count(3)),
    ],
)
def test_lines_comments_and_docstrings(source: str, expected: Count) -> None:
    assert count(source) == expected


def test_percentages_are_of_lines_that_are_not_empty() -> None:
    shown = str(Count(50, 2, 5) + Count(50, 2, 5))
    assert shown.split() == ["100", "lines", "comments", "4.0", "%", "docstrings", "10.0", "%"]
