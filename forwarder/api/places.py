"""Where the hub's API is found: its path, and what stands for it in the state folder. The command
line knows this without knowing the hub."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

import msgspec

PREFIX: Final = "/api/v1"
SOCKET_FILE: Final = "hub.sock"
PLACE_FILE: Final = "hub.port"
PROOF_HEADER: Final = "Forwarder-Proof"
CHALLENGE_PATH: Final = "/challenge"
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing zero.
_MAX_PATH_BYTES: Final = 103


class ControlPort(msgspec.Struct, frozen=True):
    """Where the hub is, without a socket in the folder. `key`: hexadecimal, of this run."""

    port: int
    key: str


def can_be_socket(path: Path) -> bool:
    """Whether this system has sockets in folders, and `path` is short enough for one."""
    return hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= _MAX_PATH_BYTES
