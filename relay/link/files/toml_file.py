"""TOML that people write: read whole, bounded, and what is wrong with it in words."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from relay.link.bounds import TOML_BYTES
from relay.link.errors import LinkError
from relay.link.misfit import toml_fault


class TomlFileError(LinkError):
    """The file cannot be used: which, why, and what to do, as one line without a full stop."""


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """What `path` says, and its text. A pipe is waited for, as in `--config <(…)`.

    Raises FileNotFoundError, TomlFileError.
    """
    try:
        with path.open("rb") as file:
            data = file.read(TOML_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TomlFileError(
            f"{path} cannot be read ({error.strerror}): correct its name, or make it readable for"
            " this user"
        ) from error
    if len(data) > TOML_BYTES:
        raise TomlFileError(f"{path} is far too large for what people write: correct its name")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        raise TomlFileError(f"{path} is not UTF-8: save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise TomlFileError(f"{path} is not TOML: {toml_fault(error)}") from error
    except RecursionError as error:
        raise TomlFileError(
            f"{path} nests lists or tables too deeply: write it with fewer brackets"
        ) from error
