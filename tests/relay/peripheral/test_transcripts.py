"""The shared vectors are what the machine does, and the JavaScript machine's task."""

from __future__ import annotations

import json

import pytest

from tests.relay.peripheral.make_transcripts import VECTORS, lines
from tests.relay.peripheral.scripts import play, random_script


@pytest.mark.parametrize("name", ["recorded.jsonl", "random.jsonl"])
def test_the_machine_does_what_the_vectors_say(name: str) -> None:
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines():
        script = json.loads(line)
        assert play(script) == script["transcript"], script["name"]


def test_the_vectors_are_current() -> None:
    """Else: python -m tests.relay.peripheral.make_transcripts"""
    for name, written in lines():
        assert (VECTORS / name).read_text(encoding="utf-8").splitlines() == list(written), name


def test_random_scripts_get_everywhere() -> None:
    """A script that is refused everything shows nothing."""
    done: set[str] = set()
    states: set[str] = set()
    for seed in range(60):
        for step in play(random_script(seed)):
            states.add(step["state"])
            done |= {action["do"] for action in step["actions"]}
    assert states == {"shut", "armed", "open", "stopping"}
    assert done == {
        "write", "read", "subscribe", "unsubscribe", "disconnect",
        "hurry", "say", "record", "note", "answer", "over",
    }  # fmt: skip
