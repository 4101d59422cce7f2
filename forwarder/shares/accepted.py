"""Shares of other hubs that this one has accepted: each is a source of devices, for any app here.

| state   | event                            | becomes |
|---------|----------------------------------|---------|
| away    | joined, and the sharer is asked  | asked   |
| away    | joined, and may drive            | allowed |
| asked   | the sharer allows it             | allowed |
| any     | lost                             | away    |
| any     | the sharer's hub says it is over | over    |

Devices are here while it is allowed. What the sharer allows, and how much, their hub decides, at
each command: this one is a guest like a browser, and stops being heard within 0.9 s when it hangs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from forwarder.access.share_link import ShareLink, ShareLinkError
from forwarder.connectors.bounds import STABLE_S
from forwarder.connectors.websocket_client import Backoff
from forwarder.errors import ConfigError
from forwarder.shares.bounds import ACCEPT_S, ACCEPTED_MOST, NAME_CHARS, OVER_S
from forwarder.shares.dialer import SharedChannel, join
from forwarder.sources.upstream.source import UpstreamSource
from relay.link.errors import LinkError, LinkRefused, LinkViolation
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import Versioned, read_state, write_state
from relay.link.names import neutralise, quoted
from relay.link.security.noise import KeyPair
from relay.link.tasks.cancellation import apart

log = logging.getLogger(__name__)

# Pauses between attempts, as a relay's.
AGAIN: Final = Backoff(0.5, 10.0)
_FORMAT: Final = 1
_REMEDY: Final = "delete it and accept the shares again"


class AcceptedShare(msgspec.Struct, frozen=True):
    """`name`: what the source is called here. `key`: this hub's private one, for this share alone.
    `hub`: the sharer's public one."""

    name: str
    urls: tuple[str, ...]
    psk: bytes
    key: bytes
    hub: bytes

    @property
    def link(self) -> ShareLink:
        return ShareLink(self.urls, self.psk)


class _Begun(msgspec.Struct, frozen=True):
    """A share that is being taken, or was and could not be kept: by which key."""

    psk: bytes
    key: bytes


class _AcceptedFile(msgspec.Struct, frozen=True):
    version: int
    shares: tuple[AcceptedShare, ...] = ()
    begun: tuple[_Begun, ...] = ()


class AcceptedVisit:
    """One share, and how it stands. `text`: what a person should know, "" for nothing."""

    def __init__(self, entry: AcceptedShare, source: UpstreamSource) -> None:
        self.entry = entry
        self.source = source
        self.channel: SharedChannel | None = None
        self.state = "away"
        self.text = ""
        self.task: asyncio.Task[None] | None = None

    async def run(self, shown: str) -> None:
        """Come, and come back, until cancelled."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            pause: float | None = None
            try:
                await apart(self._once(shown))
            except LinkRefused as refused:
                self._say("over", str(refused))
                pause = OVER_S
            except LinkError as error:
                self._say("away", str(error))
            finally:
                self.channel = None
            if self.state != "over":
                self.state = "away"
            failures = 1 if clock() - began >= STABLE_S else failures + 1
            await asyncio.sleep(AGAIN.delay(failures) if pause is None else pause)

    async def _once(self, shown: str) -> None:
        key = KeyPair(self.entry.key)
        channel = await join(self.entry.link, key, shown, hub_key=self.entry.hub)
        self.channel = channel
        channel.changed = self._look
        try:
            async with asyncio.TaskGroup() as tasks:
                leasing = tasks.create_task(channel.keep_lease(), name="lease of a share")
                await channel.allowed()
                self._look()
                await self.source.drive(channel)
                leasing.cancel()
        except* LinkError as group:
            raise _first(group) from group
        finally:
            await channel.close()

    def _look(self) -> None:
        """The sharer's hub has said something."""
        channel = self.channel
        if channel is None or channel.share is None:
            return
        self._say(
            "allowed" if channel.share.state == "allowed" else "asked", channel.news.held or ""
        )

    def _say(self, state: str, text: str) -> None:
        text = neutralise(text, 200)
        if (state, text) != (self.state, self.text):
            log.info("the share %s: %s%s", self.entry.name, state, f", {text}" if text else "")
        self.state, self.text = state, text


class AcceptedShares:
    """All of them; kept in `path`. `shown`: what sharers see. `source` makes the source of a name,
    and `gone` takes it away. `run` must be running for devices to come."""

    def __init__(
        self,
        path: Path,
        shown: str,
        source: Callable[[str], UpstreamSource],
        gone: Callable[[UpstreamSource], None],
        write: Callable[[Path, Versioned], None] = write_state,
    ) -> None:
        """Raises ConfigError for a file that cannot be used."""
        self._path = path
        self._shown = shown
        self._source = source
        self._gone = gone
        self._write = write
        self._tasks: asyncio.TaskGroup | None = None
        try:
            file = read_state(path, _AcceptedFile, _FORMAT, _REMEDY)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        entries = () if file is None else file.shares
        self._visits = {entry.name: AcceptedVisit(entry, source(entry.name)) for entry in entries}
        self._begun = () if file is None else file.begun

    def __iter__(self) -> Iterator[AcceptedVisit]:
        return iter(tuple(self._visits.values()))

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for visit in self:
                    self._begin(visit)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    def _begin(self, visit: AcceptedVisit) -> None:
        if self._tasks is not None:
            name = f"accepted share {visit.entry.name}"
            visit.task = self._tasks.create_task(visit.run(self._shown), name=name)

    async def accept(self, text: str, name: str | None) -> AcceptedVisit:
        """Take the share of the link `text`, once and for good; its devices follow. Raises
        ConfigError for what is no share link, LinkError for what keeps both apart."""
        try:
            link = ShareLink.parse(text)
        except ShareLinkError as error:
            raise ConfigError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        self._check(link, name)
        key = self._key_for(link)
        async with asyncio.timeout(ACCEPT_S):
            hub, owner = await self._introduce(link, key)
        self._check(link, name)
        entry = AcceptedShare(
            name or self._free(owner), link.urls, link.psk, key.private_bytes(), hub
        )
        begun = self._begun
        self._begun = tuple(each for each in begun if each.psk != link.psk)
        try:
            self._save((*(visit.entry for visit in self), entry))
        except ConfigError:
            self._begun = begun
            raise
        visit = self._visits[entry.name] = AcceptedVisit(entry, self._source(entry.name))
        self._begin(visit)
        return visit

    def _key_for(self, link: ShareLink) -> KeyPair:
        """The key to take this share with, on the disk before anybody hears of it: what comes
        later may fail, and whoever takes the same link again then is the same guest."""
        begun = next((each for each in self._begun if each.psk == link.psk), None)
        if begun is not None:
            return KeyPair(begun.key)
        key = KeyPair.generate()
        was = self._begun
        self._begun = (*was, _Begun(link.psk, key.private_bytes()))[-ACCEPTED_MOST:]
        try:
            self._save([visit.entry for visit in self])
        except ConfigError:
            self._begun = was
            raise
        return key

    async def _introduce(self, link: ShareLink, key: KeyPair) -> tuple[bytes, str]:
        """Bind the share to `key`; returns the hub's key, and what it is called."""
        channel = await join(link, key, self._shown)
        said = asyncio.Event()
        channel.changed = said.set
        hearing = asyncio.ensure_future(channel.allowed())
        saying = asyncio.ensure_future(said.wait())
        try:
            await asyncio.wait([hearing, saying], return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
        finally:
            hearing.cancel()
            saying.cancel()
            await asyncio.wait([hearing, saying])
            await channel.close()
        if channel.share is None:
            raise LinkViolation("the other hub did not say what it shares")
        return channel.hub_key, neutralise(channel.share.owner, NAME_CHARS) or "a share"

    def _check(self, link: ShareLink, name: str | None) -> None:
        for visit in self:
            if visit.entry.psk == link.psk:
                raise ConfigError(f"This share is here already, as {quoted(visit.entry.name)}.")
        if name in self._visits:
            raise ConfigError(f"There is a share called {quoted(name)} already: give another name.")
        if len(self._visits) >= ACCEPTED_MOST:
            raise ConfigError(f"A hub accepts {ACCEPTED_MOST} shares at most: end one first.")

    def _free(self, owner: str) -> str:
        if owner not in self._visits:
            return owner
        return next(
            name
            for n in range(2, ACCEPTED_MOST + 3)
            if (name := f"{owner} {n}") not in self._visits
        )

    def end(self, name: str) -> bool:
        """Leave a share: its devices go, and stop. Returns whether there was one of that name."""
        visit = self._visits.get(name)
        if visit is None:
            return False
        self._save([other.entry for other in self if other is not visit])
        del self._visits[name]
        if visit.task is not None:
            visit.task.cancel()
        self._gone(visit.source)
        return True

    def _save(self, entries: Iterable[AcceptedShare]) -> None:
        try:
            self._write(self._path, _AcceptedFile(_FORMAT, tuple(entries), self._begun))
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}.") from error


def _first(group: BaseExceptionGroup[LinkError]) -> LinkError:
    """A word that it is over says more than the end of the channel behind it."""
    errors: list[LinkError] = []

    def walk(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                walk(each)
        elif isinstance(error, LinkError):
            errors.append(error)

    walk(group)
    return next((error for error in errors if isinstance(error, LinkRefused)), errors[0])
