"""Protocol files of the user: loaded, or refused with the place of the mistake."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.engine import fuzz, instrumented

with instrumented("forwarder"):
    from forwarder.definitions.loader import load
    from forwarder.definitions.schema import DefinitionError

_DATA = Path(__file__).resolve().parents[2] / "forwarder" / "definitions" / "data"


def definitions(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # Whoever reads the file refuses that before.
    try:
        load(text, "fuzzed.toml", {})
    except DefinitionError as error:
        complaint = str(error)
    else:
        return
    assert "fuzzed.toml" in complaint


SEEDS = tuple(
    (_DATA / f"{name}.toml").read_bytes()
    for name in ("aneros", "xibao", "nobra", "vorze-sa", "tryfun-meta2", "kiiroo-v3")
)

if __name__ == "__main__":
    sys.exit(fuzz(definitions, sys.argv, SEEDS))
