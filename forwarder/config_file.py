"""Reading hub.toml: what it says, as a tree and as the configuration that it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import platformdirs

from forwarder.config import Config
from forwarder.errors import ConfigError
from relay.link.files.toml_file import TomlFileError, read_toml
from relay.link.misfit import TABLE, misfit

Tree = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """`tree` is empty where there is no file, which is no error unless it was named."""

    path: Path
    tree: Tree
    text: str = ""

    def line(self, key: tuple[str, ...]) -> int | None:
        """The line (from 1) that says `key`, as far as it can be told; None if none does."""
        if not _has(self.tree, key):
            return None
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            said = line.partition("#")[0].strip()
            if said.startswith("["):
                table = tuple(part.strip() for part in said.strip("[]").split("."))
                if said.startswith("[[") and table == key:
                    return number
            name, equals, _ = said.partition("=")
            whole = (*table, *(part.strip() for part in name.split(".")))
            # Also a table in one line: link = { lan = true }
            if equals and key[: len(whole)] == whole:
                return number
        return None


def load(path: Path | None) -> Config:
    """Read the file, or the default one if it exists. Raises ConfigError, with file and key."""
    file = read(path)
    return converted(file.tree, file.path)


def read(path: Path | None) -> ConfigFile:
    """What the file says; it may still be nonsense. Raises ConfigError."""
    chosen = path or Path(platformdirs.user_config_dir("buttplug-forwarder", False)) / "hub.toml"
    try:
        return ConfigFile(chosen, *read_toml(chosen))
    except FileNotFoundError as error:
        if path is None:
            return ConfigFile(chosen, {})
        raise ConfigError(
            f"There is no configuration file {chosen}: correct its name, or leave --config out."
        ) from error
    except TomlFileError as error:
        raise ConfigError(f"{error}.") from error


def converted(tree: Tree, file: Path) -> Config:
    """The configuration that `tree` is; `file` is named in errors. Raises ConfigError."""
    try:
        return msgspec.convert(tree, Config, dec_hook=partial(_path, file.parent))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}, {misfit(error, Config, table=TABLE)}") from error


def _has(tree: object, key: tuple[str, ...]) -> bool:
    for part in key:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


def _path(folder: Path, kind: type, value: object) -> object:
    """Relative paths count from the file that names them, not from where the hub was started."""
    assert kind is Path
    if not isinstance(value, str):
        # As msgspec says it of what it converts by itself.
        name = type(value).__name__
        got = {"list": "array", "dict": "object"}.get(name, name)
        raise ValueError(f"Expected `str`, got `{got}`")
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:
        return folder / value  # ~somebody who is not here
