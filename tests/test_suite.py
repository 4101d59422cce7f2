"""`python -m tests`: all goes, one end, and the truth about what they came to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.__main__ import ALONE, HERE, REAL_TIME, Go, goes, summary

TWO_TESTS = """
import time
def test_good(): pass
def test_other(): assert {good}
"""


def test_each_test_is_in_one_go() -> None:
    together, real, alone = (go.arguments for go in goes())
    for path in (*REAL_TIME, *ALONE):
        assert (HERE / path).exists()
        assert f"--ignore=tests/{path}" in together
    for path in REAL_TIME:
        assert f"tests/{path}" in real
    for path in ALONE:
        assert f"--ignore=tests/{path}" in real
        assert f"tests/{path}" in alone


@pytest.mark.parametrize("good", [True, False])
def test_a_go_counts_what_passed_and_names_what_failed(tmp_path: Path, good: bool) -> None:
    test = tmp_path / "test_two.py"
    test.write_text(TWO_TESTS.format(good=good))
    go = Go("two", ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(test)])
    go.run(tmp_path / "report.xml", [])
    assert go.code == (0 if good else 1)
    assert go.passed == (2 if good else 1)
    assert [name.rpartition("::")[2] for name in go.failed] == ([] if good else ["test_other"])


def test_the_summary_names_what_failed_and_what_was_skipped_and_why() -> None:
    go = Go("one by one", [], code=1, took_s=61.4)
    go.read(
        '<testsuites><testsuite><testcase classname="tests.a" name="x"><error/></testcase>'
        '<testcase classname="tests.a" name="y"><skipped message="no node"/></testcase>'
        '<testcase classname="tests.a" name="z"/></testsuite></testsuites>'
    )
    assert summary([go]).splitlines() == [
        "=== all of it ===",
        "SKIPPED tests.a::y: no node",
        "FAILED tests.a::x",
        "one by one: 1 passed, 1 failed, 1 skipped in 1 min 1 s; pytest ended with 1",
    ]
