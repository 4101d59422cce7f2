"""Where shares are found at meeting points: each by an id of its own, which ends with it."""

from __future__ import annotations

import logging

from forwarder.access.share_link import share_seed
from forwarder.access.shares import ShareBook
from forwarder.connectors.meeting_ids import MeetingIds, OnMeetingVisit
from forwarder.errors import ConfigError

log = logging.getLogger(__name__)


class ShareIds:
    """Keeps the ids of a hub as its shares are. `serve`: for each visitor who comes by one."""

    def __init__(
        self,
        book: ShareBook,
        ids: MeetingIds,
        serve: OnMeetingVisit,
    ) -> None:
        self._book = book
        self._ids = ids
        self._serve = serve
        self._here: set[bytes] = set()
        book.watch(self.look)
        self.look()

    def look(self) -> None:
        """Follow the shares. One that is over keeps its id: who comes is told so."""
        wanted = {share_seed(terms.psk) for _, terms in self._book}
        for seed in self._here - wanted:
            self._ids.end(seed)
        for seed in wanted - self._here:
            try:
                self._ids.add(seed, self._serve)
            except ConfigError as error:
                log.warning("a share cannot be found at meeting points: %s", error)
                wanted = wanted - {seed}
        self._here = wanted
