"""`python -m forwarder` and the console script `forwarder`."""

from __future__ import annotations

import sys

from forwarder.cli import run


def main() -> None:
    """Run the command line; leaves with its exit status."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
