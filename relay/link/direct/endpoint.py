"""`DirectEndpoint`: what dials and listens by keys, over `iroh`; the only module that knows it.

Both ends prove their keys to each other by TLS inside QUIC, so who dials a place has its hub; who
dials is nobody until the handshake of the link, inside, has said so. With iroh's preset `minimal`:
nothing is told to anybody but the relays that are named. (A few packets ask the router of the
local network for a port, by UPnP, NAT-PMP and PCP; the library, 1.2, has no switch for that.)

A relay of iroh's that dies is noticed after 30 s there, and what was written meanwhile arrives
later: beats and leases of the link decide, as over everything else.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Final

from relay.link.bounds import (
    CLOSE_S,
    DIRECT_AGAIN_S,
    DIRECT_WINDOW_BYTES,
    MAX_DIRECT_ADDRESSES,
    OPEN_S,
)
from relay.link.close_codes import NO_CLOSE
from relay.link.direct.channel import DirectChannel
from relay.link.direct.place import DirectPlace
from relay.link.errors import ChannelClosed, LinkError, PartMissing

if TYPE_CHECKING:
    import iroh

log = logging.getLogger(__name__)

ALPN: Final = b"bpforward/1"
INSTALL: Final = "pip install 'buttplug-forwarder[p2p]'"


class DirectMissing(PartMissing):
    """The library is not there."""

    def __init__(self) -> None:
        super().__init__(f"direct paths need a package that is not installed: {INSTALL}")


class NoDirectPath(LinkError):
    """Nobody answered, or no way was found. Trying again later may help."""


def endpoint_secret(private: bytes) -> bytes:
    """The Ed25519 private key of the endpoint of a hub with this private key: always the same, so
    that its place stays; a key of its own, for no key is used by two algorithms."""
    return hashlib.sha256(b"bpforward direct path key" + private).digest()


class DirectVisitor:
    """Somebody who dials. `address`: where from, or by which relay of iroh's (`relayed`). `shown`:
    what this end said has reached them there."""

    def __init__(
        self, incoming: iroh.Incoming, address: str, *, relayed: bool = False, shown: bool = False
    ) -> None:
        self._incoming = incoming
        self.address = address
        self.relayed = relayed
        self.shown = shown

    async def join(self) -> DirectChannel:
        """Its channel, once it has said something. Raises LinkError. The caller has a deadline."""
        library = _library()
        try:
            connection = await (await self._incoming.accept()).connect()
            streams = await connection.accept_bi()
        except library.IrohError as error:
            raise NoDirectPath(_words(error)) from error
        return _channel(connection, streams, self.address, None)

    async def refuse(self) -> None:
        library = _library()
        with suppress(library.IrohError):  # it may have gone by itself
            await self._incoming.refuse()

    async def show(self) -> None:
        """Have it come again, `shown`; nothing is kept of it until then (RFC 9000, 8.1.2)."""
        library = _library()
        with suppress(library.IrohError):  # as above
            await self._incoming.retry()


class DirectEndpoint:
    """One key, one UDP port, and the relays of iroh's that it may use. `open` makes one."""

    def __init__(self, endpoint: iroh.Endpoint, relays: Sequence[str]) -> None:
        self._endpoint = endpoint
        self._relays = tuple(relays)

    @classmethod
    async def open(
        cls,
        *,
        secret: bytes | None = None,
        relays: Sequence[str] = (),
        public: bool = False,
        at: Sequence[str] = (),
        host: str = "0.0.0.0",
        port: int = 0,
    ) -> DirectEndpoint:
        """Listen by the private key `secret` (32 bytes; None: a new one) at the UDP `port`.

        `relays`: of iroh's, as `relay_url` writes them; `public`: those that its makers run too.
        `at`: addresses from which routers lead here.
        Raises DirectMissing; LinkError if the port cannot be had.
        """
        library = _library()
        if public:
            mode = library.RelayMode.default_mode()
        elif relays:
            mode = library.RelayMode.custom_from_urls(list(relays))
        else:
            mode = library.RelayMode.disabled()
        options = library.EndpointOptions(
            preset=library.preset_minimal(),
            secret_key=secret,
            alpns=[ALPN],
            relay_mode=mode,
            bind_addr=f"{host}:{port}",
        )
        try:
            endpoint = await library.Endpoint.bind(options)
            for address in at:
                await endpoint.add_external_addr(address)
        except library.IrohError as error:
            raise LinkError(f"UDP port {port} cannot be used: {_words(error)}") from error
        return cls(endpoint, relays)

    def place(self) -> DirectPlace:
        """Where it is to be found now, as far as is known; addresses that lead in from elsewhere
        before others."""
        address = self._endpoint.addr()
        relay = address.relay_url()
        relay = relay.rstrip("/") if relay is not None else None
        if relay is None and self._relays:
            relay = self._relays[0]  # it is not there yet
        direct = [text for text in address.direct_addresses() if not text.startswith("[fe80")]
        return DirectPlace(str(address.id()), relay, tuple(direct[:MAX_DIRECT_ADDRESSES]))

    async def dial(self, place: DirectPlace, *, open_s: float = OPEN_S) -> DirectChannel:
        """A channel to `place`, which owns this endpoint from then on. Raises NoDirectPath."""
        library = _library()
        try:
            async with asyncio.timeout(open_s):
                connection = await self._endpoint.connect(_address(place), ALPN)
                streams = await connection.open_bi()
        except TimeoutError:
            raise NoDirectPath(f"no direct path to the hub was found within {open_s:g} s") from None
        except library.IrohError as error:
            raise NoDirectPath(f"no direct path to the hub was found: {_words(error)}") from error
        return _channel(connection, streams, "direct path", self)

    async def next_visitor(self) -> DirectVisitor:
        """Who dials next. Raises ChannelClosed once this is closed."""
        library = _library()
        while True:
            try:
                incoming = await self._endpoint.accept_next()
                if incoming is None:
                    raise ChannelClosed(NO_CLOSE, "the endpoint is closed")
                where = await incoming.remote_addr()
                if isinstance(where, library.IncomingAddr.IP):
                    shown = await incoming.remote_addr_validated()
                    return DirectVisitor(incoming, where.addr, shown=shown)
                if isinstance(where, library.IncomingAddr.RELAY):
                    by = f"relay {where.url.rstrip('/')}"
                    return DirectVisitor(incoming, by, relayed=True)
                await incoming.refuse()
            except library.IrohError as error:
                # One who has gone again ends nobody else's coming; one more turn, not at once.
                log.debug("somebody dialed and was gone: %s", _words(error))
                await asyncio.sleep(DIRECT_AGAIN_S)

    async def close(self) -> None:
        """Within a second."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._endpoint.close()
        except TimeoutError:
            pass  # the peers notice by their own clocks


async def dial_direct(place: DirectPlace, *, open_s: float = OPEN_S) -> DirectChannel:
    """Dial `place` from an endpoint for this channel alone, with a key that nobody has seen.
    Raises LinkError: DirectMissing without the library."""
    endpoint = await DirectEndpoint.open(relays=() if place.relay is None else (place.relay,))
    try:
        return await endpoint.dial(place, open_s=open_s)
    except BaseException:
        await endpoint.close()
        raise


class _IrohStreams:
    """DirectStreams over one connection. `endpoint`: closed with it."""

    def __init__(
        self,
        connection: iroh.Connection,
        streams: iroh.BiStream,
        endpoint: DirectEndpoint | None,
    ) -> None:
        self._connection = connection
        self._sending, self._receiving = streams.send(), streams.recv()
        self._endpoint = endpoint
        self._library = _library()

    async def write(self, data: bytes) -> None:
        try:
            await self._sending.write_all(data)
        except self._library.IrohError as error:
            raise self._lost(error) from error

    async def finish(self) -> None:
        try:
            await self._sending.finish()
            await self._sending.stopped()
        except self._library.IrohError as error:
            raise self._lost(error) from error

    async def read(self, most: int) -> bytes:
        try:
            return await self._receiving.read(most)
        except self._library.IrohError as error:
            raise self._lost(error) from error

    async def hang_up(self) -> None:
        self._connection.close(0, b"")
        if self._endpoint is not None:
            await self._endpoint.close()

    def _lost(self, error: iroh.IrohError) -> ChannelClosed:
        return ChannelClosed(NO_CLOSE, f"the direct path is gone: {_words(error)}")

    def way(self) -> tuple[bool, str]:
        paths = self._connection.paths()
        selected = next((path for path in paths if path.is_selected), None)
        if selected is None:
            return False, ""
        return selected.is_relay, selected.remote_addr


def _channel(
    connection: iroh.Connection,
    streams: iroh.BiStream,
    peer: str,
    endpoint: DirectEndpoint | None,
) -> DirectChannel:
    # One stream each way, and a bound on what nobody has read.
    connection.set_max_concurrent_bi_streams(1)
    connection.set_max_concurrent_uni_streams(0)
    connection.set_receive_window(DIRECT_WINDOW_BYTES)
    carried = _IrohStreams(connection, streams, endpoint)
    return DirectChannel(carried, peer=peer, way=carried.way)


def _address(place: DirectPlace) -> iroh.EndpointAddr:
    library = _library()
    key = library.EndpointId.from_bytes(bytes.fromhex(place.key))
    address: iroh.EndpointAddr = library.EndpointAddr(key, place.relay, list(place.addresses))
    return address


def require_library() -> None:
    """Raises DirectMissing where direct paths cannot work."""
    _library()


def _library() -> ModuleType:
    """Imported when it is first needed: most hubs and relays never do. Raises DirectMissing."""
    try:
        import iroh
    except (ImportError, OSError) as error:  # OSError: no part of it for this machine
        raise DirectMissing from error
    return iroh


def _words(error: iroh.IrohError) -> str:
    """What it says, without the file of its source."""
    return re.sub(r" \(/.*\)$", "", error.message())
