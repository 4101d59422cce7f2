"""What the bench says of installed sizes is counted, not timed."""

from __future__ import annotations

from tests.benchmarks.installed import closure, own, size
from tests.deploy.test_relay_only import declared, listed


def test_a_relay_needs_a_part_of_what_everything_needs() -> None:
    relay, whole = closure(set(listed())), closure(set(declared()))
    assert relay < whole
    assert {"aiohttp", "yarl", "bleak"} <= relay
    assert "segno" in whole - relay
    assert 0 < size(relay) < size(whole)
    assert own("relay") > 0
