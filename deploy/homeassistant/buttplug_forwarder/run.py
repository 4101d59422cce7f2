"""Start the hub as the add-on's options say. State is where the supervisor backs it up."""

from __future__ import annotations

import json
import os
from pathlib import Path

OPTIONS = Path("/data/options.json")
STATE = "/data/state"
# What the options do not have, a person may say here.
CONFIG = Path("/config/hub.toml")


def command(options: dict[str, object], config: Path = CONFIG) -> list[str]:
    """The command line of the hub."""
    words = ["forwarder", "--log", "info", "run", "--state", STATE]
    if config.exists():
        words += ["--config", str(config)]
    if options.get("lan"):
        words.append("--lan")
    if options.get("local_radio"):
        words.append("--local-radio")
    meet = options.get("meet")
    for point in meet if isinstance(meet, list) else ():
        words += ["--meet", str(point)]
    return words


if __name__ == "__main__":
    # In its place: the supervisor's signals are the hub's.
    words = command(json.loads(OPTIONS.read_text(encoding="utf-8")))
    os.execvp(words[0], words)
