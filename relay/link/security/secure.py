"""`SecureChannel`: a channel inside a channel, encrypted and authenticated at both ends.

What is decided about frames is in handshake.py and transport.py; here are the waiting, the
deadlines and the closing. A channel given to these functions is theirs: they close it on failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from relay.link.bounds import HANDSHAKE_S, REFUSAL_S, SECURE_CLOSE_S
from relay.link.channel import Channel, Frame
from relay.link.close_codes import POLICY_VIOLATION
from relay.link.errors import ChannelClosed, LinkViolation
from relay.link.security.compare import COMPARE_HEAD, HubComparison, RelayComparison
from relay.link.security.handshake import (
    FinishedHandshake,
    HandshakeMode,
    HandshakeRefused,
    HandshakeStep,
    HubHandshake,
    RefusalCode,
    RelayHandshake,
    Trust,
)
from relay.link.security.noise import KeyPair
from relay.link.security.transport import MAX_PLAINTEXT_BYTES, Transport


class Door(Protocol):
    """Who may start a handshake: limits before anybody is authenticated."""

    def enter(self, address: str, now: float) -> bool:
        """Count a peer in; False if there are too many. Each True needs one `leave`."""
        ...

    def leave(self, address: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RelayIdentity:
    """Who is at the other end of a link. `new`: it has just been paired. `code`: it is nobody that
    this hub knows, and wants this code compared; it may do nothing else."""

    key: bytes
    name: str
    new: bool
    code: str = ""


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """The hub as a relay keeps it after pairing. `name` is empty for one that was known. `code`:
    what people have to compare before it is kept."""

    key: bytes
    name: str
    code: str = ""


class SecureChannel:
    """A Channel that carries binary frames of up to 65,519 bytes through another Channel.

    Anything but the peer's next frame raises LinkViolation and closes both. Frames leave in the
    order in which `send` was called; a send that is cancelled while the peer is slow may or may
    not have left, so the channel refuses to send after it.
    """

    def __init__(self, channel: Channel, transport: Transport, session: bytes, peer: str) -> None:
        self._channel = channel
        self._transport = transport
        self._turn = asyncio.Lock()  # first come, first served
        self._broken: ChannelClosed | None = None
        self._violated = False
        self.session = session
        self.peer = peer

    async def send(self, frame: Frame) -> None:
        plain = _binary(frame)
        async with self._turn:
            if self._broken is not None:
                raise ChannelClosed(self._broken.code, self._broken.reason)
            try:
                await self._channel.send(self._transport.seal(plain))
            except BaseException:
                self._not_sent()
                raise

    @property
    def ready(self) -> bool:
        return self._broken is None and not self._turn.locked() and self._channel.ready

    def send_now(self, frame: Frame) -> bool:
        plain = _binary(frame)
        if not self.ready:
            return False
        if not self._channel.send_now(self._transport.seal(plain)):
            self._not_sent()
            return False
        return True

    def _not_sent(self) -> None:
        # The number of a sealed frame is used up: if it did not leave, none after it may.
        self._break(1011, "an earlier frame was not sent to its end")

    async def receive(self) -> Frame:
        frame = await self._channel.receive()
        if self._violated:
            raise ChannelClosed(POLICY_VIOLATION, "the other end broke the rules of the link")
        try:
            if isinstance(frame, str):
                raise LinkViolation("a text frame came over an encrypted link")
            return self._transport.open(frame)
        except LinkViolation:
            self._violated = True
            self._break(POLICY_VIOLATION, "the other end broke the rules of the link")
            await _end(self._channel)
            raise

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._break(code, reason)
        await self._channel.close(code, reason)

    def _break(self, code: int, reason: str) -> None:
        if self._broken is None:
            self._broken = ChannelClosed(code, reason)


def _binary(frame: Frame) -> bytes:
    if isinstance(frame, str):
        raise TypeError("a secure channel carries binary frames only")
    if len(frame) > MAX_PLAINTEXT_BYTES:
        raise ValueError(f"{len(frame)} bytes, a frame holds {MAX_PLAINTEXT_BYTES}")
    return frame


async def secure_as_relay(
    channel: Channel,
    key: KeyPair,
    *,
    hub_key: bytes | None = None,
    secret: bytes | None = None,
    name: str = "",
) -> tuple[SecureChannel, HubIdentity]:
    """Greet the hub: as a relay it knows (`hub_key`), or to pair (`secret`, own `name`).

    Returns the channel and the hub; the caller of a pairing stores the hub. Raises Refused with
    the reason, LinkViolation for a peer that is no hub, ChannelClosed when it goes or is silent.
    """
    handshake = RelayHandshake(key, hub_key=hub_key, secret=secret, name=name)
    return await _as_relay(channel, handshake)


async def compare_as_relay(
    channel: Channel, key: KeyPair, name: str
) -> tuple[SecureChannel, HubIdentity]:
    """Greet a hub that is not known yet, to have people compare the code that is returned.

    Nothing may be kept of the hub before they have, and the hub has said that it keeps the relay:
    with an empty frame, after an empty frame of the relay. Raises as `secure_as_relay`.
    """
    return await _as_relay(channel, RelayComparison(key, name))


async def _as_relay(
    channel: Channel, handshake: RelayHandshake | RelayComparison
) -> tuple[SecureChannel, HubIdentity]:
    async def run() -> FinishedHandshake:
        await channel.send(handshake.start())
        while True:
            step = handshake.receive(await channel.receive())
            if step.frame is not None:
                await channel.send(step.frame)
            if (opened := _outcome(step)) is not None:
                return opened

    opened = await _greet(channel, run, "the hub")
    secure = SecureChannel(channel, opened.transport, opened.session, channel.peer)
    return secure, HubIdentity(opened.remote_key, opened.name, opened.code)


async def secure_as_hub(
    channel: Channel,
    trust: Trust,
    door: Door | None = None,
    *,
    may_compare: Callable[[float], bool] | None = None,
) -> tuple[SecureChannel, RelayIdentity]:
    """Let a relay prove itself. `door` counts peers by `channel.peer` until it has.

    `may_compare(now)`: whether a stranger may have one try to compare codes, which counts it. Only
    with it given may a RelayIdentity come that has a code.

    Raises Refused, LinkViolation or ChannelClosed; the peer has been told and the channel closed.
    """
    clock = asyncio.get_running_loop().time
    handshake = HubHandshake(trust)
    comparison: HubComparison | None = None

    def take(frame: Frame, now: float) -> HandshakeStep:
        nonlocal comparison
        if comparison is not None:
            return comparison.receive(frame)
        if may_compare is None or not _compares(frame):
            return handshake.receive(frame, now)
        if not may_compare(now):
            no = RefusalCode.NOT_COMPARING
            return HandshakeStep(bytes([no]), refused=HandshakeRefused(no))
        comparison = HubComparison(trust.key, trust.hub_name)
        return comparison.receive(frame)

    async def run() -> FinishedHandshake:
        while True:
            frame = await channel.receive()
            arrived = clock()
            step = take(frame, arrived)
            if step.frame is not None:
                if step.refused is not None and not step.refused.certain:
                    await asyncio.sleep(arrived + REFUSAL_S - clock())
                await channel.send(step.frame)
            if (opened := _outcome(step)) is not None:
                return opened

    async def turn_away() -> FinishedHandshake:
        await channel.send(bytes([RefusalCode.BUSY]))
        raise HandshakeRefused(RefusalCode.BUSY)

    address = channel.peer
    if door is not None and not door.enter(address, clock()):
        opened = await _greet(channel, turn_away, "a relay")
    else:
        try:
            opened = await _greet(channel, run, "a relay")
        finally:
            if door is not None:
                door.leave(address)
    peer = f"{opened.name} ({address})"
    secure = SecureChannel(channel, opened.transport, opened.session, peer)
    new = opened.mode is HandshakeMode.PAIR
    return secure, RelayIdentity(opened.remote_key, opened.name, new, opened.code)


def _compares(frame: Frame) -> bool:
    return not isinstance(frame, str) and frame[: len(COMPARE_HEAD)] == COMPARE_HEAD


async def _greet(
    channel: Channel, run: Callable[[], Awaitable[FinishedHandshake]], who: str
) -> FinishedHandshake:
    """Run a handshake to its deadline; on any way out but success, close the channel."""
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            return await run()
    except TimeoutError as error:
        text = f"{who} did not finish the handshake within {HANDSHAKE_S:g} s"
        await _end(channel)
        raise ChannelClosed(POLICY_VIOLATION, text) from error
    except BaseException:
        await _end(channel)
        raise


def _outcome(step: HandshakeStep) -> FinishedHandshake | None:
    if step.refused is not None:
        raise step.refused
    return step.opened


async def _end(channel: Channel) -> None:
    # No reason is given: a close frame is outside the encryption.
    try:
        async with asyncio.timeout(SECURE_CLOSE_S):
            await channel.close(POLICY_VIOLATION)
    except TimeoutError:
        pass  # the peer does not answer the close; its connector drops the socket
