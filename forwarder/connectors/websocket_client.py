"""Dials a websocket server, again and again: `WebSocketClient`."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from forwarder.access.admission import is_loopback_name
from forwarder.connectors.base import Handler, serve
from forwarder.connectors.bounds import NEAR_LIMIT_S, STABLE_S
from forwarder.errors import ConfigError
from relay.link.bounds import CHANNEL_FRAME_BYTES, HEARTBEAT_S, OPEN_S
from relay.link.channel import Channel
from relay.link.errors import LinkError, LinkRefused
from relay.link.names import neutralise, quoted
from relay.link.tasks.cancellation import apart
from relay.link.websocket import dial, shown_url

log = logging.getLogger(__name__)

TlsTrust = ssl.SSLContext | aiohttp.Fingerprint | bool
DialOnce = Callable[[], Awaitable[Channel]]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait between attempts: anything up to `first_s`, doubled each time, up to
    `limit_s`. Chosen at random ("full jitter"), so that many who lost the same server do not come
    back at once: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    first_s: float = 0.5
    limit_s: float = 30.0
    random: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        # 2 ** 16 × first_s is beyond any limit; more would only be a large number.
        return self.random() * min(self.limit_s, self.first_s * 2.0 ** min(failures, 16))


def patience(url: str) -> Backoff:
    """The pauses between attempts at a websocket address."""
    name = urlsplit(url).hostname or ""
    return Backoff(limit_s=NEAR_LIMIT_S) if is_loopback_name(name) else Backoff()


class WebSocketClient:
    """A connector that dials `url` forever, one channel at a time.

    `tls`: true verifies with the system's certificates; `forwarder.access.tls.client_tls` makes
    the rest. `token` is sent as a bearer token. `dial_once` is for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        tls: TlsTrust = True,
        backoff: Backoff | None = None,
        heartbeat_s: float | None = HEARTBEAT_S,
        max_frame_bytes: int = CHANNEL_FRAME_BYTES,
        open_s: float = OPEN_S,
        dial_once: DialOnce | None = None,
    ) -> None:
        """Raises ConfigError for a `url` that is none."""
        self.url = websocket_url(url)
        self._shown = shown_url(self.url)
        self._token = token
        self._tls = tls
        self._backoff = backoff or patience(self.url)
        self._heartbeat_s = heartbeat_s
        self._max_frame_bytes = max_frame_bytes
        self._open_s = open_s
        self._dial = dial_once or self.dial
        self._complaint = ""

    async def dial(self) -> Channel:
        """One attempt. Raises LinkError, LinkRefused where trying again soon will not help."""
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        return await dial(
            self.url,
            tls=self._tls,
            headers=headers,
            heartbeat_s=self._heartbeat_s,
            max_frame_bytes=self._max_frame_bytes,
            open_s=self._open_s,
        )

    async def run(self, handler: Handler) -> None:
        """Dial, run `handler` on the channel, wait, dial again, until cancelled."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            try:
                channel = await self._dial()
            except LinkRefused as error:
                # Somebody has to do something about it: no haste.
                failures = max(failures + 1, 8)
                self._complain(error)
            except LinkError as error:
                failures += 1
                self._complain(error)
            else:
                self._complaint = ""
                log.info("connected to %s", self._shown)
                await apart(serve(handler, channel))
                log.info("the connection to %s has ended", self._shown)
                failures = 0 if clock() - started >= STABLE_S else failures + 1
            await asyncio.sleep(self._backoff.delay(failures))

    def _complain(self, error: LinkError) -> None:
        """Log `error`; the same one only once in a row, for this goes on forever."""
        text = neutralise(str(error), 400)
        level = logging.DEBUG if text == self._complaint else logging.WARNING
        self._complaint = text
        log.log(level, "%s; trying again until it works", text)


def websocket_url(text: str) -> str:
    """Return `text` as a ws or wss address; `HOST:PORT` alone means ws. Raises ConfigError."""
    url = text if "://" in text else f"ws://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("ws", "wss") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        usable = None
    if not usable:
        raise ConfigError(f"{quoted(text)} is no address to call: write it like ws://HOST:PORT.")
    return url
