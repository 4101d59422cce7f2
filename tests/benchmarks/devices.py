"""Figures of the device catalogue: what it costs to load, to encode with, and to maintain.

`python -m tests.benchmarks.devices` prints these alone.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.check import opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.definitions.loader import LoadedProtocol, ModelEntry
from tests.benchmarks.row import Row

SOURCE = Path(__file__).parents[2] / "forwarder"
# Commands per model that is timed; each output goes through its range.
COMMANDS = 400
# A position with duration takes this long, in ms.
DURATION_MS = 300


def rows() -> list[Row]:
    models, kinds = _counts()
    return [
        Row("catalogue: index, at start", f"{_best_ms(Catalogue.load):.0f} ms", "150 ms"),
        Row("catalogue: every file parsed, when asked for all", f"{_best_ms(_everything):,.0f} ms"),
        Row("catalogue: memory at start, with every file", "{:.1f}, {:.1f} MiB".format(*_memory())),
        Row("encode a command, median and worst of all protocols", _encoding()),
        Row("models, protocols", f"{models}, {sum(kinds.values())}"),
        *(Row(f"  {kind}", str(count)) for kind, count in kinds.items()),
        Row("lines: data, Python that reads and runs it", "{:,}, {:,}".format(*_lines())),
    ]


def _everything() -> None:
    Catalogue.load().entries()


def _best_ms(call: object, times: int = 3) -> float:
    assert callable(call)
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begun)
    return min(spent) * 1000


def _memory() -> tuple[float, float]:
    tracemalloc.start()
    catalogue = Catalogue.load()
    start, _ = tracemalloc.get_traced_memory()
    catalogue.entries()
    everything, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return start / 2**20, everything / 2**20


def _encoding() -> str:
    """Microseconds per command: each protocol counts once, by its first model."""
    times = {
        loaded.name: spent
        for loaded in Files(DATA).all()
        if (spent := _encode_us(loaded, loaded.entries()[0])) is not None
    }
    worst = max(times, key=lambda name: times[name])
    return f"{statistics.median(times.values()):.1f} µs, {times[worst]:.1f} µs ({worst})"


def _encode_us(loaded: LoadedProtocol, entry: ModelEntry) -> float | None:
    protocol = open_protocol(loaded, opening_of(loaded, entry))
    commands = [
        (feature.index, kind, spec.low + number * (spec.high - spec.low) // COMMANDS)
        for number in range(COMMANDS)
        for feature in entry.definition.features
        for kind, spec in feature.outputs.items()
    ]
    if not commands:
        return None
    begun = time.perf_counter()
    for index, kind, value in commands:
        protocol.output(index, kind, value, DURATION_MS)
    return (time.perf_counter() - begun) / len(commands) * 1e6


def _counts() -> tuple[int, Counter[str]]:
    kinds: Counter[str] = Counter()
    models = 0
    for loaded in Files(DATA).all():
        models += len({entry.definition.id for entry in loaded.entries()})
        kinds[_kind(loaded)] += 1
    return models, Counter(dict(kinds.most_common()))


def _kind(loaded: LoadedProtocol) -> str:
    file = loaded.file
    if loaded.code is not None:
        return "protocols with a class of their own"
    codecs = any(packet.codec for rule in file.output for packet in rule.packets)
    hooks = any(step.hook for step in file.init)
    if codecs or hooks or file.codec or any(rule.ticks for rule in file.output):
        return "protocols with a named plug-in (codec, hook, ticker)"
    return "protocols in a file and nothing else"


def _lines() -> tuple[int, int]:
    def count(paths: Iterator[Path]) -> int:
        return sum(path.read_text(encoding="utf-8").count("\n") for path in paths)

    python = [*SOURCE.glob("definitions/*.py"), *SOURCE.glob("protocols/**/*.py")]
    return count(SOURCE.glob("definitions/data/*.toml")), count(iter(python))


def main() -> int:
    found = rows()
    width = max(len(row.figure) for row in found)
    for row in found:
        print(f"{row.figure:{width}}   {row.value:34}   {row.budget}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
