"""Keeps the person's stop over restarts. It holds in memory first; the disk may be slow or full."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import msgspec

from forwarder.errors import ConfigError
from forwarder.stop.bounds import AGAIN_S, SAVE_S
from forwarder.stop.hold import Hold, HoldMode, HoldState
from relay.link.files.keys import spoil, write_private
from relay.link.files.statefile import NewerFormat, refuse_newer

log = logging.getLogger(__name__)


_FORMAT = 1


class _HoldFile(HoldState, frozen=True, forbid_unknown_fields=True):
    version: int = _FORMAT


def load_hold(path: Path) -> HoldState:
    """What was kept. A file that is damaged counts as stopped: better to ask once too often.

    Raises ConfigError if there is one that cannot be read, or that a newer version has written.
    """
    try:
        data = path.read_bytes()
        refuse_newer(path, data, _FORMAT)
        file = msgspec.json.decode(data, type=_HoldFile)
        return HoldState(file.mode, file.by, file.since, file.muted)
    except FileNotFoundError:
        return HoldState()
    except NewerFormat as error:
        raise ConfigError(f"{error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("%s is damaged: everything is stopped until you resume", path)
        return HoldState(HoldMode.STOPPED, f"the hub, for {path.name} is damaged", time.time())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): make it readable for this user, or move it"
            " away."
        ) from error


class HoldFile:
    """Writes the state of `hold` to `path`, the newest there is; `run` does so, in a thread.

    `trouble`: why the file is not what the state is, in words; None if it is, or will be soon.
    """

    def __init__(
        self, path: Path, hold: Hold, *, again_s: float = AGAIN_S, write_s: float = SAVE_S
    ) -> None:
        self._path = path
        self._hold = hold
        self._again_s = again_s
        self._write_s = write_s
        self._written = hold.state
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        # Whoever holds it writes the newest state, so that no older one can come last.
        self._writing = threading.Lock()
        self.trouble: str | None = None

    def changed(self) -> None:
        """The state is another one: have it written."""
        self._settled.clear()
        self._changed.set()

    async def saved(self, patience_s: float = SAVE_S) -> str | None:
        """Wait until it is written, so long at most; returns what is in the way, if anything is."""
        try:
            async with asyncio.timeout(patience_s):
                await self._settled.wait()
        except TimeoutError:
            if self._written is not self._hold.state:
                self._failed("the disk does not answer")
        return self.trouble

    async def run(self) -> None:
        """Runs until cancelled; what is not written then is written at the end."""
        try:
            while True:
                try:
                    async with asyncio.timeout(None if self.trouble is None else self._again_s):
                        await self._changed.wait()
                except TimeoutError:
                    pass  # it is tried again
                self._changed.clear()
                await asyncio.to_thread(self._write)
                if not self._changed.is_set():
                    self._settled.set()
        finally:
            if self._written is not self._hold.state:
                self._write()

    def _write(self) -> None:
        if not self._writing.acquire(timeout=self._write_s):
            self._failed("the disk does not answer")
            return
        try:
            state = self._hold.state
            file = _HoldFile(state.mode, state.by, state.since, state.muted)
            write_private(self._path, msgspec.json.encode(file))
            self._written, self.trouble = state, None
        except OSError as error:
            self._not_written(error.strerror or str(error))
        finally:
            self._writing.release()

    def _not_written(self, why: str) -> None:
        if not self._hold.holds:
            self._failed(why)
            return
        try:
            spoil(self._path)
        except OSError:
            self._failed(why)
        else:
            self._say(f"{self._path} cannot be written ({why}): the next start counts as stopped.")

    def _failed(self, why: str) -> None:
        self._say(
            f"This does not survive a restart of the hub, {self._path} cannot be written: {why}."
        )

    def _say(self, text: str) -> None:
        if text != self.trouble:
            log.error("%s", text)
        self.trouble = text
