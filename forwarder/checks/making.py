"""Tries the configuration by really making the hub: on a copy of its state folder, so that a
doctor changes nothing. Every part is made by itself too, for the whole tells only its first
fault."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from forwarder.access.allowed_origins import allowed_origins
from forwarder.access.relay_keys import HubTrust
from forwarder.access.tls import client_tls, own_certificate, users_certificate
from forwarder.access.tokens import TokenBook
from forwarder.api.access import admin_token
from forwarder.api.server import ORIGINS_FILE
from forwarder.app import App
from forwarder.config import Config, DialSection, TlsSection
from forwarder.definitions.catalogue import strange
from forwarder.definitions.user_files.opened import open_files
from forwarder.errors import ForwarderError
from forwarder.hub.store import Store
from forwarder.state_lock import LOCK_FILE
from forwarder.stop.hold_file import load_hold
from relay.checks.findings import Finding, Mark, bad, good, note

# State is some files of a few KiB; whatever is larger is not the hub's.
_MOST_BYTES = 8 << 20


def making(config: Config) -> Iterator[Finding]:
    """Every part of the hub, then all of it."""
    real = config.state_dir
    with tempfile.TemporaryDirectory(prefix="forwarder-doctor-") as folder:
        copy = Path(folder, "state")
        trouble = list(_copied(real, copy))
        yield from trouble
        if trouble:
            return
        tried = msgspec.structs.replace(config, state=copy, trace=None)
        faults = 0
        for make in _parts(tried):
            for finding in _made(make):
                faults += finding.mark is Mark.BAD
                yield _back(finding, copy, real)
        if not faults:
            for finding in _made(lambda: _whole(tried)):
                faults += finding.mark is Mark.BAD
                yield _back(finding, copy, real)
    if not faults:
        yield good("Everything that the hub is made of can be made.")


def _back(finding: Finding, copy: Path, real: Path) -> Finding:
    return Finding(finding.mark, finding.text.replace(str(copy), str(real)))


def _copied(real: Path, copy: Path) -> Iterator[Finding]:
    """The files of the state folder, with their rights; what cannot be read is a finding. What is
    no file, or far too large for one, is copied as such, for the hub would meet it."""
    copy.mkdir(mode=0o700)
    if not real.is_dir():
        return
    try:
        for path in real.iterdir():
            if path.name == LOCK_FILE or path.is_socket() or not path.exists():
                continue
            there = copy / path.name
            if path.is_dir():
                there.mkdir(mode=0o700)
            elif not path.is_file():
                there.symlink_to(os.devnull)
            elif path.stat().st_size > _MOST_BYTES:
                there.touch(mode=0o600)
                os.truncate(there, path.stat().st_size)  # as long, and takes no room
            else:
                shutil.copy2(path, there)
    except PermissionError as error:
        yield bad(
            f"{error.filename} cannot be read: run this as the user who runs the hub, or give it"
            " to that user."
        )
    except OSError as error:
        yield bad(
            f"{error.filename or real} cannot be read ({error.strerror}): move it away, or check"
            " the disk."
        )


def _parts(config: Config) -> Iterator[Callable[[], object]]:
    state = config.state_dir
    yield lambda: _device_files(config)
    yield lambda: HubTrust.open(state, config.name)
    yield lambda: TokenBook(state / "tokens.json")
    yield lambda: Store(state / "indexes.json")
    yield lambda: load_hold(state / "hold.json")
    yield lambda: allowed_origins(state / ORIGINS_FILE)
    yield lambda: admin_token(state)
    yield lambda: own_certificate(state, (), datetime.now(UTC)).server_context()
    files = [config.clients.tls, config.link.tls, *(entry.tls for entry in config.upstream)]
    for pair in files:
        if pair is not None:
            yield lambda pair=pair: _certificate(pair)  # type: ignore[misc]
    for entry in config.upstream:
        yield lambda entry=entry: client_tls(entry.fingerprint)  # type: ignore[misc]
    for called in config.clients.dial:
        if isinstance(called, DialSection):
            yield lambda called=called: client_tls(called.fingerprint)  # type: ignore[misc]


def _device_files(config: Config) -> list[str]:
    files = config.devices
    user, catalogue = open_files(
        files.user,
        files.user or config.state_dir / "devices.json",
        official=files.official,
        own=files.catalogue,
    )
    return list(strange(user, catalogue.files))


def _certificate(files: TlsSection) -> None:
    users_certificate(files.certificate, files.key).server_context()


def _whole(config: Config) -> None:
    async def made() -> None:
        App(config).close()

    asyncio.run(made())


def _made(make: Callable[[], object]) -> Iterator[Finding]:
    """What is said while `make` runs, and why it fails."""
    with _listening() as said:
        try:
            strange_lines = make()
        except ForwarderError as error:
            yield bad(str(error))
            return
    for line in said:
        yield note(line)
    if isinstance(strange_lines, list):
        for line in strange_lines:
            yield note(line)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Warnings of this process, in place of where they are logged else."""
    said: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().rstrip(".") + ".")

    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [Listening(logging.WARNING)]
    root.setLevel(logging.WARNING)
    try:
        yield said
    finally:
        root.handlers[:] = before
        root.setLevel(level)
