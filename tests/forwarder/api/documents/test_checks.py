"""Findings in documents: every mark that there is."""

from __future__ import annotations

from typing import get_args

from forwarder.api.documents.checks import Marked
from relay.checks.findings import Mark


def test_each_mark_of_a_finding_has_its_word() -> None:
    assert set(get_args(Marked)) == {mark.name.lower() for mark in Mark}
