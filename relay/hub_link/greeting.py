"""How a relay introduces itself."""

from __future__ import annotations

import sys

from relay.config import AgentConfig
from relay.link.messages import VERSION, Held, Hello, RadioInfo
from relay.version import __version__


def greeting(
    config: AgentConfig, radio: RadioInfo, held: tuple[Held, ...], *, supervised: bool
) -> Hello:
    """Return the Hello of a relay with this radio, which kept `held` through a lost link."""
    return Hello(
        VERSION,
        config.name[:128],
        software=f"relay {__version__}",
        platform=sys.platform,
        capabilities=(
            "scan",
            "status",
            "places",
            *(("guests",) if config.commands else ()),
            "timed",
            *(("supervised",) if supervised else ()),
        ),
        radio=radio,
        held=held,
        max_peripherals=config.max_peripherals,
        grace_ms=round(config.grace_s * 1000),
    )
