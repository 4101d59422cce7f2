"""What the API works on: the parts of a running hub. The composition root puts them together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forwarder.access.admission import OriginPolicy
from forwarder.access.comparing import ComparingDesk
from forwarder.access.relay_keys import HubTrust
from forwarder.access.shares import ShareBook
from forwarder.access.tokens import TokenBook
from forwarder.api.dashboard.log import LogTail
from forwarder.clients.token_sessions import TokenSessions
from forwarder.config import Config
from forwarder.connectors.direct import DirectPaths
from forwarder.connectors.meeting import MeetingPoint
from forwarder.connectors.meeting_ids import MeetingIds
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.hub.hub import Hub
from forwarder.hub.store import Store
from forwarder.metrics.meter import Meter
from forwarder.shares.accepted import AcceptedShares
from forwarder.shares.sessions import SharedSessions
from forwarder.sources.relays.source import RelaySource
from forwarder.stalls import Stalls
from forwarder.stop.hold_file import HoldFile
from forwarder.stop.person import Person
from forwarder.switches import Switches


@dataclass(slots=True)
class ApiPlaces:
    """Where the hub listens, once it does. `https_port` is None if that one could not be had.

    `home`: an address of this machine that only this hub has, where there is one: no browser has
    ever met another program at it. `fingerprint`: of the certificate at the https port; `own`: the
    hub made it, so browsers warn about it.
    """

    client_port: int = 0
    link_port: int = 0
    https_port: int | None = None
    fingerprint: str | None = None
    own: bool = True
    home: str | None = None

    @property
    def dashboard_url(self) -> str:
        return f"http://{self.home or '127.0.0.1'}:{self.link_port}"


@dataclass(slots=True, kw_only=True)
class ApiServices:
    """`user_file`: where `user` is saved. `meetings`: where relays from elsewhere come by;
    `meeting_ids`: what else this hub answers to there; `direct`: by which paths they come too.
    `switches`: what may be changed here, if whoever runs the hub starts it anew on `restart`."""

    config: Config
    hub: Hub
    relays: RelaySource
    user: UserConfig
    user_file: Path
    catalogue: Catalogue
    trust: HubTrust
    comparing: ComparingDesk
    tokens: TokenBook
    store: Store
    origins: OriginPolicy
    guests: TokenSessions
    shares: ShareBook
    shared: SharedSessions
    accepted: AcceptedShares
    person: Person
    hold_file: HoldFile
    meeting_ids: MeetingIds
    switches: Switches | None = None
    restart: Callable[[], None] = lambda: None
    meter: Meter
    stalls: Stalls
    meetings: Sequence[MeetingPoint] = ()
    direct: DirectPaths | None = None
    places: ApiPlaces = field(default_factory=ApiPlaces)
    log: LogTail = field(default_factory=LogTail)
    started: float = field(default_factory=time.monotonic)
