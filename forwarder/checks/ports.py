"""Whether the hub would get its ports: by taking them, all at once, and giving them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from forwarder.checks.settings import wanted_ports
from forwarder.config import Config
from forwarder.connectors.descriptors import bind
from forwarder.errors import ConfigError
from relay.checks.findings import Finding, bad, good

# /proc/net/tcp: state 0A is LISTEN.
_LISTENS = "0A"


def ports(config: Config) -> Iterator[Finding]:
    with ExitStack() as taken:
        for wanted in wanted_ports(config):
            if not wanted.port:
                continue
            try:
                sockets = bind(wanted.hosts, wanted.port, wanted.option)
            except ConfigError as error:
                who = owner(wanted.port)
                by = f" It is {who}." if who else ""
                yield bad(f"For {wanted.what}: {error}{by}")
                continue
            for one in sockets:
                taken.callback(one.close)
            yield good(f"Port {wanted.port}, for {wanted.what}, is free.")


def owner(port: int, proc: Path = Path("/proc")) -> str:
    """The program that listens at a TCP port, as Linux says; empty where nobody can know."""
    inodes = set(_inodes(port, proc))
    if not inodes:
        return ""
    for folder in proc.glob("[0-9]*"):
        try:
            for handle in (folder / "fd").iterdir():
                if handle.readlink().name in inodes:
                    name = (folder / "comm").read_text().strip()
                    return f"{name}, process {folder.name}"
        except OSError:
            continue  # another user's, or it has ended
    return "a program of another user"


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"
