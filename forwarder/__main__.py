"""`python -m forwarder` and the console script `forwarder`."""

from __future__ import annotations

import sys

# What a shell shows for a program that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command line; leaves with its exit status, quietly on Ctrl-C at any moment."""
    try:
        from forwarder.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
