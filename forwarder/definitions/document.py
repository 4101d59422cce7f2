"""`python -m forwarder.definitions.document`: write docs/devices.md from the protocol files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.catalogue import Catalogue, CatalogueEntry
from forwarder.definitions.check import Stopping, opening_of, stop_plan
from forwarder.definitions.files import Files, open_protocol
from forwarder.definitions.loader import LoadedProtocol
from forwarder.definitions.model import INPUT_NAMES, NAME_OF, Definition

# Makers whose names have more than one word; every other name begins with its maker.
_BRANDS = (
    "Adrien Lastic", "Adult Festa", "Amorelie Joy", "Fantasy Cup", "G Vibe", "Honey Play Box",
    "Hot Octopuss", "Je Joue", "Love Distance", "Magic Motion", "Tracy's Dog", "The Handy",
    "The Oh!", "Pink Punch", "Next Level", "Master Series", "Pretty Love", "Secret Kisses",
)  # fmt: skip

_HEAD = """\
# Devices

{models} models of {brands} makers, {protocols} protocols. Made from the files in
`forwarder/definitions/data` by `python -m forwarder.definitions.document`; do not edit it by hand.
How to add one: [adding-a-device.md](adding-a-device.md).

Nothing here has been tried on a real device by us. What is known of the bytes comes from the
public source of the reference server and from the notes at docs.buttplug.io. *Tested* says how:

| Mark | Means |
|---|---|
| v | vectors: written down from those sources, compared byte by byte |
| s | a simulated toy: recognised, driven, and found at rest after every stop |
| n | from notes alone; the reference server lists the device but does not drive it |

Outputs with their number of steps; ± goes both ways; P position, PD position with duration.
"""

_TABLE = """\
| Model | Outputs | Inputs | Protocol | Told by | Tested |
|---|---|---|---|---|---|
"""
_NOTES = frozenset({"cueme", "kiiroo-v1", "muse", "sayberx", "vorze-cyclone-x"})

_STOPS = """\
## How they stop

| Way | Protocols |
|---|---|
"""


class _Toy(msgspec.Struct):
    name: str
    protocol: str


class _Toys(msgspec.Struct):
    toys: list[_Toy]


def document(files: Files, vectors: frozenset[str], simulated: frozenset[tuple[str, str]]) -> str:
    """The table; `vectors` and `simulated` say which protocols and models are tested how."""
    catalogue = Catalogue.load(data=files.folder)
    entries = [entry for entry in catalogue.entries() if entry.definition.features]
    brands: dict[str, tuple[str, list[str]]] = {}
    for entry in entries:
        definition = entry.definition
        marks = "v" if definition.protocol in vectors else ""
        marks += "n" if definition.protocol in _NOTES else ""
        marks += "s" if (definition.protocol, definition.name) in simulated else ""
        row = f"| {_cell(definition.name)} | {_outputs(definition)} | {_inputs(definition)} "
        row += f"| {definition.protocol} | {_told(entry)} | {marks} |"
        brand = _brand(definition.name)
        brands.setdefault(brand.replace(" ", "").casefold(), (brand, []))[1].append(row)
    parts = [
        _HEAD.format(models=len(entries), brands=len(brands), protocols=len(files.names())),
        _STOPS + "\n".join(_stops(files)) + "\n",
    ]
    for _, (brand, rows) in sorted(brands.items()):
        lines = "\n".join(sorted(rows, key=str.casefold))
        parts.append(f"## {brand}\n\n{_TABLE}{lines}\n")
    return "\n".join(parts)


def vectors_of(folder: Path) -> frozenset[str]:
    """The protocols that have vectors."""
    return frozenset(path.stem for path in folder.glob("*.yaml"))


def simulated_of(toys: Path) -> frozenset[tuple[str, str]]:
    """Protocol and name of the models that the relay can simulate."""
    listed = msgspec.json.decode(toys.read_bytes(), type=_Toys).toys
    return frozenset((toy.protocol, toy.name) for toy in listed)


def _brand(name: str) -> str:
    for brand in _BRANDS:
        if name.casefold().startswith(brand.casefold()):
            return brand
    return name.split()[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _told(entry: CatalogueEntry) -> str:
    shown = ", ".join(_cell(identifier) for identifier in entry.identifiers[:4])
    if not entry.identifiers:
        return "*any other*"
    return shown + (", …" if len(entry.identifiers) > 4 else "")


def _outputs(definition: Definition) -> str:
    found = []
    for feature in definition.features:
        for kind, spec in feature.outputs.items():
            name = {
                OutputType.POSITION: "P",
                OutputType.HW_POSITION_WITH_DURATION: "PD",
            }.get(kind, NAME_OF[kind])
            found.append(f"{name} {'±' if spec.low < 0 else ''}{spec.high}")
    counted = {text: found.count(text) for text in found}
    return ", ".join(f"{n} × {text}" if n > 1 else text for text, n in counted.items())


def _inputs(definition: Definition) -> str:
    names = {kind: name for name, kind in INPUT_NAMES.items()}
    found = {names[kind] for feature in definition.features for kind in feature.inputs}
    return ", ".join(sorted(found))


def _stops(files: Files) -> Iterable[str]:
    ways: dict[Stopping, set[str]] = {}
    for loaded in files.all():
        for kind in _stoppings(loaded):
            ways.setdefault(kind, set()).add(loaded.name)
    for kind in Stopping:
        names = sorted(ways.get(kind, ()))
        shown = f"{len(names)} protocols" if kind is Stopping.PACKETS else ", ".join(names)
        if names:
            yield f"| {kind.value} | {shown} |"


def _stoppings(loaded: LoadedProtocol) -> set[Stopping]:
    return {
        stop_plan(entry.definition.features, open_protocol(loaded, opening_of(loaded, entry))).kind
        for entry in loaded.entries()
    }


def main() -> None:
    root = Path(__file__).parents[2]
    vectors = root / "tests" / "forwarder" / "protocols" / "vectors"
    toys = root / "relay" / "radio" / "simulated" / "toys.json"
    text = document(Files(Path(__file__).parent / "data"), vectors_of(vectors), simulated_of(toys))
    (root / "docs" / "devices.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
