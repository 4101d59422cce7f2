"""Every fuzz target holds over its seeds and over some random bytes, atheris or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import buttplug_json, handshake, link_messages, pairing_links
from tests.fuzz.engine import Target, fuzz

_TARGETS: list[tuple[Target, tuple[bytes, ...]]] = [
    (buttplug_json.buttplug_json, buttplug_json.SEEDS),
    (handshake.handshake, handshake.SEEDS),
    (link_messages.link_messages, link_messages.SEEDS),
    (pairing_links.pairing_links, pairing_links.SEEDS),
]


@pytest.mark.parametrize(("target", "seeds"), _TARGETS)
def test_target_holds_over_its_seeds_and_their_neighbours(
    target: Target, seeds: tuple[bytes, ...]
) -> None:
    for seed in seeds:
        target(seed)
        for place in range(len(seed)):
            target(seed[:place])
            target(seed[:place] + bytes([seed[place] ^ 0x21]) + seed[place + 1 :])


@pytest.mark.parametrize("target", [target for target, _ in _TARGETS])
def test_target_holds_over_random_bytes(target: Target) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=300))
    def run(data: bytes) -> None:
        target(data)

    run()


@pytest.mark.parametrize("arguments", [["x"], ["x", "soon"], ["x", "0"], ["x", "1", "2"]])
def test_wrong_arguments_are_explained(arguments: list[str]) -> None:
    assert fuzz(handshake.handshake, arguments) == 2
