"""`WebSocketChannel`: the Channel over an aiohttp websocket of either side, and `dial`.

Text frames stay `str`, binary frames stay `bytes`. What was read ahead of `receive` is bounded by
aiohttp (512 KiB, then TCP makes the peer wait); what `send` has not got rid of by the transport's
high-water mark (64 KiB), above which `send` waits.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp

from relay.link.bounds import (
    CHANNEL_FRAME_BYTES,
    CLOSE_S,
    CONTROL_BURST,
    CONTROL_HZ,
    HEARTBEAT_S,
    MOST_UNREAD_BYTES,
    OPEN_S,
    SEND_S,
    TURN_FRAMES,
)
from relay.link.channel import Frame
from relay.link.close_codes import NO_CLOSE, NO_CODE
from relay.link.errors import ChannelClosed, LinkError, LinkRefused
from relay.link.tasks.groups import drop_frames
from relay.link.tasks.transport import TurnWrites, WriteFlow, framed, turn_of

if TYPE_CHECKING:  # a relay dials: aiohttp's servers are the hub's
    from aiohttp import web

_CONTROL = (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG)
# RFC 6455, 5.2: of a frame, and what a masked one has more; longer ones have more, of which nothing
# depends here.
_HEAD_BYTES = 2
_MASK_BYTES = 4
# RFC 6455, 5.5: a control frame holds 125 bytes, two of them are the code.
_MAX_REASON_BYTES = 123
# What a send says of a connection that is no more: aiohttp, the system, and uvloop's transports,
# which know no error of their own for it.
_LOST = (aiohttp.ClientError, OSError, RuntimeError)


class DialFailed(LinkError):
    """Nobody answered, or not with a websocket. Trying again later may help."""


class _ClientSocket(aiohttp.ClientWebSocketResponse):
    """Remembers its transport, which aiohttp shows on the server's side only."""

    def __init__(self, reader: Any, writer: Any, *args: Any, **options: Any) -> None:
        super().__init__(reader, writer, *args, **options)
        self.transport: asyncio.Transport = writer.transport


class WebSocketChannel:
    """A Channel over `ws`, which is open on `transport`. Whoever is given the channel closes it.

    `ws` leaves pings to this (autoping off). `session`, if any, is closed with it. One task may
    receive at a time.
    """

    def __init__(
        self,
        ws: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        transport: asyncio.Transport,
        *,
        peer: str,
        session: aiohttp.ClientSession | None = None,
        send_s: float = SEND_S,
    ) -> None:
        self.peer = peer
        self._ws = ws
        self.transport = transport
        self._flow = WriteFlow(transport)
        self._session = session
        self._send_s = send_s
        self._end: ChannelClosed | None = None
        self._released = False
        self._taken = 0  # frames since everybody else had a turn
        self._turn = turn_of(asyncio.get_running_loop())
        self._out = TurnWrites(transport, self._turn)
        # Only the dialing end masks what it sends.
        self._masks = isinstance(ws, aiohttp.ClientWebSocketResponse)
        self._head_bytes = _HEAD_BYTES if self._masks else _HEAD_BYTES + _MASK_BYTES
        self._control_at = -math.inf  # until when its pings have used up their budget
        self._read = 0  # bytes, as far as it matters
        self._waits = False
        # Called when somebody is about to wait for more, by whoever holds some of it back.
        self.hungry: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<WebSocketChannel {self.peer} {'open' if self._end is None else 'closed'}>"

    async def send(self, frame: Frame) -> None:
        """Queue `frame`; waits while the peer is slow, 10 s at most. Cancelled, it sends nothing.

        Raises ChannelClosed once closed, and when the peer is stuck, which closes the channel.
        """
        self._check()
        self._out.flush()
        if not self._flow.room.is_set():
            try:
                async with asyncio.timeout(self._send_s):
                    # Whoever else waited may have used up the room again.
                    while not self._flow.room.is_set():
                        await self._flow.room.wait()
            except TimeoutError:
                raise self._lost(f"the peer has not read for {self._send_s:g} s") from None
            self._check()
        try:
            if isinstance(frame, str):
                await self._ws.send_str(frame)
            else:
                await self._ws.send_bytes(frame)
        except _LOST:
            raise self._lost("the connection was lost") from None

    @property
    def ready(self) -> bool:
        return self._end is None and self._flow.room.is_set()

    def send_now(self, frame: Frame) -> bool:
        if self._end is not None or not self._flow.room.is_set():
            return False
        if self._ws.closed or self.transport.is_closing():
            return False
        try:
            self._out.write(framed(frame, random.getrandbits(32) if self._masks else None))
        except _LOST:
            self._lost("the connection was lost")
            return False
        return True

    async def receive(self) -> Frame:
        """Return the next frame. Raises ChannelClosed at the end; cancelling it loses nothing."""
        self._check()
        try:
            message = await self._next()
        except (aiohttp.ClientError, OSError):
            raise self._lost("the connection was lost") from None
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                return str(message.data)
            case aiohttp.WSMsgType.BINARY:
                return bytes(message.data)
            case aiohttp.WSMsgType.CLOSE:
                end = ChannelClosed(message.data or NO_CODE, str(message.extra or ""))
            case aiohttp.WSMsgType.ERROR if isinstance(message.data, aiohttp.WebSocketError):
                end = ChannelClosed(message.data.code, f"bad websocket data: {message.data}")
            case _ if self._end is None:
                raise self._lost("the connection was lost")
            case _:
                end = self._end  # closed by this end; what was sent before may still be leaving
        raise self._ended(end)

    async def _next(self) -> aiohttp.WSMessage:
        """The next message that is no ping. What has been read ahead comes without any waiting, so
        everybody else gets a turn now and then; before a message, that cancelling loses none."""
        while True:
            self._taken += 1
            if self._taken >= TURN_FRAMES:
                self._taken = 0
                await asyncio.sleep(0)
            before = self._flow.received
            if self.hungry is not None:
                self.hungry()
            self._waits = True
            try:
                message = await self._ws.receive()
            finally:
                self._waits = False
            if self._flow.received != before:
                self._read = before  # it was waited for: all that had come before was read
            if isinstance(message.data, str | bytes):
                self._read += self._head_bytes + len(message.data)
            self._turn.more = self._flow.received - self._read > self._head_bytes
            if message.type not in _CONTROL:
                return message
            # To one that does not read no answer is owed, and none is kept for it.
            if message.type is aiohttp.WSMsgType.PING and self._flow.room.is_set():
                await self._ws.pong(message.data)
            # Its own frames wait behind its pings; answering them must not be all that is done.
            now = asyncio.get_running_loop().time()
            self._control_at = max(self._control_at, now - CONTROL_BURST / CONTROL_HZ)
            self._control_at += 1 / CONTROL_HZ
            await asyncio.sleep(max(0.0, self._control_at - now))

    def silent_s(self) -> float:
        """For how long nothing has come from the peer, answers to pings included; 0 while it is
        this end that does not read."""
        if not self.transport.is_reading():
            return 0.0
        return asyncio.get_running_loop().time() - self._flow.heard_at

    @property
    def congested(self) -> bool:
        """Whether `send` would wait now, because the peer reads too slowly."""
        return not self._flow.room.is_set()

    @property
    def caught_up(self) -> bool:
        """Whether all that came was received, and somebody waits for more."""
        return self._waits

    async def ping(self) -> None:
        """Have the peer say something, if it can; nothing happens while it does not read."""
        if self._end is None and self._flow.room.is_set():
            with suppress(*_LOST):  # whoever receives will hear of it
                await self._ws.ping()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and end the channel, within a second even if the peer is stuck."""
        self._ended(ChannelClosed(code, reason))
        if self._released:
            return
        self._released = True
        self._out.flush()
        if self._flow.received - self._read > MOST_UNREAD_BYTES:
            # aiohttp would read all of that, and leave nobody a turn, to find the peer's goodbye.
            self.transport.abort()
        try:
            async with asyncio.timeout(CLOSE_S):
                text = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
                await self._ws.close(code=code, message=text.encode())
        except _LOST:  # a TimeoutError is an OSError
            self.transport.abort()
        finally:
            # What was sent last may still be under way; a stuck peer must not hold the socket.
            asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)
            if self._session is not None:
                await self._session.close()
            drop_frames(self._ws.exception())

    def _check(self) -> None:
        if self._end is not None:
            raise ChannelClosed(self._end.code, self._end.reason)

    def _ended(self, end: ChannelClosed) -> ChannelClosed:
        """Note how the channel ended, the first time, and return that."""
        self._end = self._end or end
        self._flow.room.set()
        return ChannelClosed(self._end.code, self._end.reason)

    def _lost(self, reason: str) -> ChannelClosed:
        """Give the connection up: whoever waits in send or receive finds it closed."""
        self.transport.abort()
        return self._ended(ChannelClosed(NO_CLOSE, reason))


async def dial(
    url: str,
    *,
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool = True,
    headers: Mapping[str, str] | None = None,
    heartbeat_s: float | None = HEARTBEAT_S,
    max_frame_bytes: int = CHANNEL_FRAME_BYTES,
    open_s: float = OPEN_S,
) -> WebSocketChannel:
    """Open a websocket to `url` (ws or wss) and return it as a channel.

    `tls` true verifies with the system's certificates. Raises LinkRefused when the other end said
    no or is not who it should be, and DialFailed for anything that may pass.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        ws_response_class=_ClientSocket,
        trace_configs=[_straight()],
    )
    try:
        async with asyncio.timeout(open_s):
            ws = await session.ws_connect(
                url,
                ssl=tls,
                headers=dict(headers or {}),
                heartbeat=heartbeat_s,
                max_msg_size=aiohttp_limit(max_frame_bytes),
                compress=0,
                autoping=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
    except BaseException as error:
        await session.close()
        if (failure := _dial_error(url, error, open_s)) is None:
            raise
        raise failure from error
    assert isinstance(ws, _ClientSocket)
    return WebSocketChannel(ws, ws.transport, peer=shown_url(url), session=session)


class _Redirected(Exception):
    """Who was dialed says to go elsewhere."""


def _straight() -> aiohttp.TraceConfig:
    """No redirect is followed, which aiohttp (3.14) would for a websocket, too: who is dialed would
    have this program ask for whatever it likes in the network here, and with our headers."""

    async def redirected(*_: object) -> None:
        raise _Redirected

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(redirected)
    return trace


def aiohttp_limit(largest: int) -> int:
    """`max_msg_size` for frames of up to `largest` bytes; aiohttp (3.14) refuses what has it."""
    return largest + 1


def shown_url(url: str) -> str:
    """`url` for logs: a token may be in the path or in the query."""
    scheme, separator, rest = url.partition("://")
    host = rest.split("/")[0].split("?")[0].rpartition("@")[2]
    return f"{scheme}{separator}{host}"


def _dial_error(url: str, error: BaseException, open_s: float) -> LinkError | None:
    where = shown_url(url)
    match error:
        case TimeoutError():
            return DialFailed(f"{where} did not answer within {open_s:g} s")
        case aiohttp.WSServerHandshakeError(status=401 | 403 as status):
            return LinkRefused(f"{where} refused this program (HTTP {status}): check the token")
        case aiohttp.WSServerHandshakeError(status=status):
            return DialFailed(f"{where} is no websocket server (HTTP {status})")
        case _Redirected():  # it may pass: so does the sign-in page of a hotel's network
            return DialFailed(f"{where} sends its visitors elsewhere; is that the right address?")
        case aiohttp.ServerFingerprintMismatch():
            return LinkRefused(f"{where} has another certificate than the one that was pinned")
        case aiohttp.ClientConnectorCertificateError():
            why = _distrust(error.certificate_error)
            return LinkRefused(f"{where}: its certificate cannot be trusted: {why}")
        case aiohttp.ClientConnectorSSLError():
            return LinkRefused(f"{where} does not speak TLS there: look at the port, or say ws://")
        case aiohttp.InvalidURL() | ValueError():
            return LinkRefused(f"{where} is not an address of the form ws://HOST:PORT")
        case aiohttp.ClientConnectorError():
            return DialFailed(f"{where} cannot be reached: {system_words(error.os_error)}")
        case OSError():
            return DialFailed(f"{where} cannot be reached: {system_words(error)}")
        case aiohttp.ClientError():
            return DialFailed(f"{where} hung up: what listens there may be no hub")
        case _:
            return None


# Words of OpenSSL's verdict (man X509_verify_cert_error_string) → ours.
_DISTRUST = {
    "mismatch": "it is for another name; correct the address",
    "expired": "it has expired, or this machine's clock is wrong",
    "not yet valid": "it is not valid yet; set this machine's clock",
    "self-signed": "nobody whom this machine trusts has signed it; give its fingerprint",
    "issuer": "nobody whom this machine trusts has signed it; give its fingerprint",
}


def _distrust(error: Exception) -> str:
    said = getattr(error, "verify_message", "")
    return next((ours for words, ours in _DISTRUST.items() if words in said), "it is damaged")


def system_words(error: OSError) -> str:
    """Why a connection could not be made, in a person's words where there are some."""
    match error:
        case socket.gaierror():
            return "there is no such host"
        case ConnectionRefusedError():
            return "nothing listens there"
        # Several addresses were tried, and aiohttp put what happened into one text.
        case _ if error.errno is None and "Connect call failed" in str(error):
            return "nothing listens there"
    return error.strerror or str(error)
