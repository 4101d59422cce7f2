"""`AdapterRadio`: one Bluetooth adapter that may be missing, switched off or plugged in anew, and
knows so before anybody scans. `every_adapter`: one of these for each adapter that there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Never

from msgspec.structs import replace

from relay.link.messages import ErrorCode, RadioInfo
from relay.radio.base import (
    ChangingRadios,
    Connection,
    OnAdvertisement,
    OnGone,
    Radio,
    RadioError,
    RadioSource,
)
from relay.radio.bleak_radio import BleakRadio
from relay.radio.gatt import canonical_address
from relay.supervision.adapters import Adapter, KnownAdapters, watch_adapters

Make = Callable[[str | None], Radio]
Follow = Callable[[Callable[[KnownAdapters], None]], Awaitable[Never]]

_NONE = "No Bluetooth adapter was found. Plug one in."
_OFF = (
    "Bluetooth is switched off. Switch it on in the system's settings, on Linux with: "
    "bluetoothctl power on"
)


class AdapterRadio:
    """`said`: its name (hci1), its own address, or "" for the system's choice. `make` opens it."""

    def __init__(self, said: str, make: Make = BleakRadio, follow: Follow = watch_adapters) -> None:
        self._said = canonical_address(said)
        self._make = make
        self._follow = follow
        # Why it cannot be used; until BlueZ has answered, it is taken to be there.
        self._absent = ""
        self._name: str | None = None
        self._radio: Radio | None = None
        self._usable = asyncio.Event()
        self._scope: asyncio.Timeout | None = None
        self._scanning = False

    @property
    def info(self) -> RadioInfo:
        name = self._name or self._said or "default adapter"
        radio = self._radio
        info = RadioInfo("bleak", name) if radio is None else radio.info
        if self._absent:
            return replace(info, name=name, on=False, text=self._absent)
        return replace(info, name=name)

    async def watch(self) -> None:
        await self._follow(self.tell)

    def tell(self, known: KnownAdapters) -> None:
        """What adapters there are, or why that cannot be said."""
        if isinstance(known, Exception):
            self._absent = str(known)
        else:
            self._found(known)
        if not self._absent:
            self._usable.set()
            return
        self._usable.clear()
        scope = self._scope
        if scope is not None and not scope.expired():
            scope.reschedule(asyncio.get_running_loop().time())

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        """While the adapter cannot be used, wait until it can."""
        if self._scanning:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._scanning = True
        try:
            while True:
                await self._usable.wait()
                await self._scan(self._opened(), on_advertisement)
        finally:
            self._scanning = False

    async def connect(self, address: str, on_gone: OnGone) -> Connection:
        if self._absent:
            raise RadioError(ErrorCode.RADIO, self._absent)
        return await self._opened().connect(address, on_gone)

    async def close(self) -> None:
        if self._radio is not None:
            await self._radio.close()

    async def _scan(self, radio: Radio, on_advertisement: OnAdvertisement) -> None:
        try:
            async with asyncio.timeout(None) as self._scope:
                await radio.scan(on_advertisement)
        except TimeoutError:
            return  # it cannot be used any more
        finally:
            self._scope = None
        raise RadioError(ErrorCode.RADIO, "the scan ended by itself")

    def _opened(self) -> Radio:
        if self._radio is None:
            self._radio = self._make(self._name or self._said or None)
        return self._radio

    def _found(self, adapters: Sequence[Adapter]) -> None:
        if not self._said:
            on = any(adapter.powered and adapter.central for adapter in adapters)
            self._absent = "" if on else _OFF if adapters else _NONE
            return
        mine = [one for one in adapters if self._said in (one.name, one.address)]
        if not mine:
            there = ", ".join(one.name for one in adapters)
            self._absent = f"There is no Bluetooth adapter {self._said}" + (
                f": there is {there}." if there else ": plug it in."
            )
            return
        (adapter,) = mine[:1]
        if self._name not in (None, adapter.name):
            self._radio = None  # plugged in anew, it is another one to the system
        self._name = adapter.name
        self._absent = "" if adapter.powered else f"{adapter.name} is off: bluetoothctl power on"
        if not adapter.central:
            self._absent = f"{adapter.name} has no Bluetooth LE: use another adapter."


def every_adapter(make: Make = BleakRadio, follow: Follow = watch_adapters) -> RadioSource:
    """A source that has a radio for each adapter, for as long as it is plugged in."""

    async def run(roster: ChangingRadios) -> Never:
        radios: dict[str, AdapterRadio] = {}
        news = asyncio.Event()
        latest: KnownAdapters = ()

        def tell(known: KnownAdapters) -> None:
            nonlocal latest
            latest = known
            news.set()

        async def bring_up_to_date() -> Never:
            while True:
                await news.wait()
                news.clear()
                there = () if isinstance(latest, Exception) else latest
                for one in there:
                    if one.name not in radios:
                        radios[one.name] = AdapterRadio(one.name, make, follow)
                        radios[one.name].tell(there)
                        roster.add(radios[one.name])
                for name in radios.keys() - {one.name for one in there}:
                    await roster.remove(radios.pop(name))
                roster.trouble = str(latest) if isinstance(latest, Exception) else ""
                if not there and not roster.trouble:
                    roster.trouble = _NONE

        async with asyncio.TaskGroup() as group:
            group.create_task(bring_up_to_date(), name="adapters")
            await follow(tell)
        raise AssertionError("it follows until it is cancelled")

    return run
