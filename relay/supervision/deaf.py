"""`turn_deaf`: for a process that has to outlive the relay that started it."""

from __future__ import annotations

import signal
from typing import Final

# What ends a relay must not end us: a service manager signals the whole group of processes, and a
# terminal that closes everything in it. The stream tells when it is over.
DEAF_TO: Final = (
    "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGPIPE",
)  # fmt: skip


def turn_deaf() -> None:
    """From now on nothing ends this process but its own end, and being killed."""
    for name in DEAF_TO:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
