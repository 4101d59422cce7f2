"""A Bluetooth proxy of ESPHome as a board has one: its own protobufs over TCP, plain or encrypted
(Noise), with simulated toys in its range and a few places for connections.

Facts: esphome/aioesphomeapi (api.proto); it serves one program at a time and drops the peripherals
of one whose connection ends.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aioesphomeapi import api_pb2 as pb
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from noise.connection import NoiseConnection

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.simulated.radio import SimulatedConnection, SimulatedRadio
from relay.radio.simulated.toy import Toy

PROTO: Any = pb
NUMBERS = {proto: number for number, proto in MESSAGE_TYPE_TO_PROTO.items()}
ADVERTISE_S = 0.05
# What a board answers to a connect that fails, and to GATT (esp_gatt_status_t).
NO_CONNECTION, GATT_ERROR, NOT_PERMITTED = 0x3E, 0x85, 0x02
_BITS = {"read": 2, "write-without-response": 4, "write": 8, "notify": 16, "indicate": 32}
_CCCD = "00002902-0000-1000-8000-00805f9b34fb"
ALL = 0x7F
KEY = base64.b64encode(bytes(range(32))).decode()


class EsphomeProxy:
    """`free` and `most`: places for connections, and the most that were ever in use. `flags`: what
    it says that it can do. `other`: another program has it. `hung`: it takes nothing more off its
    socket. `mute_connects`: it never answers a connect."""

    def __init__(self, toys: Sequence[Toy], *, slots: int = 3, key: str | None = None) -> None:
        self.radio = SimulatedRadio(toys)
        self.toys = toys
        self.slots = slots
        self.key = key
        self.flags = ALL
        self.other = False
        self.mute_connects = False
        self.port = 0
        self.clients: list[_Client] = []
        self.seen: list[str] = []
        self._server: asyncio.Server | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._open = asyncio.Event()
        self._open.set()

    @property
    def listening(self) -> bool:
        return self._server is not None

    @property
    def used(self) -> int:
        return sum(len(client.places) for client in self.clients)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[EsphomeProxy]:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await self.plug()
            try:
                yield self
            finally:
                await self.pull()
                self._tasks = None

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """The board has no power; so its radio loses all peripherals."""
        self._open.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in tuple(self.clients):
            client.drop()

    def hang(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._tasks is not None
        client = _Client(self, reader, writer, self._tasks)
        self.clients.append(client)
        try:
            await client.serve()
        except (EOFError, ConnectionError):
            pass
        finally:
            client.end()
            self.clients.remove(client)

    async def ready(self) -> None:
        await self._open.wait()


class _Client:
    def __init__(
        self,
        proxy: EsphomeProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._tasks = tasks
        self._noise: NoiseConnection | None = None
        # Of each peripheral: its connection, None while it is being made.
        self.places: dict[int, SimulatedConnection | None] = {}
        self._doing: set[asyncio.Task[None]] = set()
        self._counting = False
        # One operation at a time for each peripheral.
        self._turns: dict[int, asyncio.Lock] = {}

    # --- frames --------------------------------------------------------------------------------

    async def serve(self) -> None:
        if self._proxy.key is not None:
            await self._handshake(self._proxy.key)
        while True:
            number, data = await self._receive()
            await self._proxy.ready()
            proto = MESSAGE_TYPE_TO_PROTO[number]
            message = proto()
            message.ParseFromString(data)
            self._proxy.seen.append(proto.__name__)
            self._take(proto.__name__, message)

    async def _handshake(self, key: str) -> None:
        first = await self._reader.readexactly(1)
        if first != b"\x01":
            self._writer.write(b"\x01\x00\x00")  # an encrypted one answers a plain hello so
            raise EOFError
        await self._frame(first=first)
        name = b"\x01proxy\0001122334455ff\0"
        self._write_frame(name)
        noise = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
        noise.set_as_responder()
        noise.set_psks(base64.b64decode(key))
        noise.set_prologue(b"NoiseAPIInit\x00\x00")
        noise.start_handshake()
        frame = await self._frame()
        try:
            noise.read_message(frame[1:])
        except Exception:  # noqa: BLE001 - whatever the library says to a wrong key
            self._write_frame(b"\x01Handshake MAC failure")
            raise EOFError from None
        self._write_frame(b"\x00" + bytes(noise.write_message()))
        self._noise = noise

    async def _frame(self, first: bytes | None = None) -> bytes:
        if first is None:
            assert await self._reader.readexactly(1) == b"\x01"
        size = int.from_bytes(await self._reader.readexactly(2), "big")
        return await self._reader.readexactly(size)

    def _write_frame(self, data: bytes) -> None:
        self._writer.write(b"\x01" + len(data).to_bytes(2, "big") + data)

    async def _receive(self) -> tuple[int, bytes]:
        if self._noise is not None:
            plain = bytes(self._noise.decrypt(await self._frame()))
            return int.from_bytes(plain[:2], "big"), plain[4:]
        if await self._reader.readexactly(1) != b"\x00":
            self._writer.write(b"\x00\x13\x00Bad indicator byte")
            raise EOFError
        size = await self._varint()
        return await self._varint(), await self._reader.readexactly(size)

    async def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def say(self, message: Any) -> None:
        if self._writer.is_closing():
            return
        data, number = message.SerializeToString(), NUMBERS[type(message)]
        if self._noise is not None:
            plain = number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
            self._write_frame(bytes(self._noise.encrypt(plain)))
        else:
            self._writer.write(b"\x00" + _varint(len(data)) + _varint(number) + data)

    def drop(self) -> None:
        self._writer.transport.abort()

    def end(self) -> None:
        """This program is gone: everything that it had connected is let go."""
        for doing in tuple(self._doing):
            doing.cancel()
        for connection in self.places.values():
            if connection is not None:
                connection.let_go()
        self.places.clear()
        self._writer.close()

    # --- messages ------------------------------------------------------------------------------

    def _take(self, name: str, message: Any) -> None:
        match name:
            case "HelloRequest":
                self.say(
                    PROTO.HelloResponse(api_version_major=1, api_version_minor=12, name="proxy")
                )
            case "AuthenticationRequest":
                self.say(PROTO.AuthenticationResponse())
            case "DeviceInfoRequest":
                self.say(
                    PROTO.DeviceInfoResponse(
                        name="proxy", mac_address="11:22:33:44:55:FF",
                        bluetooth_mac_address="11:22:33:44:55:FE",
                        bluetooth_proxy_feature_flags=self._proxy.flags,
                    )
                )  # fmt: skip
            case "PingRequest":
                self.say(PROTO.PingResponse())
            case "DisconnectRequest":
                self.say(PROTO.DisconnectResponse())
                self.drop()
            case "SubscribeBluetoothConnectionsFreeRequest":
                self._counting = True
                self._count()
            case "SubscribeBluetoothLEAdvertisementsRequest":
                if not self._proxy.other and self._proxy.clients[0] is self:
                    self.say(PROTO.BluetoothScannerStateResponse(state=2))
                    self._do(self._advertise())
            case "BluetoothDeviceRequest":
                self._device(message)
            case _ if name.startswith("BluetoothGATT"):
                self._do(self._gatt(name, message))

    def _do(self, work: Any) -> None:
        doing = self._tasks.create_task(work)
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)

    def _count(self) -> None:
        if self._counting:
            self.say(
                PROTO.BluetoothConnectionsFreeResponse(
                    free=self._proxy.slots - self._proxy.used,
                    limit=self._proxy.slots,
                    allocated=list(self.places),
                )
            )

    async def _advertise(self) -> None:
        while True:
            await self._proxy.ready()
            self.say(
                PROTO.BluetoothLERawAdvertisementsResponse(
                    advertisements=[
                        PROTO.BluetoothLERawAdvertisement(
                            address=_number(toy.address), rssi=toy.rssi, address_type=1,
                            data=_on_air(toy),
                        )
                        for toy in self._proxy.toys
                        if toy.in_range and not toy.connected
                    ]
                )
            )  # fmt: skip
            await asyncio.sleep(ADVERTISE_S)

    def _device(self, message: Any) -> None:
        address, kind = message.address, message.request_type
        if kind == PROTO.BLUETOOTH_DEVICE_REQUEST_TYPE_DISCONNECT:
            connection = self.places.pop(address, None)
            if connection is not None:
                connection.let_go()
            self._state(address, connected=False)
        elif self._proxy.used >= self._proxy.slots or address in self.places:
            self._state(address, connected=False, error=NO_CONNECTION)
        else:
            self.places[address] = None
            self._count()
            if not self._proxy.mute_connects:
                self._do(self._connect(address))

    def _state(self, address: int, *, connected: bool, error: int = 0) -> None:
        self.say(
            PROTO.BluetoothDeviceConnectionResponse(
                address=address, connected=connected, mtu=185 if connected else 0, error=error
            )
        )
        self._count()

    async def _connect(self, address: int) -> None:
        def gone(_: str) -> None:
            if self.places.pop(address, None) is not None:
                self._state(address, connected=False, error=8)

        try:
            connection = await self._proxy.radio.connect(_text(address), gone)
        except RadioError:
            if address in self.places:
                del self.places[address]
                self._state(address, connected=False, error=NO_CONNECTION)
            return
        if address not in self.places:  # it was given up meanwhile
            connection.let_go()
            return
        self.places[address] = connection
        self._state(address, connected=True)

    async def _gatt(self, name: str, message: Any) -> None:
        address, handle = message.address, getattr(message, "handle", 0)
        connection = self.places.get(address)
        if connection is None:
            self._state(address, connected=False, error=8)
            return
        try:
            async with self._turns.setdefault(address, asyncio.Lock()):
                await self._operate(name, message, connection)
        except RadioError as error:
            if error.code is not ErrorCode.GONE:
                status = NOT_PERMITTED if error.code is ErrorCode.REFUSED else GATT_ERROR
                self.say(
                    PROTO.BluetoothGATTErrorResponse(address=address, handle=handle, error=status)
                )

    async def _operate(self, name: str, message: Any, connection: SimulatedConnection) -> None:
        address, handle = message.address, getattr(message, "handle", 0)
        ours = {"address": address, "handle": handle}
        match name:
            case "BluetoothGATTGetServicesRequest":
                services = [_service(one) for one in connection.services]
                self.say(PROTO.BluetoothGATTGetServicesResponse(address=address, services=services))
                self.say(PROTO.BluetoothGATTGetServicesDoneResponse(address=address))
            case "BluetoothGATTReadRequest":
                data = await connection.read(handle)
                self.say(PROTO.BluetoothGATTReadResponse(data=data, **ours))
            case "BluetoothGATTWriteRequest":
                await connection.write(handle, message.data, message.response)
                if message.response:
                    self.say(PROTO.BluetoothGATTWriteResponse(**ours))
            case "BluetoothGATTNotifyRequest":
                # The proxy listens; whether the toy tells is up to its descriptor.
                self.say(PROTO.BluetoothGATTNotifyResponse(**ours))
            case "BluetoothGATTWriteDescriptorRequest":
                value = handle - 1  # ours stand right behind their characteristic

                def heard(data: bytes) -> None:
                    self.say(
                        PROTO.BluetoothGATTNotifyDataResponse(
                            address=address, handle=value, data=data
                        )
                    )

                if any(message.data):
                    await connection.subscribe(value, heard)
                else:
                    await connection.unsubscribe(value)
                self.say(PROTO.BluetoothGATTWriteResponse(**ours))


def _service(service: Any) -> Any:
    return PROTO.BluetoothGATTService(
        uuid=_halves(service.uuid),
        handle=1,
        characteristics=[
            PROTO.BluetoothGATTCharacteristic(
                uuid=_halves(one.uuid),
                handle=one.handle,
                properties=sum(_BITS[name] for name in one.properties),
                descriptors=[
                    PROTO.BluetoothGATTDescriptor(uuid=_halves(_CCCD), handle=one.handle + 1)
                    for name in one.properties
                    if name in ("notify", "indicate")
                ],
            )
            for one in service.characteristics
        ],
    )


def _halves(uuid: str) -> list[int]:
    number = int(uuid.replace("-", ""), 16)
    return [number >> 64, number & (1 << 64) - 1]


def _on_air(toy: Toy) -> bytes:
    """Advertisement and scan response in one, as boards tell them."""
    shown = toy.advertisement
    parts = [(0x01, b"\x06"), (0x09, (shown.name or "").encode())]
    parts += [(0x07, bytes.fromhex(one.replace("-", ""))[::-1]) for one in shown.services]
    parts += [
        (0xFF, key.to_bytes(2, "little") + value) for key, value in shown.manufacturer.items()
    ]
    return b"".join(bytes([len(value) + 1, kind]) + value for kind, value in parts)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(address: str) -> int:
    return int(address.replace(":", ""), 16)


def _text(number: int) -> str:
    return ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))
