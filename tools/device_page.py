"""`python -m tools.device_page`: write docs/devices.md from the protocol files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.catalogue import Catalogue, CatalogueEntry
from forwarder.definitions.check import RestMethod, opening_of, stop_plan
from forwarder.definitions.files import Files, open_protocol
from forwarder.definitions.loader import LoadedProtocol
from forwarder.definitions.model import INPUT_NAMES, NAME_OF, Definition

# Makers whose names have more than one word; every other name begins with its maker.
_BRANDS = (
    "Adrien Lastic", "Adult Festa", "Amorelie Joy", "Dream Lover", "Fantasy Cup", "G Vibe",
    "Honey Play Box", "Hot Octopuss", "Je Joue", "Love Distance", "Love Nut", "Love Spouse",
    "Magic Motion", "Tracy's Dog", "The Cowgirl", "The Handy", "The Oh!", "Pink Punch",
    "Next Level Racing", "Nobra's Silicone Dreams", "Master Series", "Pretty Love", "Secret Lover",
)  # fmt: skip

_HEAD = """\
# Devices

{models} models of {brands} makers, by {protocols} protocols. Search this page for the model, or for
the name under which it shows up when you scan.

*Outputs* are what apps can set, with the number of steps: ± runs both ways, *position* goes there
at once, *timed position* takes the time that the app says. *Known by* is the advertised name, the
model number or the answer that tells a model from its siblings; *other names* means every device of
the protocol that none of the others fits, *names you add* that only your own configuration leads
there. What is not connected by Bluetooth says how; so far such devices can only be simulated.

**Nothing here has been tried on a real device by us.** The bytes come from the public source of the
reference server and from the notes at docs.buttplug.io. *Tested* says how they were tried:

| Word | Means |
|---|---|
| bytes | packets written down from those sources beforehand, and compared byte by byte |
| toy | a simulated toy: recognised, driven, never at rest while on, at rest after every stop |
| notes | from notes alone: the reference server lists the device but does not drive it |

This page is made from `forwarder/definitions/data` by `python -m tools.device_page`.
Something is missing? [Adding a device](adding-a-device.md) takes a quarter of an hour.
"""

_TABLE = """\
| Model | Outputs | Inputs | Protocol | Known by | Tested |
|---|---|---|---|---|---|
"""
_MISSING = """\
## Without a simulated toy

Nothing that recognises their protocol leads to these models, here as in Intiface's configuration:
{others}. The same goes for the {count} models above that are known by *names you add*.
"""
# As seen from the page.
_DATA = "../forwarder/definitions/data"
_NOTES = frozenset(
    ("cueme", "kiiroo-powerblow", "kiiroo-v1", "lovespouse", "muse", "sayberx", "vorze-cyclone-x")
)

_STOPS = """\
## How they stop

| Way | Protocols |
|---|---|
"""


_FAULTS = """\
## Where the reference server does otherwise

What it sends was measured (server 12.0.2, configuration 5.57) and is played against this hub by
`python -m tests.device_cases` ([tests/test_exam.py](../tests/test_exam.py)). These differ on
purpose; the vectors of each protocol hold our side:

| Devices | The reference | Here |
|---|---|---|
{rows}

An F-Machine is let go by the relay's own stop; if it goes on running without a connection, only its
switch is left. A Umove's own stop draws the thruster back, as connecting does. Nobody can tell a
Svakom Echo Neo from an Edeny: it has the same name. Of We-Vibe Chorus Pro only the name is public.
"""
_OTHERWISE = (
    (
        "all whose stop is acknowledged",
        "are asked for their battery at any time",
        "not while they run: a stop would wait for the answer",
    ),
    (
        "all",
        "leaves a fresh connection as it is",
        "writes the stop first: it may run since an earlier connection",
    ),
    (
        "F-Machine",
        "presses *faster* once too often after each start",
        "presses as often as it takes; slows down before it starts",
    ),
    (
        "Je Joue",
        "never drives both motors",
        "drives both",
    ),
    (
        "Kiiroo strokers",
        "speeds above 99, which the device does not know",
        "99 at most",
    ),
    (
        "Kiiroo Keon 2",
        "expects 20 bytes of a battery that has one, and never reads it",
        "reads it; untried",
    ),
    (
        "LiBo with two characteristics",
        "a stop loses the packet of one of them",
        "writes both",
    ),
    (
        "OSSM",
        "a stop while it follows positions sends nothing",
        "takes its speed away until the next move",
    ),
    (
        "Svakom Iker",
        "a stop leaves the pulsator on",
        "stops it",
    ),
    (
        "The Handy (FW4+), The Oh!",
        "a stop lets a move go on",
        "ends the move",
    ),
    (
        "Umove",
        "timed moves take half their time, and a stop does not end them",
        "takes the time, ends the move",
    ),
)


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
    missing = []
    for entry in entries:
        definition = entry.definition
        found = (definition.protocol, definition.name) in simulated
        if not found:
            missing.append(entry)
        tested = {
            "bytes": definition.protocol in vectors,
            "notes": definition.protocol in _NOTES,
            "toy": found,
        }
        cells = (
            _cell(definition.name),
            _outputs(definition),
            _inputs(definition),
            _protocol(files.get(definition.protocol)),
            _told(entry, reachable=found),
            ", ".join(word for word, fits in tested.items() if fits),
        )
        brand = _brand(definition.name)
        row = f"| {' | '.join(cells)} |"
        brands.setdefault(brand.replace(" ", "").casefold(), (brand, []))[1].append(row)
    shown = [(brand, rows) for _, (brand, rows) in sorted(brands.items())]
    others = [one.definition.name for one in missing if one.identifiers]
    parts = [
        _HEAD.format(models=len(entries), brands=len(brands), protocols=len(files.names())),
        " · ".join(f"[{brand}](#{_anchor(brand)}) {len(rows)}" for brand, rows in shown) + "\n",
    ]
    for brand, rows in shown:
        lines = "\n".join(sorted(rows, key=str.casefold))
        parts.append(f"## {brand}\n\n{_TABLE}{lines}\n")
    parts.append(_STOPS + "\n".join(_stops(files)) + "\n")
    differs = "\n".join(f"| {' | '.join(row)} |" for row in _OTHERWISE)
    parts.append(_FAULTS.format(rows=differs))
    count = len(missing) - len(others)
    parts.append(_MISSING.format(others=", ".join(sorted(others)), count=count))
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


def _anchor(heading: str) -> str:
    """As GitHub makes them of headings."""
    kept = (letter for letter in heading.casefold() if letter.isalnum() or letter in " -")
    return "".join(kept).replace(" ", "-")


def _protocol(loaded: LoadedProtocol) -> str:
    return f"[{loaded.name}]({_DATA}/{loaded.name}.toml){_way(loaded)}"


def _way(loaded: LoadedProtocol) -> str:
    """By what it is connected besides Bluetooth, or instead of it."""
    ways = [
        word
        for match in loaded.file.match
        for word, fits in (
            ("serial", match.serial),
            ("HID", match.hid),
            ("USB", match.usb),
            ("XInput", match.xinput),
            ("gamepad", match.gamepad),
            ("advertisement", match.advertised),
            ("simulation", match.simulated),
            ("HTTP", match.http),
        )
        if fits
    ]
    also = "also " if any(match.ble is not None for match in loaded.file.match) else ""
    return f" ({also}by {', '.join(ways)})" if ways else ""


def _told(entry: CatalogueEntry, *, reachable: bool) -> str:
    shown = ", ".join(_code(identifier) for identifier in entry.identifiers[:4])
    if not entry.identifiers:
        return "*other names*" if reachable else "*names you add*"
    return shown + (", …" if len(entry.identifiers) > 4 else "")


def _code(text: str) -> str:
    """Spaces and special characters shown as they are."""
    return f"`{_cell(text)}`"


def _outputs(definition: Definition) -> str:
    found = []
    for feature in definition.features:
        for kind, spec in feature.outputs.items():
            name = {OutputType.HW_POSITION_WITH_DURATION: "timed position"}.get(kind, NAME_OF[kind])
            found.append(f"{name} {'±' if spec.low < 0 else ''}{spec.high}")
    counted = {text: found.count(text) for text in found}
    return ", ".join(f"{n} × {text}" if n > 1 else text for text, n in counted.items())


def _inputs(definition: Definition) -> str:
    names = {kind: name for name, kind in INPUT_NAMES.items()}
    found = {names[kind] for feature in definition.features for kind in feature.inputs}
    return ", ".join(sorted(found))


def _stops(files: Files) -> Iterable[str]:
    ways: dict[RestMethod, set[str]] = {}
    for loaded in files.all():
        for kind in _stoppings(loaded):
            ways.setdefault(kind, set()).add(loaded.name)
    for kind in RestMethod:
        names = sorted(ways.get(kind, ()))
        shown = f"{len(names)} protocols" if kind is RestMethod.PACKETS else ", ".join(names)
        if names:
            yield f"| {kind.value} | {shown} |"


def _stoppings(loaded: LoadedProtocol) -> set[RestMethod]:
    return {
        stop_plan(entry.definition.features, open_protocol(loaded, opening_of(loaded, entry))).kind
        for entry in loaded.entries()
    }


def main() -> None:
    root = Path(__file__).parents[1]
    vectors = root / "tests" / "forwarder" / "protocols" / "vectors"
    toys = root / "relay" / "radio" / "simulated" / "toys.json"
    definitions = root / "forwarder" / "definitions" / "data"
    text = document(Files(definitions), vectors_of(vectors), simulated_of(toys))
    (root / "docs" / "devices.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
