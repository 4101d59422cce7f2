"""Telling systemd that a service is ready, alive and ending: the datagrams of sd_notify(3).

Does nothing where nobody listens (NOTIFY_SOCKET is not set). A loop that stands still says nothing
more, and systemd starts the service anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket

log = logging.getLogger(__name__)

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"
# sd_watchdog_enabled(3) recommends half of what is allowed.
_SHARE = 0.5


def notify(state: str) -> None:
    """Say one thing to the service manager; never raises, and never waits."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path or not hasattr(socket, "AF_UNIX"):
        return
    if path[0] == "@":  # Linux's abstract names
        path = "\0" + path[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), path)
    except OSError as error:
        # A service that cannot say so is killed by its manager in time; then this is the reason.
        log.warning("systemd could not be told %s: %s", state, error.strerror)


def alive_every_s() -> float | None:
    """How often (s) a sign of life is due; None if nobody waits for one."""
    text = os.environ.get("WATCHDOG_USEC", "")
    owner = os.environ.get("WATCHDOG_PID")
    if not text.isdecimal() or int(text) == 0 or owner not in (None, str(os.getpid())):
        return None
    return int(text) / 1e6 * _SHARE


async def sign_of_life() -> None:
    """Say that this loop turns, as often as it is wanted. Until cancelled."""
    every_s = alive_every_s()
    if every_s is None:
        return
    while True:
        notify(ALIVE)
        await asyncio.sleep(every_s)
