"""OSC over UDP: what comes in, how much of it is read, and the levels it makes.

Rates are bounded twice: so many datagrams a second are parsed, the rest is dropped and counted; and
toys get new levels `TICKS_HZ` times a second at most, as other programs of this kind send them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from forwarder.access.admission import is_loopback
from forwarder.bridges.bounds import DATAGRAMS_S, OSC_MOVE_S, TICKS_HZ
from forwarder.bridges.client import BridgeClient, OpenChannel
from forwarder.bridges.osc.parameters import Parameters, Rule
from forwarder.bridges.performer import Performer
from forwarder.bridges.programs import OutputProgram, ProgramStep, Slot
from forwarder.bridges.senders import Senders
from forwarder.buttplug.messages import LEVEL_OUTPUTS, OutputType
from forwarder.client.device import RemoteDevice
from forwarder.errors import ConfigError

try:
    from pythonosc.osc_packet import OscPacket, ParseError
except ImportError:  # the extra is not installed
    OscPacket = None  # type: ignore[assignment,misc]

log = logging.getLogger(__name__)

NAME = "OSC"


@dataclass(frozen=True, slots=True)
class OscLink:
    """`rule`: the level; `devices`: names or indexes, empty for all; `output`: a kind, None for
    LEVEL_OUTPUTS."""

    rule: Rule
    devices: tuple[str, ...] = ()
    output: OutputType | None = None

    def slots(self, device: RemoteDevice) -> Iterator[Slot]:
        names = (str(device.index), device.name, device.shown_name)
        if self.devices and not any(each in names for each in self.devices):
            return
        for feature in device.features:
            for kind in feature.output or ():
                if kind is self.output or (self.output is None and kind in LEVEL_OUTPUTS):
                    yield feature.feature_index, kind


class OscServer(asyncio.DatagramProtocol):
    """One port. `allowed`: addresses beyond this machine that are heard."""

    name: Final = NAME

    def __init__(
        self,
        open_channel: OpenChannel,
        *,
        port: int,
        host: str,
        links: Sequence[OscLink],
        allowed: Iterable[str] = (),
        hold_s: float = 5.0,
    ) -> None:
        """Raises ConfigError without the extra."""
        if OscPacket is None:
            raise ConfigError(
                "OSC needs a package that is not installed: pip install 'buttplug-forwarder[osc]'."
            )
        self._client = BridgeClient(NAME, open_channel)
        self.port = port
        self._host = host
        self._links = tuple(links)
        self._allowed = frozenset(map(ipaddress.ip_address, allowed))
        self._hold_s = hold_s
        self._parameters = Parameters([link.rule for link in links], hold_s)
        self._dirty = asyncio.Event()
        self._socket: socket.socket | None = None
        # From where the newest value came, until it is known which program that is.
        self._port_of_game: int | None = None
        self._met = asyncio.Event()
        self._senders: Senders | None = None
        self._second = 0.0
        self._count = 0

    def bind(self) -> None:
        """Take the port. Idempotent. Raises ConfigError."""
        if self._socket is not None:
            return
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.bind((self._host, self.port))
        except OSError as error:
            sock.close()
            raise ConfigError(
                f"UDP port {self.port} of {self._host} cannot be had ({error.strerror}). Another"
                " OSC program may have it; say another one as [bridges.osc] port, and to your game."
            ) from error
        sock.setblocking(False)
        self.port = sock.getsockname()[1]
        self._socket = sock

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def run(self) -> None:
        """Listen until cancelled."""
        self.bind()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._socket)
        self._socket = None  # the transport's
        performer = Performer(self._client, self._hold_s)
        senders = self._senders = Senders("udp", self._ended, self._hold_s)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._client.run(self._dirty.set), name=f"{NAME} client")
                tasks.create_task(performer.run(), name=f"{NAME} steps")
                tasks.create_task(senders.run(), name=f"{NAME} programs")
                tasks.create_task(self._meet(senders), name=f"{NAME} games")
                tasks.create_task(self._follow(performer), name=f"{NAME} levels")
        finally:
            transport.close()

    # --- what comes in --------------------------------------------------------------------------

    def datagram_received(self, data: bytes, address: tuple[str | object, ...]) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._second >= 1:
            if self._count > DATAGRAMS_S:
                log.warning("%d OSC messages were dropped in a second", self._count - DATAGRAMS_S)
            self._second, self._count = now, 0
        self._count += 1
        if self._count > DATAGRAMS_S or not self._is_heard(str(address[0])):
            return
        try:
            messages = OscPacket(data).messages
        except (ParseError, ValueError, IndexError, RecursionError) as error:
            log.debug("something that is no OSC came: %s", error)
            return
        for timed in messages:
            if self._parameters.heard(timed.message.address, list(timed.message.params), now):
                self._dirty.set()
                if is_loopback(str(address[0])) and isinstance(address[1], int):
                    self._port_of_game = address[1]
                    self._met.set()

    def error_received(self, error: Exception) -> None:
        log.debug("OSC: %s", error)  # an answer to nothing that we sent

    def _is_heard(self, address: str) -> bool:
        if is_loopback(address):
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return (mapped or ip) in self._allowed

    # --- levels ---------------------------------------------------------------------------------

    def _ended(self, sender: Hashable) -> None:
        """The game has ended."""
        self._parameters.forget()
        self._dirty.set()

    async def _meet(self, senders: Senders) -> None:
        """Find out which program speaks: no level waits for that, an off least of all."""
        while True:
            await self._met.wait()
            self._met.clear()
            port, self._port_of_game = self._port_of_game, None
            if port is not None:
                await senders.met(NAME, port)
            await asyncio.sleep(1 / TICKS_HZ)

    async def _follow(self, performer: Performer) -> None:
        while True:
            until = self._parameters.until()
            wait = None if until is None else max(0.0, until - performer.now)
            try:
                async with asyncio.timeout(wait):
                    await self._dirty.wait()
            except TimeoutError:
                pass  # a value is over
            self._dirty.clear()
            self._begin(performer)
            # Nothing that comes behind waits for a slow radio, an off least of all.
            performer.soon()
            await asyncio.sleep(1 / TICKS_HZ)

    def _begin(self, performer: Performer) -> None:
        """Set what each toy does to what the parameters say."""
        now = performer.now
        levels = self._parameters.levels(now)
        for device in self._client.devices:
            wanted: dict[Slot, float] = {}
            for link, level in zip(self._links, levels, strict=True):
                for slot in link.slots(device):
                    wanted[slot] = max(level, wanted.get(slot, 0.0))
            toy = performer.of(device)
            if any(wanted.values()):
                # Should this loop stand still, the program ends by itself.
                until = now + self._hold_s
                toy.start(
                    OutputProgram((ProgramStep(OSC_MOVE_S, wanted),), now, until, NAME), alone=True
                )
            else:
                toy.stop()
