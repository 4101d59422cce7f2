"""`SimulatedRadio`: the radio that finds and connects virtual toys, with all their faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from relay.link.messages import ErrorCode, RadioInfo, Service
from relay.radio.base import OnAdvertisement, OnGone, OnValue, RadioError
from relay.radio.gatt import ATT_OVERHEAD, with_response
from relay.radio.simulated.faults import Fault, FaultPoint
from relay.radio.simulated.toy import Toy

# Toys advertise every 20 ms to 1 s; 100 ms is what most of them do.
ADVERTISE_EVERY_S = 0.1


class SimulatedRadio:
    """Finds `toys` while they are in range and connects them, at most `slots` at once.

    `clock` gives nanoseconds for the toys' records; tests in virtual time pass their loop's.
    """

    def __init__(
        self,
        toys: Sequence[Toy],
        *,
        slots: int | None = None,
        advertise_every_s: float = ADVERTISE_EVERY_S,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.toys = tuple(toys)
        self._slots = slots
        self._every_s = advertise_every_s
        self._on = True
        self._connections: dict[str, SimulatedConnection] = {}
        for toy in self.toys:
            toy.clock = clock

    @property
    def info(self) -> RadioInfo:
        free = None if self._slots is None else self._slots - len(self._connections)
        text = "" if self._on else "The simulated radio is switched off."
        return RadioInfo("simulated", f"{len(self.toys)} toys", self._on, free, text)

    def toy(self, name: str) -> Toy:
        """Return the first toy with this device name, advertised name or address; else KeyError."""
        for toy in self.toys:
            if name in (toy.name, toy.address, toy.advertisement.name):
                return toy
        raise KeyError(name)

    def words(self, address: str) -> str:
        return next((toy.words for toy in self.toys if toy.address == address), "")

    def switch(self, on: bool) -> None:
        """Switch the radio itself off or on; off loses every link."""
        self._on = on
        if not on:
            for connection in tuple(self._connections.values()):
                connection.lose("the simulated radio was switched off")

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        while True:
            self._demand_on()
            for toy in self.toys:
                if toy.in_range and not toy.connected:
                    on_advertisement(toy.advertisement)
            await asyncio.sleep(self._every_s)

    async def connect(self, address: str, on_gone: OnGone) -> SimulatedConnection:
        toy = next((toy for toy in self.toys if toy.address == address), None)
        if toy is None:
            raise RadioError(ErrorCode.NOT_FOUND, f"There is no simulated toy {address}.")
        self._demand_reachable(toy)
        fault = toy.faults.draw(FaultPoint.CONNECT)
        await toy.spend(FaultPoint.CONNECT)
        if fault is not None:
            raise RadioError(fault.code, f"{toy.name}: {fault.text}.")
        # The world may have changed meanwhile; from here on nothing waits.
        self._demand_reachable(toy)
        connection = SimulatedConnection(toy, on_gone, self._forget)
        self._connections[address] = connection
        toy.on_link_lost = connection.lose
        toy.link_up()
        return connection

    async def close(self) -> None:
        for connection in tuple(self._connections.values()):
            connection.let_go()

    def _demand_on(self) -> None:
        if not self._on:
            raise RadioError(ErrorCode.RADIO, "The simulated radio is switched off.")

    def _demand_reachable(self, toy: Toy) -> None:
        self._demand_on()
        if not toy.in_range:
            raise RadioError(ErrorCode.NOT_FOUND, f"{toy.name} is not in range.")
        if toy.connected:
            raise RadioError(ErrorCode.BUSY, f"{toy.name} is already connected.")
        if self._slots is not None and len(self._connections) >= self._slots:
            text = f"All {self._slots} connections of the simulated radio are in use."
            raise RadioError(ErrorCode.BUSY, text, full=True)

    def _forget(self, toy: Toy) -> None:
        self._connections.pop(toy.address, None)
        toy.on_link_lost = None


class SimulatedConnection:
    """One connected toy. A second operation while one is under way fails with BUSY."""

    def __init__(self, toy: Toy, on_gone: OnGone, forget: Callable[[Toy], None]) -> None:
        self._toy = toy
        self._on_gone = on_gone
        self._forget = forget
        self._up = True
        self._listeners: dict[int, OnValue] = {}
        self._current: asyncio.Future[None] | None = None
        self._properties = {
            one.handle: one.properties
            for service in toy.services
            for one in service.characteristics
        }

    @property
    def services(self) -> tuple[Service, ...]:
        return self._toy.services

    @property
    def mtu(self) -> int:
        return self._toy.model.mtu

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        role = self._role(handle)
        toy = self._toy
        response = self._fits(handle, data, response)

        async def act() -> None:
            toy.take(role, data, response)

        await self._operate(FaultPoint.WRITE if response else FaultPoint.WRITE_NO_RESPONSE, act)

    def write_now(self, handle: int, data: bytes, response: bool) -> bool:
        role = self._role(handle)
        toy = self._toy
        response = self._fits(handle, data, response)
        op = FaultPoint.WRITE if response else FaultPoint.WRITE_NO_RESPONSE
        if self._current is not None or not toy.faults.calm(op):
            return False
        if not self._up:
            raise self._gone()
        toy.take(role, data, response)
        return True

    def _fits(self, handle: int, data: bytes, response: bool) -> bool:
        """Whether this is a write with response. Raises RadioError if it is too long."""
        response = with_response(self._properties[handle], response)
        if not response and len(data) > self.mtu - ATT_OVERHEAD:
            text = f"{self._toy.name}: {len(data)} bytes do not fit into a write without response."
            raise RadioError(ErrorCode.REFUSED, text)
        return response

    async def read(self, handle: int) -> bytes:
        role = self._role(handle)
        value = b""

        async def act() -> None:
            nonlocal value
            value = await self._toy.give(role)

        await self._operate(FaultPoint.READ, act)
        return value

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        role = self._role(handle)

        async def act() -> None:
            self._listeners[handle] = on_value
            self._toy.subscribe(role, self._hear)

        await self._operate(FaultPoint.SUBSCRIBE, act)

    async def unsubscribe(self, handle: int) -> None:
        role = self._role(handle)

        async def act() -> None:
            self._listeners.pop(handle, None)
            self._toy.unsubscribe(role)

        await self._operate(FaultPoint.UNSUBSCRIBE, act)

    async def disconnect(self) -> None:
        if not self._up:
            return
        # Not an operation among others: it may end one that hangs.
        fault = self._toy.faults.draw(FaultPoint.DISCONNECT)
        await self._toy.spend(FaultPoint.DISCONNECT)
        if fault is None or fault.applied:
            self.let_go()
        if fault is not None and not fault.silent:
            raise self._failure(fault)

    def let_go(self) -> None:
        """End the link from this side, without a word to `on_gone`."""
        if self._up:
            self._cut("the relay disconnected")

    def lose(self, reason: str) -> None:
        """The link is lost: what is under way fails, and whoever connected is told."""
        if self._up:
            self._cut(reason)
            self._on_gone(reason)

    def _cut(self, reason: str) -> None:
        self._up = False
        self._listeners.clear()
        self._forget(self._toy)
        self._toy.link_down()
        if self._current is not None and not self._current.done():
            self._current.set_exception(self._gone(reason))

    def _gone(self, reason: str = "it is not connected") -> RadioError:
        return RadioError(ErrorCode.GONE, f"{self._toy.name}: {reason}.")

    def _hear(self, handle: int, data: bytes) -> None:
        listener = self._listeners.get(handle)
        if listener is not None:
            listener(data)

    def _role(self, handle: int) -> str:
        role = self._toy.handles.get(handle)
        if role is None:
            text = f"{self._toy.name} has no characteristic with handle {handle}."
            raise RadioError(ErrorCode.REFUSED, text)
        return role

    async def _operate(self, op: FaultPoint, act: Callable[[], Awaitable[None]]) -> None:
        if not self._up:
            raise self._gone()
        if self._current is not None:
            text = f"{self._toy.name}: another operation is in progress."
            raise RadioError(ErrorCode.BUSY, text)
        fault = self._toy.faults.draw(op)
        self._current = asyncio.get_running_loop().create_future()
        try:
            await self._toy.spend(op, self._current)
            if fault is None or fault.applied:
                await act()
            if not self._up:
                raise self._gone()
        finally:
            self._current = None
        if fault is not None and not fault.silent:
            raise self._failure(fault)

    def _failure(self, fault: Fault) -> RadioError:
        return RadioError(fault.code, f"{self._toy.name}: {fault.text}.")
