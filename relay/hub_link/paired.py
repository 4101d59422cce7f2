"""`PairedHub`: the hub that a relay has paired with, wherever it is to be found today."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from msgspec.structs import replace

from relay.hub_link.looking import LookForHub, look
from relay.link.direct.place import is_direct_url
from relay.link.errors import LinkError
from relay.link.files.keys import PrivateFileError
from relay.link.messages import Places
from relay.link.reach import DialChannel, connect
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.security.meeting import is_visit_url
from relay.link.security.noise import KeyPair
from relay.link.security.pairing import KnownHub, load_hub, moved_hub, save_hub
from relay.link.security.secure import SecureChannel

log = logging.getLogger(__name__)


class PairedHub:
    """Dials `hub`, and keeps in `path` where it is to be found, by its own word.

    `path` None: nothing is kept, for a person has said where it is.
    """

    def __init__(
        self,
        hub: KnownHub,
        key: KeyPair,
        path: Path | None,
        dial: DialChannel,
        look: LookForHub = look,
    ) -> None:
        self.hub = hub
        self._key = key
        self._path = path
        self._dial = dial
        self._look = look
        self._reached: str | None = None
        self._changed = asyncio.Event()

    async def connect(self) -> SecureChannel:
        """A channel to the hub. Where it is at no place that is known, the local network is asked.
        Raises LinkError."""
        try:
            channel, self._reached = await connect(self.hub, self._key, self._dial)
        except LinkError as error:
            # It was there and said no; or it never had a place in a local network.
            if _its_own(error) or not any(map(_at_home, self.hub.urls)):
                raise
            found = [url for url in await self._look(self.hub.key) if url not in self.hub.urls]
            if not found or self._path is None:
                raise
            there = replace(self.hub, urls=tuple(found[:8]))
            channel, self._reached = await connect(there, self._key, self._dial)
            log.info("the hub has moved: it was found at %s", self._reached)
            urls = self.hub.urls
            meetings, direct = filter(is_visit_url, urls), filter(is_direct_url, urls)
            self._move(Places(meetings=tuple(meetings), direct=tuple(direct)[:2]))
        return channel

    def told(self, places: Places) -> None:
        """The hub says where it is to be found from now on."""
        if self._path is not None:
            self._move(places)

    def _move(self, places: Places) -> None:
        moved = moved_hub(self.hub, places.own, places.meetings, self._reached, places.direct)
        if moved != self.hub:
            self.hub = moved
            self._changed.set()

    async def keep(self) -> None:
        """Write down what has changed, off the loop, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            assert self._path is not None
            try:
                await asyncio.to_thread(_save, self._path, self.hub)
            except (OSError, PrivateFileError) as error:
                log.warning("where the hub is now could not be kept: %s", error)


def _its_own(error: LinkError) -> bool:
    """Whether this is the word of the hub itself, not of whoever has its old address. One that is
    busy is taken for it: a whole house comes home at once, and must not look all the time."""
    if not isinstance(error, HandshakeRefused):
        return False
    return error.certain or error.refusal is RefusalCode.BUSY


def _at_home(url: str) -> bool:
    return not is_visit_url(url) and not is_direct_url(url)


def _save(path: Path, hub: KnownHub) -> None:
    kept = load_hub(path)
    if kept is not None and kept.key == hub.key:  # else somebody has paired anew, or unpaired
        save_hub(path, hub)
