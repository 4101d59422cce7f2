"""What keeps a hub from starting, before anybody lets it go for a new one."""

from __future__ import annotations

from forwarder.checks.settings import settings
from forwarder.config import Config
from forwarder.connectors.direct import require_direct, wants_direct
from forwarder.errors import ConfigError
from relay.checks.findings import Mark


def refuse(config: Config) -> None:
    """Raises ConfigError for what a hub with `config` could not start with, whatever else runs;
    several are a line each. May take a moment: a library is loaded to see whether it can be."""
    wrong = [finding.text for finding in settings(config) if finding.mark is Mark.BAD]
    if wrong:
        raise ConfigError("\nforwarder: ".join(wrong))
    if wants_direct(config.link):
        require_direct()
