"""Which version both programs are. pyproject.toml takes it from here: asking what is installed
would take 12 ms and a MiB."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
