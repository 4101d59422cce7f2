"""The protocol files on disk: parsed when needed, known beforehand by their index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from forwarder.definitions.check import opening_of, problems
from forwarder.definitions.loader import Ids, LoadedProtocol, load
from forwarder.definitions.recognition import RecognitionBlock
from forwarder.definitions.schema import DefinitionError
from forwarder.protocols.base import DeviceProtocol, ProtocolError
from forwarder.protocols.classes.registry import CLASSES
from forwarder.protocols.memory import DeviceMemory
from forwarder.protocols.template import TemplateProtocol

DATA = resources.files("forwarder.definitions") / "data"
INDEX = "index.json"
IDS = "ids.json"


class FileIndex(msgspec.Struct, frozen=True):
    """Recognition of all files in one, so that a start need not parse them."""

    protocols: tuple[str, ...]
    blocks: tuple[RecognitionBlock, ...]


@dataclass(slots=True)
class Files:
    """The protocol files of one folder, parsed when asked for.

    `own` is a folder of the user's: its files are parsed and checked at once, and replace those of
    the same name.
    """

    folder: Traversable
    own: Path | None = None
    _loaded: dict[str, LoadedProtocol] = field(default_factory=dict)
    _ids: Ids | None = None

    @property
    def parsed(self) -> tuple[str, ...]:
        """The protocols whose files have been parsed by now."""
        return tuple(self._loaded)

    def names(self) -> list[str]:
        return sorted({*_protocols(self.folder), *self.own_names()})

    def own_names(self) -> list[str]:
        return _protocols(self.own) if self.own is not None and self.own.is_dir() else []

    def has(self, protocol: str) -> bool:
        return protocol in self._loaded or self._file(protocol).is_file()

    def _file(self, protocol: str) -> Traversable:
        if protocol in self.own_names() and self.own is not None:
            return self.own / f"{protocol}.toml"
        return self.folder / f"{protocol}.toml"

    def get(self, protocol: str) -> LoadedProtocol:
        """Raises DefinitionError if the file is wrong, KeyError if there is none."""
        if protocol not in self._loaded:
            file = self._file(protocol)
            if not file.is_file():
                raise KeyError(protocol)
            shown = str(file) if protocol in self.own_names() else file.name
            try:
                text = file.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                raise DefinitionError(f"{shown}:1: it is not text in UTF-8") from error
            except OSError as error:
                raise DefinitionError(f"{shown}:1: cannot be read: {error.strerror}") from error
            self._loaded[protocol] = load(text, shown, self.ids)
        return self._loaded[protocol]

    def check_own(self) -> None:
        """Parse and try out the user's files. Raises DefinitionError for the first wrong one."""
        for name in self.own_names():
            loaded = self.get(name)
            if loaded.name != name:
                raise DefinitionError(
                    f"{self._file(name)}:1: protocol: {loaded.name} is not {name}"
                )
            for entry in loaded.entries():
                protocol = open_protocol(loaded, opening_of(loaded, entry))
                for problem in problems(loaded, entry, protocol):
                    raise DefinitionError(f"{self._file(name)}:1: {problem}")

    def all(self) -> Iterator[LoadedProtocol]:
        return (self.get(name) for name in self.names())

    @property
    def ids(self) -> Ids:
        if self._ids is None:
            file = self.folder / IDS
            self._ids = msgspec.json.decode(file.read_bytes(), type=Ids) if file.is_file() else {}
        return self._ids

    def blocks(self) -> list[RecognitionBlock]:
        """Recognition of all files, from the index if it was made for them."""
        file = self.folder / INDEX
        own = self.own_names()
        mine = [block for name in own for block in self.get(name).blocks]
        if file.is_file():
            index = msgspec.json.decode(file.read_bytes(), type=FileIndex)
            if list(index.protocols) == _protocols(self.folder):
                return mine + [block for block in index.blocks if block.protocol not in own]
        return self.parsed_blocks()

    def parsed_blocks(self) -> list[RecognitionBlock]:
        return [block for protocol in self.all() for block in protocol.blocks]

    def index(self) -> bytes:
        """What the index should hold; a test sees to it that it does."""
        blocks = [block for block in self.parsed_blocks() if block.services or block.websocket]
        encoded = msgspec.json.encode(FileIndex(tuple(self.names()), tuple(blocks)))
        return msgspec.json.format(encoded, indent=1) + b"\n"


def _protocols(folder: Traversable) -> list[str]:
    names = (file.name for file in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def open_protocol(loaded: LoadedProtocol, opening: DeviceMemory) -> DeviceProtocol:
    """The protocol object of one device. Raises ProtocolError if its class is not there."""
    if loaded.code is None:
        return TemplateProtocol(loaded.behaviour, opening)
    if loaded.code not in CLASSES:
        raise ProtocolError(f"{opening.definition.name}: its protocol {loaded.code} is not there")
    return CLASSES[loaded.code](opening)
