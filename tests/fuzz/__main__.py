"""`make fuzz SECONDS=60`: every target in a process of its own, the time shared out evenly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fuzz.engine import HAVE_ATHERIS

TARGETS = (
    "handshake", "pairing_links", "link_messages", "hostile_hub", "hostile_relay",
    "buttplug_json", "definitions",
)  # fmt: skip


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        print("usage: python -m tests.fuzz SECONDS", file=sys.stderr)
        return 2
    if not HAVE_ATHERIS:
        print("atheris is not installed; it comes with `pip install .[test]` on Linux")
        return 2
    each = max(1, int(sys.argv[1]) // len(TARGETS))
    bad = []
    for name in TARGETS:
        print(f"--- {name}, {each} s", flush=True)
        if run(name, each) != 0:
            bad.append(name)
    print(f"found something: {', '.join(bad)}; see build/fuzz" if bad else "nothing found")
    return 1 if bad else 0


def run(name: str, seconds: int) -> int:
    """Fuzz one target; returns the exit status, 0 if it found nothing."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", f"tests.fuzz.{name}", str(seconds)]
    return subprocess.run(command, cwd=root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
