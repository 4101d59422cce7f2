"""`python -m tools.definition_index`: write data/index.json anew after a change of the files.

With the path of an official device configuration it also writes data/ids.json: the UUIDs by which
Intiface's files name models and features, so that limits in such files find their features.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from forwarder.definitions.files import IDS, INDEX, Files
from forwarder.definitions.loader import MODEL_KEY, Ids
from forwarder.definitions.user_files.official import Configuration, Official


def ids_of(official: Official) -> Ids:
    found: Ids = {}
    for protocol, config in sorted(official.protocols.items()):
        table = found.setdefault(protocol, {})
        if config.defaults is not None:
            table[""] = _ids(config.defaults)
        for one in config.models:
            for identifier in one.identifier or ():
                table[identifier] = _ids(one)
    return found


def _ids(config: Configuration) -> dict[str, str]:
    ids = {MODEL_KEY: config.id}
    for number, feature in enumerate(config.features or ()):
        ids[str(number if feature.index is None else feature.index)] = feature.id
    return ids


def main(arguments: list[str]) -> None:
    folder = Path(__file__).parents[1] / "forwarder" / "definitions" / "data"
    if arguments:
        # Kept are those of protocols that Intiface's newest file has no more.
        known = msgspec.json.decode((folder / IDS).read_bytes(), type=Ids)
        known |= ids_of(Official.load(Path(arguments[0])))
        ids = msgspec.json.encode(dict(sorted(known.items())))
        (folder / IDS).write_bytes(msgspec.json.format(ids, indent=1) + b"\n")
    (folder / INDEX).write_bytes(Files(folder).index())


if __name__ == "__main__":
    main(sys.argv[1:])
