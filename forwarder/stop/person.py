"""What the person at the hub can do at any time: stop, pause, resume; mute, unmute, end an app.

Decides synchronously: when a call returns, the state holds and the stops are on their way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from forwarder.devices.driver import Outcome
from forwarder.errors import ConfigError, HeldByPerson
from forwarder.hub.hub import Hub, HubClient
from forwarder.stop.hold import Wish
from relay.link.names import neutralise, quoted

log = logging.getLogger(__name__)


class StopUnderWay(NamedTuple):
    """A stop on its way. `name`: of the device, as people know it."""

    name: str
    outcome: Outcome


class Person:
    """The switches of one hub. `changed` is told after each change, to have it kept."""

    def __init__(
        self,
        hub: Hub,
        changed: Callable[[], None] = lambda: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._hold = hub.hold
        self._changed = changed
        self._wall = wall

    def stop(self, by: str) -> list[StopUnderWay]:
        """Stop everything, and hold it until `resume`. Pressed again, it stops again."""
        return self._halt(Wish.STOP, by)

    def pause(self, by: str) -> list[StopUnderWay]:
        """The same in a calmer word; a stop stays a stop."""
        return self._halt(Wish.PAUSE, by)

    def _halt(self, wish: Wish, by: str) -> list[StopUnderWay]:
        news = self._hold.wish(wish, by, self._wall())
        devices = tuple(self._hub.devices.values())
        driving = {client for device in devices for client in self._hub.owners(device).values()}
        stops = [StopUnderWay(device.shown_name, self._hub.halt(device)) for device in devices]
        if news:
            log.warning("everything was %s by %s", self._hold.state.mode, self._hold.state.by)
            self._changed()
            self._hub.hold_changed()
        self._tell(driving)
        return stops

    def resume(self, by: str) -> None:
        """Apps may drive again, except those that are muted, and toys that were not connected
        meanwhile are. Nothing starts by itself."""
        if self._hold.wish(Wish.RESUME, by, self._wall()):
            log.warning("resumed by %s", neutralise(by))
            self._changed()
            self._hub.hold_changed()

    def mute(self, name: str, by: str) -> list[Outcome]:
        """Apps of this name, or with a token of this name, drive nothing from now on, also after
        they come back; what they drive is stopped. Raises ConfigError."""
        muted = self._hold.mute(name, by, self._wall())
        named = self._named(name)
        outcomes = [outcome for client in named for outcome in self._hub.stop_driven(client)]
        log.warning("%s was muted by %s", muted.name, muted.by)
        self._changed()
        self._tell(named)
        return outcomes

    def unmute(self, name: str, by: str) -> str:
        """Returns its name as it was muted. Raises ConfigError if it is not muted."""
        muted = self._hold.unmute(name)
        log.warning("%s was unmuted by %s", muted.name, neutralise(by))
        self._changed()
        return muted.name

    def disconnect(self, name: str, by: str) -> int:
        """End the connections of apps of this name, or with a token of this name; what they drive
        is stopped. They may come back. Returns how many. Raises ConfigError if there is none."""
        named = self._named(name)
        if not named:
            raise ConfigError(f"No app that is called {quoted(name)} is connected.")
        log.warning("%s was disconnected by %s", neutralise(name), neutralise(by))
        for client in named:
            client.dismiss("the person at the hub ended this connection")
        return len(named)

    def _named(self, name: str) -> list[HubClient]:
        key = neutralise(name).casefold()
        found = []
        for client in self._hub.clients:
            names = [client.name] if client.grant is None else [client.name, client.grant.name]
            if key in (neutralise(one).casefold() for one in names):
                found.append(client)
        return found

    def _tell(self, clients: Iterable[HubClient]) -> None:
        """Also a client that does not try again sees why nothing moves."""
        for client in clients:
            token = None if client.grant is None else client.grant.name
            refusal = self._hold.refusal(client.name, token)
            if refusal is not None:
                client.trouble(HeldByPerson(refusal))
