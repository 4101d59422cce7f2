"""Every protocol sends what its vectors say."""

from __future__ import annotations

import pytest

from forwarder.definitions.files import DATA, Files
from tests.forwarder.protocols.vectors import FOLDER, Case, Mismatch, load

FILES = Files(DATA)


@pytest.mark.parametrize("protocol", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_a_protocol_sends_what_its_vectors_say(protocol: str) -> None:
    problems = []
    for tree in load(FOLDER / f"{protocol}.yaml"):
        try:
            Case(tree, FILES.get(protocol)).run(FILES)
        except Mismatch as mismatch:
            problems.append(f"{tree['about']}: {mismatch}")
    assert not problems, "\n".join(problems)


def test_every_protocol_has_vectors() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} >= set(FILES.names())
