"""The guest's end of a share, for programs: `join` dials a share link, `SharedChannel` carries it.

link = ShareLink.parse(text)
channel = await join(link, key, "Kim's hub")
async with asyncio.TaskGroup() as tasks:
    tasks.create_task(channel.keep_lease())
    await channel.allowed()
    ...  # Buttplug frames by channel.send and channel.receive, as over any Channel
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from forwarder.access.share_link import ShareLink
from forwarder.shares.bounds import RENEW_S
from forwarder.shares.words import (
    GuestLeaseWord,
    GuestRest,
    Said,
    ShareEnd,
    ShareNews,
    ShareWord,
    Told,
    Unpacker,
    WordRate,
    packed,
)
from relay.hub_link.hubs import dial_place
from relay.link.channel import Channel, Frame
from relay.link.close_codes import NORMAL_CLOSURE, POLICY_VIOLATION
from relay.link.errors import ChannelClosed, LinkRefused, LinkViolation
from relay.link.reach import DialChannel, reach
from relay.link.security.handshake import HandshakeRefused, RefusalCode
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_relay

_TEXTS: Final = {
    RefusalCode.CODE_SPENT: "this share has ended, or has another link now; ask for a new one",
    RefusalCode.WRONG_CODE: "the hub knows no such share: it has ended, or the link is not whole",
    RefusalCode.WRONG_HUB: "another hub answers there than the one that made this link",
    RefusalCode.BUSY: "the hub has too many connections just now; try again in a minute",
    RefusalCode.VERSION: "both ends are of different versions; update the older one",
}


class ShareIsOver(LinkRefused):
    """The share is over, for this guest; the text says why. `reason`: as in words.End."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class SharedChannel:
    """A Channel of Buttplug frames over `secure`. `share` is what the hub said last of it, `news`
    what it said of devices; `changed` is called after each. `hub_key`: whose share it is."""

    def __init__(
        self, secure: Channel, hub_key: bytes, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.peer = secure.peer
        self.hub_key = hub_key
        self.share: ShareWord | None = None
        self.news = ShareNews()
        self.changed = changed
        self._secure = secure
        self._unpacker = Unpacker(guest=True)
        self._words = WordRate()
        self._heard: float | None = None  # the newest of our leases that was answered
        self._turn = asyncio.Lock()

    async def allowed(self) -> None:
        """Wait until this guest may drive: the sharer may be asked first, and nothing but a lease
        may be said before. Raises as `receive`. Cancelled, it loses nothing."""
        while self.share is None or self.share.state != "allowed":
            if isinstance(await self._next(), str):
                raise LinkViolation("the hub spoke before this guest was allowed")

    async def send(self, frame: Frame) -> None:
        """Send a Buttplug frame, once `allowed` has returned."""
        await self._say(frame if isinstance(frame, str) else frame.decode())

    @property
    def ready(self) -> bool:
        return not self._turn.locked() and self._secure.ready

    def send_now(self, frame: Frame) -> bool:
        if not self.ready:
            return False
        parts = tuple(packed(frame if isinstance(frame, str) else frame.decode()))
        return len(parts) == 1 and self._secure.send_now(parts[0])

    async def receive(self) -> Frame:
        """The next Buttplug frame. Raises ShareIsOver when the hub says that it is over, and what
        channels raise."""
        while not isinstance(told := await self._next(), str):
            pass
        return told

    async def _next(self) -> str | Said | Told | None:
        plaintext = await self._secure.receive()
        assert isinstance(plaintext, bytes)
        told = self._unpacker.take(plaintext)
        if told is not None and not isinstance(told, str):
            self._words.count(asyncio.get_running_loop().time())
            self._hear(told)
        return told

    def _hear(self, word: Said | Told) -> None:
        match word:
            case ShareWord():
                self.share = word
                self.changed()
            case ShareNews():
                self.news = word
                self.changed()
            case ShareEnd():
                raise ShareIsOver(word.reason, word.text)
            case GuestLeaseWord():
                self._heard = word.at

    async def keep_lease(self) -> None:
        """Say every 0.3 s that this end is alive, until cancelled or closed: without it the hub
        stops what this end drives, after 0.9 s; also if nobody receives what the hub answers.
        Raises ChannelClosed."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._say(GuestLeaseWord(at=clock() * 1000, heard=self._heard))
            await asyncio.sleep(RENEW_S)

    async def rest(self) -> None:
        """Have the hub stop what this end drives."""
        await self._say(GuestRest())

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self._secure.close(code)

    async def _say(self, frame: str | Said) -> None:
        async with self._turn:
            for plaintext in packed(frame):
                await self._secure.send(plaintext)


async def join(
    link: ShareLink,
    key: KeyPair,
    name: str,
    *,
    hub_key: bytes | None = None,
    dial: DialChannel = dial_place,
) -> SharedChannel:
    """Take a share with `key`, or come back with it, by the first of its places that works. `name`
    is what the sharer sees. `hub_key`: of the hub, once it is known; another one is refused.

    Raises LinkRefused if there is no use in trying again, LinkError for what may pass.
    """

    async def meet(channel: Channel) -> SharedChannel:
        return await greet(channel, link, key, name, hub_key=hub_key)

    try:
        channel, _ = await reach(link.urls, dial, meet)
    except HandshakeRefused as refused:
        if refused.refusal is RefusalCode.BUSY:
            raise ChannelClosed(POLICY_VIOLATION, str(refused)) from refused
        raise
    return channel


async def greet(
    channel: Channel, link: ShareLink, key: KeyPair, name: str, *, hub_key: bytes | None = None
) -> SharedChannel:
    """The handshake of `join`, over a channel that leads to the hub. Closes it on failure."""
    try:
        secure, hub = await secure_as_relay(channel, key, secret=link.psk, name=name)
    except HandshakeRefused as refused:
        if refused.refusal is None:
            raise
        raise HandshakeRefused(
            refused.refusal, _TEXTS[refused.refusal], certain=refused.certain
        ) from refused
    if hub_key is not None and hub.key != hub_key:
        await secure.close(POLICY_VIOLATION)
        raise HandshakeRefused(RefusalCode.WRONG_HUB, _TEXTS[RefusalCode.WRONG_HUB], certain=True)
    return SharedChannel(secure, hub.key)
