"""Relays that pair by a code which people compare on both screens: who may try, and when one is
kept. relay/link/security/compare.py makes the code.

`ComparingDesk` is sans-I/O; `now` is monotonic seconds. A dialog is open while somebody looks.

| State   | Event                                | Then                                       |
|---------|--------------------------------------|--------------------------------------------|
| CLOSED  | the person opens the dialog          | WAITING                                    |
| WAITING | a stranger tries, and may            | GREETING; the try counts                   |
| WAITING | one tries within a minute, or a 4th  | refused                                    |
| GREETING| its handshake has ended well         | SHOWN: both screens have a code            |
| GREETING| it takes too long, or has gone       | WAITING, after 10 s                        |
| SHOWN   | the relay's person says: the same    | SHOWN, half                                |
| SHOWN   | the hub's person says: the same      | SHOWN, half; both halves: to be kept       |
| SHOWN   | the relay is kept                    | JOINED                                     |
| SHOWN   | it cannot be kept                    | WAITING                                    |
| SHOWN   | either says no, goes, or 120 s pass  | WAITING                                    |
| any     | the dialog is closed, or not seen    | CLOSED; whoever tries or waits is refused  |
|         | for 5 s                              |                                            |

What the hub's person says names the try, so that it is about the code they saw. A word that comes
early, before there is a code, counts for nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from forwarder.access.bounds import (
    BETWEEN_TRIES_S,
    COMPARE_S,
    GREETING_S,
    LOOK_S,
    SEEN_S,
    TOLD_S,
    TRIES,
)
from forwarder.errors import ConfigError
from relay.link.channel import Channel
from relay.link.codec import encode
from relay.link.errors import LinkError, LinkRefused
from relay.link.messages import Bye
from relay.link.security.secure import RelayIdentity

DIFFERENT: Final = (
    "a person said that the codes differ: nothing is kept, somebody may stand between"
)
CLOSED: Final = "the dialog at the hub was closed before both persons had compared the code"
LATE: Final = "nobody compared the code in time; start again"
GONE: Final = "the relay went before both persons had compared the code"


class ComparingState(StrEnum):
    CLOSED = "closed"
    WAITING = "waiting"
    GREETING = "greeting"
    SHOWN = "shown"
    JOINED = "joined"


@dataclass(slots=True)
class ComparingTry:
    """One try. `verdict`: why the relay is not kept, for people; empty if it is."""

    number: int
    since: float
    code: str = ""
    name: str = ""
    by_relay: bool = False
    by_person: bool = False
    verdict: asyncio.Future[str] | None = field(default=None, repr=False)

    def settle(self, why: str) -> None:
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_result(why)


class ComparingDesk:
    """One dialog, one try at a time."""

    def __init__(self) -> None:
        self._state = ComparingState.CLOSED
        self._seen = 0.0
        self._tries = 0
        self._last: float | None = None
        self._count = 0
        self.attempt: ComparingTry | None = None
        self.joined = ""

    # --- the person at the hub ------------------------------------------------------------------

    def open(self, now: float) -> None:
        """The dialog is shown. One that is open stays as it is."""
        self.tick(now)
        if self._state in (ComparingState.CLOSED, ComparingState.JOINED):
            self._state, self._tries, self.joined = ComparingState.WAITING, 0, ""
        self._seen = now

    def look(self, now: float) -> ComparingState:
        """Somebody looks at the dialog, which keeps it open."""
        self.tick(now)
        if self._state is not ComparingState.CLOSED:
            self._seen = now
        return self._state

    def close(self) -> None:
        """Nobody looks any more."""
        self._end(CLOSED)
        self._state, self.joined = ComparingState.CLOSED, ""

    def same(self, number: int, now: float) -> None:
        """The person has compared the code of try `number`. Raises ConfigError if there is none."""
        attempt = self._shown(number, now)
        attempt.by_person = True
        self._settled(attempt)

    def different(self, number: int, now: float) -> None:
        """The codes differ, or the person knows nothing of it. Raises ConfigError as `same`."""
        self._shown(number, now)
        self._back(DIFFERENT)

    # --- the stranger ---------------------------------------------------------------------------

    def may_try(self, now: float) -> bool:
        """Whether a stranger may have a code shown; True counts the try, and is for one alone."""
        self.tick(now)
        if self._state is not ComparingState.WAITING or self.tries_left == 0 or self.wait_s(now):
            return False
        self._tries += 1
        self._count += 1
        self._last = now
        self._state, self.attempt = ComparingState.GREETING, ComparingTry(self._count, now)
        return True

    def shown(self, code: str, name: str, now: float) -> ComparingTry | None:
        """The handshake of the try has ended well; None if nobody waits for it any more."""
        self.tick(now)
        if self._state is not ComparingState.GREETING or self.attempt is None:
            return None
        attempt = self.attempt
        attempt.code, attempt.name, attempt.since = code, name, now
        self._state = ComparingState.SHOWN
        return attempt

    def agreed(self, attempt: ComparingTry) -> None:
        """The relay's person has said that the codes are the same."""
        if attempt is self.attempt and self._state is ComparingState.SHOWN:
            attempt.by_relay = True
            self._settled(attempt)

    def gone(self, attempt: ComparingTry, why: str) -> None:
        """The relay went, or its person said no."""
        if attempt is self.attempt:
            self._back(why)

    def kept(self, attempt: ComparingTry, name: str) -> None:
        """The relay is kept, under this name."""
        if attempt is self.attempt:
            self._state, self.joined, self.attempt = ComparingState.JOINED, name, None

    # --- what is shown --------------------------------------------------------------------------

    @property
    def state(self) -> ComparingState:
        return self._state

    @property
    def tries_left(self) -> int:
        return TRIES - self._tries

    def wait_s(self, now: float) -> float:
        """How long until the next try may begin."""
        return 0.0 if self._last is None else max(0.0, self._last + BETWEEN_TRIES_S - now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self._state is not ComparingState.CLOSED and now - self._seen > SEEN_S:
            self.close()
        attempt = self.attempt
        if attempt is None:
            return
        limit = COMPARE_S if self._state is ComparingState.SHOWN else GREETING_S
        if now - attempt.since > limit:
            self._back(LATE)

    def _shown(self, number: int, now: float) -> ComparingTry:
        self.tick(now)
        attempt = self.attempt
        if self._state is not ComparingState.SHOWN or attempt is None or attempt.number != number:
            raise ConfigError("That code is not shown any more: start again at the relay.")
        return attempt

    def _settled(self, attempt: ComparingTry) -> None:
        if attempt.by_relay and attempt.by_person:
            attempt.settle("")

    def _back(self, why: str) -> None:
        self._end(why)
        self._state = ComparingState.WAITING

    def _end(self, why: str) -> None:
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.settle(why)


class RelayKeeper(Protocol):
    """What `compared` needs of forwarder.access.relay_keys.HubTrust."""

    def adopt(self, relay_key: bytes, name: str) -> str:
        """Keep a relay; return the name it got. Raises LinkRefused."""
        ...


async def compared(
    channel: Channel, peer: RelayIdentity, desk: ComparingDesk, keeper: RelayKeeper
) -> None:
    """Serve a stranger whose code is to be compared, until it is kept, or not; then hang up.

    Raises LinkRefused with the reason if it is not, ChannelClosed if it went when it was.
    """
    loop = asyncio.get_running_loop()
    try:
        attempt = desk.shown(peer.code, peer.name, loop.time())
        if attempt is None:
            raise LinkRefused(CLOSED)
        attempt.verdict = loop.create_future()
        try:
            async with asyncio.TaskGroup() as tasks:
                hearing = tasks.create_task(_hear(channel, desk, attempt))
                while not attempt.verdict.done():
                    desk.tick(loop.time())
                    await asyncio.wait({attempt.verdict}, timeout=LOOK_S)
                hearing.cancel()
            if why := attempt.verdict.result():
                raise LinkRefused(why)
            # Not before it is on the disk does anybody read that it has joined.
            desk.kept(attempt, keeper.adopt(peer.key, peer.name))
        finally:
            # Whatever ended this, nobody waits for this code any more.
            desk.gone(attempt, GONE)
        await channel.send(b"")
    except LinkRefused as refused:
        await _told(channel, str(refused))
        raise
    finally:
        await channel.close()


async def _hear(channel: Channel, desk: ComparingDesk, attempt: ComparingTry) -> None:
    """The relay's person says the same once, and nothing else; then the relay waits."""
    try:
        if await channel.receive() != b"":
            desk.gone(attempt, DIFFERENT)
            return
        desk.agreed(attempt)
        await channel.receive()
        desk.gone(attempt, GONE)
    except LinkError:
        desk.gone(attempt, GONE)


async def _told(channel: Channel, why: str) -> None:
    try:
        async with asyncio.timeout(TOLD_S):
            await channel.send(encode(Bye(why, retry=False)))
    except (LinkError, TimeoutError):
        pass  # it has gone, and knows no less than before
