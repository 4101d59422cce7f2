"""Writes the shared vectors: `python -m tests.relay.peripheral.make_transcripts`.

One line of JSON per script: the script itself and, as `transcript`, what the machine does. With
`--seed N --count M` the random scripts of other seeds go to standard output instead, for a
differential run of another implementation.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.relay.peripheral.recorded import RECORDED
from tests.relay.peripheral.scripts import Json, play, random_script

VECTORS = Path(__file__).parent / "vectors"
# Random scripts that are kept: together with the recorded ones they reach every line of the
# machine (test_transcripts.py), and another implementation plays them in a second.
KEPT = 60


def line(script: Json) -> str:
    """Return the line of `script` with its transcript."""
    return json.dumps(script | {"transcript": play(script)}, separators=(",", ":"))


def lines() -> Iterator[tuple[str, Iterator[str]]]:
    """What the files of VECTORS hold, by name."""
    yield "recorded.jsonl", (line(script) for script in RECORDED)
    yield "random.jsonl", (line(random_script(seed)) for seed in range(KEPT))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, help="of the first random script")
    parser.add_argument("--count", type=int, default=1)
    given = parser.parse_args()
    if given.seed is not None:
        for seed in range(given.seed, given.seed + given.count):
            sys.stdout.write(line(random_script(seed)) + "\n")
        return
    VECTORS.mkdir(exist_ok=True)
    for name, written in lines():
        (VECTORS / name).write_text("".join(f"{each}\n" for each in written), encoding="utf-8")


if __name__ == "__main__":
    main()
