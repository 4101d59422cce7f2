"""Many relays in one process, as the hub of `tests.benchmarks.scale` sees them.

`python -m tests.benchmarks.swarm PORT HUB_KEY FIRST COUNT TOYS`: relays FIRST to FIRST + COUNT - 1,
paired, each with TOYS toys, dial 127.0.0.1:PORT until this is ended. A line of JSON now and then
on standard output says how many are linked, and how many toys the hub has.

To the hub they are relays like any other: the handshake, the cipher and the messages are the true
ones, toys answer what a Lovense Hush answers, connections are kept for a hub that comes back, and
pauses between attempts follow `relay.hub_link.uplink`. What a relay does for itself is left out:
its machine, its radio, its supervisor. A thousand true ones cost four times what their hub does,
and it would be them that are measured. Frames are read and made here, for aiohttp's client costs
as much as its server.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import random
import sys
import time
import traceback
from functools import partial
from typing import cast

import msgpack
import uvloop

from relay.hub_link.bounds import BUSY_S, GOOD_S, PAUSE_FIRST_S, PAUSE_LEAST_S, PAUSE_MOST_S
from relay.link.codec import decode_from_hub, encode
from relay.link.messages import (
    VERSION,
    Advertisement,
    Advertisements,
    Arm,
    Beat,
    Bye,
    Connect,
    Connected,
    Disconnect,
    Echo,
    FromHub,
    FromRelay,
    Held,
    Hello,
    Notification,
    Output,
    RadioInfo,
    Read,
    Scan,
    Stats,
    Stop,
    StopAll,
    Subscribe,
    Unsubscribe,
    Value,
    Wearer,
    Write,
)
from relay.link.security.handshake import HandshakeRefused, RelayHandshake
from relay.link.security.noise import KeyPair
from relay.link.security.transport import Transport
from relay.radio.simulated.catalogue import catalogue, find
from relay.radio.simulated.toy import Toy

TOY = "Lovense Hush"
ANSWERS = {b"DeviceType;": b"Z:11:0082059AD3BD;", b"Battery;": b"90;"}
# As a relay tells what goes on being heard.
ADVERTISE_S = 1.0
TELL_S = 0.2
STATS_S = 10.0


def key_of(number: int) -> KeyPair:
    """The key of relay `number`, the same in every process."""
    return KeyPair(hashlib.sha256(f"swarm {number}".encode()).digest())


def name_of(number: int) -> str:
    return f"relay {number:04}"


class Socket(asyncio.Protocol):
    """One websocket to the hub: whole messages in and out, no extensions, nothing but binary."""

    def __init__(self, relay: SwarmRelay, port: int) -> None:
        self._relay = relay
        self._port = port
        self._transport: asyncio.Transport
        self._came = bytearray()
        self._open = False
        self._leaves: list[bytes] = []
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one, and does not say so.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.write(
            f"GET /link HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        came = self._came
        came += data
        if not self._open:
            head, end, _ = came.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._transport.abort()
                return
            del came[: len(head) + 4]
            self._open = True
            self._relay.opened(self)
        while (frame := self._next()) is not None:
            opcode, payload = frame
            if opcode == 2:
                self._relay.heard(payload)
            elif opcode == 9:
                self._frame(10, payload)
            elif opcode == 8:
                self._transport.close()
        self.flush()

    def _next(self) -> tuple[int, bytes] | None:
        came = self._came
        if len(came) < 2:
            return None
        size, at = came[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(came[2:4]), 4
        elif size == 127:
            size, at = int.from_bytes(came[2:10]), 10
        if len(came) < at + size:
            return None
        assert came[0] & 0x80, "the hub sends whole messages"
        frame = came[0] & 15, bytes(came[at : at + size])
        del came[: at + size]
        return frame

    def send(self, payload: bytes) -> None:
        """It leaves with the next `flush`."""
        self._frame(2, payload)

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else (
            bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2)
        )  # fmt: skip
        # A mask of zeros: RFC 6455 wants one, and this peer has nothing to hide from a proxy.
        self._leaves += (head, b"\0\0\0\0", payload)

    def flush(self) -> None:
        if self._leaves and not self._transport.is_closing():
            self._transport.write(b"".join(self._leaves))
        self._leaves.clear()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def cut(self) -> None:
        self._transport.abort()


class SwarmRelay:
    """One relay; `linked` while it has a link over which the hub has welcomed it."""

    def __init__(self, number: int, toys: int, port: int, hub_key: bytes) -> None:
        octets = number.to_bytes(2, "big").hex(":").upper()
        model, _ = find(TOY, catalogue())
        self._toys = [Toy(model, f"C0:00:00:{octets}:{toy:02X}") for toy in range(toys)]
        roles = {role: handle for handle, role in self._toys[0].handles.items()} if toys else {}
        self._tells = roles.get("rx", 0)
        self._name, self._port = name_of(number), port
        self._keys, self._hub_key = key_of(number), hub_key
        self._connected: dict[str, int] = {}
        # Those of them that a hub has; the others wait for one, and are told as if they advertised.
        self._bound: set[str] = set()
        self._listening: set[int] = set()
        self._scanning = False
        self._socket: Socket | None = None
        self._handshake: RelayHandshake | None = None
        self._cipher: Transport | None = None
        self._refused = False
        self.linked = False

    @property
    def had(self) -> int:
        """Toys that the hub has connected."""
        return len(self._bound)

    async def run(self) -> None:
        """Dials for ever, with the pauses of `Uplink`."""
        loop = asyncio.get_running_loop()
        bound, away = PAUSE_FIRST_S, loop.time()
        make = partial(Socket, self, self._port)
        while True:
            started = loop.time()
            try:
                _, socket = await loop.create_connection(make, "127.0.0.1", self._port)
                await socket.ended
            except OSError:
                pass  # nobody listens: the hub is not back yet
            self.linked, self._scanning, self._socket, self._cipher = False, False, None, None
            self._bound.clear()
            if self._refused:
                self._refused = False
                await asyncio.sleep(max(PAUSE_LEAST_S, random.uniform(0, BUSY_S)))
                continue
            if loop.time() - started >= GOOD_S:
                bound, away = PAUSE_FIRST_S, loop.time()
            most = min(bound, max(PAUSE_FIRST_S, loop.time() - away))
            await asyncio.sleep(max(PAUSE_LEAST_S, random.uniform(0, most)))
            bound = min(bound * 2, PAUSE_MOST_S)

    # --- from its socket ------------------------------------------------------------------------

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._listening.clear()
        self._handshake = RelayHandshake(self._keys, hub_key=self._hub_key)
        socket.send(self._handshake.start())

    def heard(self, frame: bytes) -> None:
        assert self._socket is not None
        if self._cipher is not None:
            self._carry_out(decode_from_hub(self._cipher.open(frame)))
            return
        assert self._handshake is not None
        step = self._handshake.receive(frame)
        if step.refused is not None:
            assert isinstance(step.refused, HandshakeRefused)
            self._refused = True
            self._socket.cut()
            return
        if step.frame is not None:
            self._socket.send(step.frame)
        if step.opened is not None:
            self._cipher = step.opened.transport
            held = tuple(Held(address) for address in self._connected)
            can = ("scan", "status", "places", "timed", "supervised")
            radio = RadioInfo("simulated")
            self._say(Hello(VERSION, self._name, capabilities=can, radio=radio, held=held))

    def _say(self, message: FromRelay) -> None:
        assert self._socket is not None
        assert self._cipher is not None
        self._socket.send(self._cipher.seal(encode(message)))

    def _done(self, id: int) -> None:
        assert self._socket is not None
        assert self._cipher is not None
        # What `encode` makes of a Done, ten times as fast: most of what is said here is one.
        self._socket.send(self._cipher.seal(msgpack.packb({"t": "Done", "id": id})))

    # --- what a relay does ----------------------------------------------------------------------

    def _carry_out(self, message: FromHub) -> None:
        match message:
            case Output(id, p, packets) | Stop(id, p, packets):
                self._done(id)
                for packet in packets:
                    self._answer(p, packet.data)
            case Write(id, p, _, data):
                self._done(id)
                self._answer(p, data)
            case Beat(number, time_us):
                self._say(Echo(number, time_us, int(time.monotonic() * 1e6)))
            case Scan(on):
                self._scanning = on
                self.advertise()
            case Connect(id, p, address):
                resumed = address in self._connected
                self._connected[address] = p
                self._bound.add(address)
                services = self._toys[0].services
                self._say(Connected(id, services, 247, resumed))
            case Disconnect(id, p):
                for address in [a for a, other in self._connected.items() if other == p]:
                    del self._connected[address]
                    self._bound.discard(address)
                self._done(id)
            case Subscribe(id, p):
                self._listening.add(p)
                self._done(id)
            case Unsubscribe(id, p):
                self._listening.discard(p)
                self._done(id)
            case Read(id):
                self._say(Value(id, b"\0"))
            case Arm(id) | StopAll(id):
                self._done(id)
            case Bye():
                assert self._socket is not None
                self._socket.cut()
            case _:
                if not self.linked and type(message).__name__ == "Welcome":
                    self.linked = True
                    self._say(Wearer())

    def _answer(self, p: int, data: bytes) -> None:
        if p in self._listening:
            self._say(Notification(p, self._tells, ANSWERS.get(data, b"OK;")))

    def advertise(self) -> None:
        """Tell what is heard, if anybody wants to know."""
        free = [toy for toy in self._toys if toy.address not in self._bound]
        if self._scanning and free and self._socket is not None and self._cipher is not None:
            self._say(Advertisements(tuple(map(_advertised, free))))
            self._socket.flush()

    def count(self) -> None:
        """Tell the hub its figures, as relays do."""
        if self._socket is not None and self.linked:
            self._say(Stats({"writes": 1, "superseded": 0, "advertisements": 1}))
            self._socket.flush()


def _advertised(toy: Toy) -> Advertisement:
    return toy.advertisement


async def _every(relays: list[SwarmRelay], every_s: float, what: str) -> None:
    """Call `what` of each relay once in `every_s`, spread over that."""
    while True:
        for relay in relays:
            getattr(relay, what)()
            await asyncio.sleep(every_s / len(relays))


def _tripped(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What goes wrong in a callback ends this process, which is noticed."""
    traceback.print_exception(cast("BaseException", context.get("exception")))
    os._exit(1)


async def swarm(port: int, hub_key: bytes, first: int, count: int, toys: int) -> None:
    asyncio.get_running_loop().set_exception_handler(_tripped)
    relays = [SwarmRelay(first + number, toys, port, hub_key) for number in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for relay in relays:
            tasks.create_task(relay.run())
        tasks.create_task(_every(relays, ADVERTISE_S, "advertise"))
        tasks.create_task(_every(relays, STATS_S, "count"))
        while True:
            state = {
                "t": time.monotonic(),
                "linked": sum(relay.linked for relay in relays),
                "toys": sum(relay.had for relay in relays),
            }
            print(json.dumps(state), flush=True)
            await asyncio.sleep(TELL_S)


def main() -> None:
    port, key, first, count, toys = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(swarm(int(port), bytes.fromhex(key), int(first), int(count), int(toys)))


if __name__ == "__main__":
    main()
