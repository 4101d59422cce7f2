"""BlueZ as far as programs advertise with it, on a real D-Bus, and toys that hear what is said.

    async with private_bus() as address, AdvertisingBluez.on(address) as bluez: ...

What it takes from BlueZ 5.66 and the kernel: the properties are asked for once and then followed;
an adapter for LE alone puts three bytes of flags before the data of a broadcast; what a program had
on the air ends with its place on the bus; several advertisements share the air by turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from relay.radio.advertised.frames import frame
from relay.radio.advertised.kinds import USUAL
from tests.doubles.fake_bluez_bus import NOTHING, Answer, Tree

ADAPTER = "org.bluez.Adapter1"
MANAGER = "org.bluez.LEAdvertisingManager1"
ADVERTISEMENT = "org.bluez.LEAdvertisement1"
PROPERTIES = "org.freedesktop.DBus.Properties"
PATH = "/org/bluez/hci0"
# What an adapter sends by itself.
INTERVAL_S = 0.1
# A toy listens here: header and address before it, then flags or padding, length, type, company.
FRAME = slice(15, 26)


@dataclass
class ListeningToy:
    """One with a motor for 0x, and one for each of 3x and 4x. `record`: when it heard what."""

    address: bytes = USUAL
    record: list[tuple[float, int]] = field(default_factory=list)
    levels: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = {frame(self.address, command): command for command in range(256)}

    def hear(self, packet: bytes) -> None:
        command = self._known.get(packet[FRAME])
        if command is None:
            return
        self.record.append((time.monotonic(), command))
        if command == 0:
            self.levels.clear()
        else:
            self.levels[command & 0xF0] = command & 0x0F

    def running(self) -> bool:
        return any(self.levels.values())

    def heard(self) -> list[int]:
        """What it was told, one after the other, without what it had heard just before."""
        told = [command for _, command in self.record]
        return [command for n, command in enumerate(told) if n == 0 or command != told[n - 1]]


class AdvertisingBluez:
    """`refuse`: so many registrations fail. `lost`: so many packets are not heard."""

    def __init__(self, bus: MessageBus, *, dual: bool = False) -> None:
        self.toys: list[ListeningToy] = [ListeningToy()]
        self.tree = Tree(bus)
        self.refuse = 0
        self.lost = 0
        self.registered = 0
        self._dual = dual
        self._bus = bus
        self._free = asyncio.Event()
        self._free.set()
        # Owner → data, of what is on the air.
        self.on_air: dict[str, bytes] = {}
        self.plug()

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, address: str, *, dual: bool = False) -> AsyncIterator[AdvertisingBluez]:
        bus = await MessageBus(bus_address=address).connect()
        async with asyncio.TaskGroup() as tasks:
            bluez = cls(bus, dual=dual)
            waiting: asyncio.Queue[Message] = asyncio.Queue()

            def take(message: Message) -> bool:
                if message.message_type in (MessageType.METHOD_CALL, MessageType.SIGNAL):
                    waiting.put_nowait(message)
                return message.message_type is MessageType.METHOD_CALL

            bus.add_message_handler(take)
            for rule in (
                "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'",
                f"type='signal',interface='{PROPERTIES}',arg0='{ADVERTISEMENT}'",
            ):
                await bus.call(
                    Message(
                        destination="org.freedesktop.DBus",
                        path="/org/freedesktop/DBus",
                        interface="org.freedesktop.DBus",
                        member="AddMatch",
                        signature="s",
                        body=[rule],
                    )
                )
            await bus.request_name("org.bluez")
            serving = tasks.create_task(bluez._serve(waiting))
            sending = tasks.create_task(bluez._send())
            try:
                yield bluez
            finally:
                serving.cancel()
                sending.cancel()
                bus.disconnect()
                with contextlib.suppress(EOFError):
                    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    # --- what tests do to it -------------------------------------------------------------------

    def plug(self) -> None:
        """There is an adapter."""
        if PATH in self.tree.objects:
            return
        shown = {
            "Address": Variant("s", "02:00:00:00:00:FF"),
            "Class": Variant("u", 0x6C010C if self._dual else 0),
            "Powered": Variant("b", True),
            "Roles": Variant("as", ["central", "peripheral"]),
        }
        manager = {
            "ActiveInstances": Variant("y", len(self.on_air)),
            "SupportedInstances": Variant("y", 5),
        }
        self.tree.add(PATH, {ADAPTER: shown, MANAGER: manager})

    def pull(self) -> None:
        self.on_air.clear()
        if PATH in self.tree.objects:
            self.tree.remove(PATH)

    def power(self, *, on: bool) -> None:
        if not on:
            self.on_air.clear()
        self.tree.change(PATH, ADAPTER, Powered=Variant("b", on))

    def hang(self) -> None:
        """What is asked for waits; what is on the air stays there."""
        self._free.clear()

    def heal(self) -> None:
        self._free.set()

    # --- the air -------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            for owner in tuple(self.on_air):
                self._packet(owner)
            await asyncio.sleep(INTERVAL_S)

    def _packet(self, owner: str) -> None:
        if self.lost:
            self.lost -= 1
            return
        data = self.on_air[owner]
        flags = b"" if self._dual else b"\x02\x01\x04"
        content = flags + bytes((len(data) + 3, 0xFF, 0xFF, 0x00)) + data
        assert len(content) <= 31, "no legacy advertisement"
        packet = bytes((0x02, 6 + len(content))) + bytes(6) + content
        for toy in self.toys:
            toy.hear(packet)

    # --- D-Bus ---------------------------------------------------------------------------------

    async def _serve(self, waiting: asyncio.Queue[Message]) -> None:
        calls: set[asyncio.Task[None]] = set()
        while True:
            message = await waiting.get()
            # Whoever dies is gone at once, also for a daemon that is busy with another.
            if message.member == "NameOwnerChanged":
                if not message.body[2]:
                    self.on_air.pop(message.body[0], None)
                continue
            call = asyncio.create_task(self._handle(message))
            calls.add(call)
            call.add_done_callback(calls.discard)

    async def _handle(self, message: Message) -> None:
        await self._free.wait()
        sender = str(message.sender)
        if message.message_type is MessageType.SIGNAL:
            if sender in self.on_air and "ManufacturerData" in message.body[1]:
                self._show(sender, message.body[1])
            return
        try:
            signature, body = await self._call(message)
            reply = Message.new_method_return(message, signature, body)
        except ValueError as error:
            reply = Message.new_error(message, f"org.bluez.Error.{error}", str(error))
        except KeyError:
            unknown = "org.freedesktop.DBus.Error.UnknownObject"
            reply = Message.new_error(message, unknown, f"no object {message.path}")
        self._bus.send(reply)

    async def _call(self, message: Message) -> Answer:
        path, member = str(message.path), str(message.member)
        standard = self.tree.call(path, str(message.interface), member, message.body)
        if standard is not None:
            return standard
        if path not in self.tree.objects:
            raise KeyError(path)
        sender = str(message.sender)
        if member == "UnregisterAdvertisement":
            if self.on_air.pop(sender, None) is None:
                raise ValueError("DoesNotExist")
        elif member == "RegisterAdvertisement":
            if sender in self.on_air:
                raise ValueError("AlreadyExists")
            if self.refuse:
                self.refuse -= 1
                raise ValueError("NotPermitted")
            asked = Message(
                destination=sender, path=str(message.body[0]), interface=PROPERTIES,
                member="GetAll", signature="s", body=[ADVERTISEMENT],
            )  # fmt: skip
            reply = await self._bus.call(asked)
            assert reply is not None
            shown = reply.body[0]
            if shown["Type"].value != "broadcast" or "Discoverable" in shown:
                raise ValueError("Failed")
            self.registered += 1
            self._show(sender, shown)
        return NOTHING

    def _show(self, sender: str, shown: dict[str, Variant]) -> None:
        (data,) = shown["ManufacturerData"].value.values()
        self.on_air[sender] = bytes(data.value)
        self._packet(sender)  # each time it is enabled
