"""Where a hub says that it can be found: to this network, and to the relays that it knows."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence

from forwarder.api.services import ApiPlaces
from forwarder.config import Config
from forwarder.connectors.direct import DirectPaths
from forwarder.connectors.host_addresses import addresses, places, whereabouts
from forwarder.connectors.mdns import Announcement, announce, buttplug_server, relay_port
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.whereabouts import Whereabouts
from relay.link.messages import Places


class Announcing:
    """Tells relays that are here of each change (`told`), and this network what it may know.

    `ports`: what this hub has taken, read each time. `key`: its public one, by which relays that
    have paired recognise it.
    """

    def __init__(
        self,
        config: Config,
        ports: ApiPlaces,
        key: bytes,
        told: Whereabouts,
        meetings: Sequence[MeetingPoint],
        direct: DirectPaths | None,
    ) -> None:
        self._config = config
        self._ports = ports
        self._key = key
        self._told = told
        self._meetings = meetings
        self._direct = direct

    def work(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """What goes on as long as the hub does."""
        yield "whereabouts", self._tell()
        if self._config.mdns or (self._config.link.lan and self._config.link.beacon):
            yield "mDNS", announce(self.announcements)

    def announcements(self) -> list[Announcement]:
        """What this network is told: apps if that is wanted, and relays that have paired."""
        apps = buttplug_server(self._ports.client_port, tls=self._config.clients.secure)
        relays = relay_port(self._ports.link_port, self._key)
        return [apps, relays] if self._config.mdns else [relays]

    def places(self) -> Places:
        """Where relays find this hub. Own addresses are only told if others may come by them."""
        link, ports = self._config.link, self._ports
        hosts = places(addresses(), link.names, lan=True) if link.lan else ()
        direct = None if self._direct is None else self._direct.place(away=True)
        return whereabouts(
            hosts,
            ports.link_port,
            ports.https_port,
            [point.url for point in self._meetings],
            () if direct is None else (direct.url,),
        )

    async def _tell(self) -> None:
        if self._direct is not None:
            await self._direct.ready.wait()  # a place that is not known yet is not one that is gone
        await self._told.watch(self.places)
