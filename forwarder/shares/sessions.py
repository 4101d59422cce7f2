"""`SharedSessions`: the guests that are here, and what ends, limits and allows them at once.

Whatever happens to a share is looked up anew, synchronously, when the book says that something has
changed; what time changes (an expiry, a pause) five times a second. docs/sharing.md has the states.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from forwarder.access.grants import TokenGrant
from forwarder.access.shares import ShareBook, Standing, TakenShare
from forwarder.buttplug.messages import OutputType
from forwarder.clients.bounds import LEASE_S
from forwarder.clients.driver import ClientDriver, ClientOptions
from forwarder.clients.page_lease import PageLease
from forwarder.errors import DeviceError
from forwarder.hub.device import Device
from forwarder.hub.hub import Hub
from forwarder.shares.bounds import BYE_S, LOOK_S
from forwarder.shares.channel import GuestChannel
from forwarder.shares.words import GuestLeaseWord, GuestRest, Said, ShareEnd, ShareNews, ShareWord
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkError, LinkViolation
from relay.link.tasks.groups import ConnectionTasks, first_error

log = logging.getLogger(__name__)

# How a guest stands now, and what it may do; None if nothing any more.
StandingNow = Callable[[], tuple[Standing, TokenGrant | None]]

_ELSEWHERE: Final = "elsewhere"
_ENDS: Final = {
    Standing.ENDED: "This share has ended.",
    Standing.RENEWED: "This share has another link now; ask for it.",
    Standing.EXPIRED: "The time of this share is over.",
    Standing.REFUSED: "Your part in this share was ended, or not allowed.",
}
_SILENT: Final = "Stopped: this page was not heard for a moment."
_SLOW: Final = "Stopped: what this page says takes too long to arrive."


class LiveGrant:
    """What a guest may do at this moment; implements forwarder.hub.client.Grant."""

    def __init__(self, grant: TokenGrant, lease: PageLease, clock: Callable[[], float]) -> None:
        self.grant = grant
        self.ended = False
        self._lease = lease
        self._clock = clock

    @property
    def name(self) -> str:
        return self.grant.name

    @property
    def refusal(self) -> str | None:
        if self.ended:
            return "This share has ended."
        if self._lease.holds(self._clock()):
            return None
        return _SLOW if self._lease.slow else _SILENT

    def sees(self, device: Device) -> bool:
        return self.grant.sees(device)

    def allows(self, device: Device, kind: OutputType) -> bool:
        return self.grant.allows(device, kind)

    def ceiling(self, device: Device, kind: OutputType) -> float:
        return self.grant.ceiling(device, kind)


class GuestDriver(ClientDriver):
    """A guest as a client of the hub: called as who it is for, whatever its page says."""

    kind = "guest"

    @property
    def name(self) -> str:
        assert self.grant is not None
        return self.grant.name


class _GuestSession:
    """One guest that is here. Implements channel.Listener."""

    def __init__(
        self, house: SharedSessions, secure: Channel, standing: StandingNow, grant: TokenGrant
    ) -> None:
        self.channel = GuestChannel(secure, self)
        self.driver: GuestDriver | None = None
        self.end: ShareEnd | None = None
        self._house = house
        self._standing = standing
        self._loop = asyncio.get_running_loop()
        self._lease = PageLease()
        self._timer: asyncio.TimerHandle | None = None
        self._until: asyncio.Timeout | None = None
        self.allowed = False
        self.grant = LiveGrant(grant, self._lease, self._loop.time)

    # --- words ----------------------------------------------------------------------------------

    @property
    def may_speak(self) -> bool:
        return self.allowed and self.end is None

    def heard(self, word: Said) -> None:
        now = self._loop.time()
        match word:
            case GuestLeaseWord():
                self._lease.renew(word.at, now, word.heard)
                if self._lease.hopeless(now):
                    raise LinkViolation("the words of a guest come too late")
                if self._timer is None and self._lease.holds(now):
                    self._timer = self._loop.call_at(self._lease.ends, self._lapse)
            case GuestRest():
                self._lease.rest()
                self._stop()

    def _lapse(self) -> None:
        self._timer = None
        if self._lease.holds(self._loop.time()):
            self._timer = self._loop.call_at(self._lease.ends, self._lapse)
        elif self._stop() and self.driver is not None:
            log.warning("%s was not heard for %g s: stopped", self.driver.name, LEASE_S)
            self.driver.trouble(DeviceError(_SILENT))

    def _stop(self) -> bool:
        """Stop what it drives; whether there was anything."""
        return self.driver is not None and bool(self._house.hub.stop_driven(self.driver))

    # --- what changes ---------------------------------------------------------------------------

    def look(self) -> None:
        """Follow the share. Synchronous: what is taken away is stopped when this returns."""
        if self.end is not None:
            return
        standing, grant = self._standing()
        if grant is None:
            self.finish(standing, _ENDS[standing])
            return
        self.allowed = standing is Standing.ALLOWED
        if grant != self.grant.grant:
            narrower = self.grant.grant
            self.grant.grant = grant
            if (narrower.level, narrower.devices, narrower.outputs) != (
                grant.level, grant.devices, grant.outputs
            ):  # fmt: skip
                self._stop()
                if self.driver is not None:
                    self.driver.devices_changed()

    def finish(self, reason: str, text: str) -> None:
        """ShareEnd it; what it drives is on its way to a stop when this returns."""
        if self.end is not None:
            return
        self.end = ShareEnd(reason, text)
        self.grant.ended = True
        self._lease.rest()
        if self.driver is not None:
            self._house.hub.leave(self.driver)
        if self._until is not None:
            self._until.reschedule(0)

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until either end closes, or the share says so."""
        try:
            await self._served()
        except TimeoutError:
            if self.end is None:
                raise
        finally:
            self._until = None  # over: an end from now on has nothing to cut short
            if self._timer is not None:
                self._timer.cancel()
            self._lease.rest()
            if self.driver is not None:
                # Synchronous, and before anything that could take long.
                self._house.hub.leave(self.driver)
        await self._goodbye()

    async def _served(self) -> None:
        async with asyncio.timeout(None) as self._until:
            if self.end is not None:
                self._until.reschedule(0)
            try:
                async with ConnectionTasks() as tasks:
                    telling = tasks.create_task(self._tell(), name="guest news")
                    try:
                        await self._drive()
                    finally:
                        telling.cancel()
            except* ChannelClosed:
                pass  # the usual end: the page was closed
            except* LinkError as group:
                log.warning("%s: %s", self.channel.peer, first_error(group))

    async def _drive(self) -> None:
        # While somebody is asked there is nothing to hear but leases.
        first = await self.channel.receive()
        assert isinstance(first, str)
        self.channel.push_back(first)
        self.driver = GuestDriver(self.channel, self._house.hub, self._house.options, self.grant)
        await self.driver.run()

    async def _tell(self) -> None:
        share: ShareWord | None = None
        expires: float | None = None
        news = ShareNews()
        while True:
            self.look()
            if self.end is not None:
                return
            now_share, now_expires = self._share(), self.grant.grant.expires
            # Time passes by itself: the page counts it.
            if share is None or (now_share.state, now_share.percent, now_expires) != (
                share.state, share.percent, expires
            ):  # fmt: skip
                share, expires = now_share, now_expires
                await self.channel.say(share)
            if (now_news := self._news()) != news:
                news = now_news
                await self.channel.say(news)
            await asyncio.sleep(LOOK_S)

    def _share(self) -> ShareWord:
        grant = self.grant.grant
        left = None if grant.expires is None else max(0.0, grant.expires - self._house.wall())
        return ShareWord(
            owner=self._house.owner,
            name=grant.name,
            state=Standing.ALLOWED if self.allowed else Standing.ASKED,
            percent=round(100 * grant.level, 1),
            left_s=left,
        )

    def _news(self) -> ShareNews:
        hub = self._house.hub
        names = (self.grant.name, None if self.driver is None else self.driver.name)
        return ShareNews(
            held=hub.hold.refusal(*names) if hub.hold.refuses_anybody else None,
            devices={
                str(index): why
                for index, device in sorted(hub.devices.items())
                if self.allowed and self.grant.sees(device)
                if (why := self._house.why(device)) is not None
            },
        )

    async def _goodbye(self) -> None:
        try:
            async with asyncio.timeout(BYE_S):
                if self.end is not None:
                    await self.channel.say(self.end)
                await self.channel.close()
        except (TimeoutError, LinkError):
            pass  # it is gone, or does not read; what it drove is stopped


class SharedSessions:
    """Guests of one hub. `owner`: whose devices they are, for people. `why(device)`: why it does
    not run, in words for a guest. `wall`: Unix time."""

    def __init__(
        self,
        book: ShareBook,
        hub: Hub,
        options: ClientOptions,
        *,
        owner: str,
        why: Callable[[Device], str | None] = lambda device: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.book = book
        self.hub = hub
        self.options = options
        self.owner = owner
        self.why = why
        self.wall = wall
        self._here: dict[TakenShare, _GuestSession] = {}
        book.watch(self._look)

    def staying(self) -> Iterator[tuple[TakenShare, GuestDriver | None]]:
        """Who is here and may stay, and as which client; None for one that drives nothing yet."""
        return (
            (taken, session.driver) for taken, session in self._here.items() if session.end is None
        )

    async def serve(self, secure: Channel, taken: TakenShare) -> None:
        """Serve the guest that has taken a link, until either end closes; then close `secure`."""

        def standing() -> tuple[Standing, TokenGrant | None]:
            return self.book.standing(taken, self.wall())

        # What has ended in this moment is found by the first look.
        grant = standing()[1] or TokenGrant(taken.share, level=0.0)
        session = _GuestSession(self, secure, standing, grant)
        session.look()
        before = self._here.get(taken)
        if before is not None:
            before.finish(_ELSEWHERE, "This share is open in another tab.")
        self._here[taken] = session
        log.info("guest %d of the share %s is here", taken.number, taken.share)
        try:
            await session.run()
        finally:
            if self._here.get(taken) is session:
                del self._here[taken]

    async def serve_token(self, channel: Channel, grant: TokenGrant) -> None:
        """Serve who came with a token instead of a link, as one guest more, until either end
        closes; then close `channel`. Whoever calls this ends it when the token does."""
        session = _GuestSession(self, channel, lambda: (Standing.ALLOWED, grant), grant)
        session.look()
        log.info("a guest with the token %s is here", grant.name)
        await session.run()

    def _look(self) -> None:
        for session in tuple(self._here.values()):
            session.look()
