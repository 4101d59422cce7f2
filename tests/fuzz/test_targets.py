"""Every fuzz target holds over its seeds and over some random bytes, atheris or not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import (
    buttplug_json,
    definitions,
    handshake,
    hostile_hub,
    hostile_relay,
    link_messages,
    pairing_links,
)
from tests.fuzz.__main__ import TARGETS, run
from tests.fuzz.engine import HAVE_ATHERIS, Target, fuzz

_TARGETS: list[tuple[Target, tuple[bytes, ...]]] = [
    (buttplug_json.buttplug_json, buttplug_json.SEEDS),
    (hostile_hub.hostile_hub, hostile_hub.SEEDS),
    (hostile_relay.hostile_relay, hostile_relay.SEEDS),
    (handshake.handshake, handshake.SEEDS),
    (link_messages.link_messages, link_messages.SEEDS),
    (pairing_links.pairing_links, pairing_links.SEEDS),
]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Targets silence the log, which hostile input fills; later tests want to read it."""
    disabled = logging.root.manager.disable
    yield
    logging.disable(disabled)


@pytest.mark.parametrize(("target", "seeds"), _TARGETS)
def test_target_holds_over_its_seeds_and_their_neighbours(
    target: Target, seeds: tuple[bytes, ...]
) -> None:
    for seed in seeds:
        target(seed)
        for place in range(len(seed)):
            target(seed[:place])
            target(seed[:place] + bytes([seed[place] ^ 0x21]) + seed[place + 1 :])


def test_protocol_files_are_read_or_refused_with_every_line_damaged() -> None:
    for seed in definitions.SEEDS:
        lines = seed.splitlines(keepends=True)
        for number, line in enumerate(lines):
            rest = b"".join(lines[number + 1 :])
            definitions.definitions(b"".join(lines[:number]) + rest)
            half = line[: len(line) // 2] + b"\n"
            definitions.definitions(b"".join(lines[:number]) + half + rest)
            definitions.definitions(b"".join(lines[:number]) + line.replace(b"=", b"= -") + rest)


@pytest.mark.skipif(not HAVE_ATHERIS, reason="atheris is for CPython on Linux")
@pytest.mark.parametrize("name", TARGETS)
def test_target_holds_for_two_seconds_under_atheris(name: str) -> None:
    assert run(name, 2) == 0


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
