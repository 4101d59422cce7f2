"""What the pages name as proof is there: files of tests, and tests in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "relay/link/README.md"])
PATHS = tuple((ROOT / "tests").rglob("test_*.py"))
FILES = {path.name for path in PATHS}
TESTS = {
    name
    for path in PATHS
    for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = set()
    for path in re.findall(r"[\w./-]*\btest_[a-z0-9_]+\.py", text):
        places = (ROOT / path, page.parent / path)
        there = any(place.exists() for place in places) if "/" in path else path in FILES
        if not there:
            missing.add(path)
    missing |= {name for name in re.findall(r"`(test_\w+)`", text) if name not in TESTS}
    assert missing == set()
