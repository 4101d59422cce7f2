"""docs/devices.md is what the files say."""

from __future__ import annotations

from pathlib import Path

from forwarder.definitions.files import DATA, Files
from tools.device_page import document, simulated_of, vectors_of

ROOT = Path(__file__).parents[2]


def test_the_table_of_devices_is_current() -> None:
    vectors = vectors_of(ROOT / "tests" / "forwarder" / "protocols" / "vectors")
    simulated = simulated_of(ROOT / "relay" / "radio" / "simulated" / "toys.json")
    text = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    assert text == document(Files(DATA), vectors, simulated), "run python -m tools.device_page"


def test_every_model_is_in_the_table() -> None:
    text = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    for loaded in Files(DATA).all():
        for entry in loaded.entries():
            assert entry.definition.name.replace("|", "\\|") in text
