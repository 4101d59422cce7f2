"""Toys that are not connected: those that may be running, and that a person saw one off; those that
the person's stop holds back."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from forwarder.api.bounds import FORGET_S
from forwarder.api.documents.stop import MissingView
from forwarder.api.services import ApiServices
from forwarder.errors import ConfigError, HardwareError
from forwarder.sources.relays.owing import Owing
from relay.link.messages import ErrorCode, Forget
from relay.link.names import neutralise, quoted

log = logging.getLogger(__name__)


class _Owed(NamedTuple):
    item: Owing
    view: MissingView


class Missing:
    """Reads what relays say; what they look for is theirs."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    def views(self) -> tuple[MissingView, ...]:
        return tuple(owed.view for owed in self._owed())

    def held_back(self) -> tuple[str, ...]:
        """Names of what is not connected because the person's stop holds."""
        store, sources = self._services.store, self._services.hub.sources
        heard = [toy for source in sources for toy in source.held_back]
        if not heard:
            return ()
        known = {entry.address: entry.name for entry in store.known}
        names = (neutralise(known.get(toy.address) or toy.name) or "A toy" for toy in heard)
        return tuple(dict.fromkeys(names))

    async def forget(self, name: str) -> str:
        """A person says that the toy of this name, or index, is off; returns its name.

        Raises ConfigError if none is missing by that name, or several are; HardwareError if its
        relay cannot be told.
        """
        owed = self._named(name)
        if owed.item.told:
            await self._tell(owed)
        self._services.relays.owing.settled(owed.item.address)
        log.warning("%s is off, says the person: it is not looked for any more", owed.view.name)
        return owed.view.name

    async def _tell(self, owed: _Owed) -> None:
        relay = self._services.relays.relays.get(owed.item.key)
        if relay is None or relay.link is None:
            raise HardwareError(
                ErrorCode.GONE, f"{owed.view.relay} is away; it goes on looking when it is back."
            )
        told = relay.link.request(Forget(relay.link.next_id(), owed.item.address))
        await asyncio.wait([told], timeout=FORGET_S)
        if not told.done():
            raise HardwareError(ErrorCode.TIMEOUT, f"{owed.view.relay} did not answer in time.")
        told.result()

    def _named(self, name: str) -> _Owed:
        key = neutralise(name).casefold()
        found = [
            owed
            for owed in self._owed()
            if key in (owed.view.name.casefold(), str(owed.view.index))
        ]
        if not found:
            raise ConfigError(f"No toy that is called {quoted(name)} is missing.")
        if len(found) > 1:
            indexes = ", ".join(str(owed.view.index) for owed in found)
            raise ConfigError(f"{len(found)} of that name are missing: say the index ({indexes}).")
        return found[0]

    def _owed(self) -> list[_Owed]:
        return [_Owed(item, self._view(item)) for item in self._services.relays.owing]

    def _view(self, item: Owing) -> MissingView:
        services = self._services
        at = services.store.at(item.address)
        entry = None if at is None else services.store.of(at)
        index, name = None, item.toy
        if entry is not None:
            user = services.user.device(entry.address, entry.protocol, entry.identifier)
            index, name = entry.index, entry.name or name
            if user is not None and user.display_name:
                name = user.display_name
        return MissingView(
            name=neutralise(name) or "A toy", relay=neutralise(item.relay), index=index
        )
