"""The shared vectors are what the machine does, and the JavaScript machine's task."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from relay.peripheral import (
    gate,
    history,
    machine,
    outcomes,
    runs,
    slots,
    stops,
    timed,
    voice,
    worker,
)
from tests.relay.peripheral.make_transcripts import VECTORS, lines
from tests.relay.peripheral.scripts import play, random_script

PARTS = (gate, history, machine, outcomes, runs, slots, stops, timed, voice, worker)
TraceFunction = Callable[[FrameType, str, Any], Any]


@pytest.mark.parametrize("name", ["recorded.jsonl", "random.jsonl"])
def test_the_machine_does_what_the_vectors_say(name: str) -> None:
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines():
        script = json.loads(line)
        assert play(script) == script["transcript"], script["name"]


def test_the_vectors_are_current() -> None:
    """Else: python -m tests.relay.peripheral.make_transcripts"""
    for name, written in lines():
        assert (VECTORS / name).read_text(encoding="utf-8").splitlines() == list(written), name


def test_the_vectors_reach_every_line_of_the_machine() -> None:
    """Else another implementation could leave it out and pass."""
    files = {module.__file__: set[int]() for module in PARTS if module.__file__ is not None}

    def at(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        lines = files.get(frame.f_code.co_filename)
        if lines is not None and event == "line":
            lines.add(frame.f_lineno)
        return None if lines is None else at

    before = sys.gettrace()
    sys.settrace(at)
    try:
        for name in ("recorded.jsonl", "random.jsonl"):
            for line in (VECTORS / name).read_text(encoding="utf-8").splitlines():
                play(json.loads(line))
    finally:
        sys.settrace(before)
    for file, reached in files.items():
        source = Path(file).read_text(encoding="utf-8")
        missing = sorted(_statements(ast.parse(source)) - reached)
        assert not missing, [(file, n, source.splitlines()[n - 1]) for n in missing]


def _statements(tree: ast.Module) -> set[int]:
    """Lines of statements in functions, but for those that no event leads to."""
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name not in ("__repr__", "preview")
    ]
    return {
        part.lineno
        for function in functions
        for part in ast.walk(function)
        if isinstance(part, ast.stmt)
        and part is not function
        and not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
    }


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
