"""What stands in for a toy in the browser: CDP's simulated peripheral, and who answers the chooser.

Replaces the browser's adapter; `fake_bluez` replaces only the daemon below it, and is the better
double wherever notifications or link loss matter.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.doubles.chromium import Chromium, Page, Params

CCCD = "00002902-0000-1000-8000-00805f9b34fb"

Pick = Callable[[Sequence[Params]], Params | None]


class Chooser:
    """Answers `requestDevice()` of one page. `pick` says which device; `cancel` closes it instead.

    The prompt's event repeats for each change of the list, with the same id. Answering an id twice
    ends the whole browser (a CHECK in bluetooth_device_chooser_controller.cc), so each id is
    answered once.
    """

    def __init__(self, page: Page, pick: Pick | None = None) -> None:
        self._page = page
        self.pick: Pick = pick or (lambda devices: devices[0] if devices else None)
        self.cancel = False
        self.hold = False
        self.prompts: list[Params] = []
        self._answered: set[str] = set()
        self._tasks: set[asyncio.Task[Params]] = set()

    async def start(self) -> Chooser:
        self._page.on("DeviceAccess.deviceRequestPrompted", self._prompted)
        await self._page.call("DeviceAccess.enable")
        return self

    def _prompted(self, event: Params) -> None:
        self.prompts.append(event)
        chosen = self.pick(event["devices"])
        if self.hold or event["id"] in self._answered or (chosen is None and not self.cancel):
            return
        self._answered.add(event["id"])
        if self.cancel:
            self._call("cancelPrompt", id=event["id"])
        elif chosen is not None:
            self._call("selectPrompt", id=event["id"], deviceId=chosen["id"])

    def _call(self, method: str, **params: Any) -> None:
        task = asyncio.get_running_loop().create_task(
            self._page.call(f"DeviceAccess.{method}", **params)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Emulated:
    """One simulated peripheral. `table`: service → characteristic → properties.

    `writes` collects (characteristic, data, kind). `silent`: operations stay unanswered.
    """

    def __init__(
        self,
        browser: Chromium,
        table: Mapping[str, Mapping[str, Sequence[str]]],
        address: str = "02:00:00:00:00:01",
        name: str = "LVS-Z001",
    ) -> None:
        self._root = browser.root
        self.address, self.name, self._table = address, name, table
        self.writes: list[tuple[str, bytes, str]] = []
        self.operations: list[str] = []
        self.silent = False
        self.codes: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Params]] = set()
        self._root.on("BluetoothEmulation.gattOperationReceived", self._gatt)
        self._root.on("BluetoothEmulation.characteristicOperationReceived", self._operation)

    async def call(self, method: str, **params: Any) -> Params:
        return await self._root.call(f"BluetoothEmulation.{method}", **params)

    async def start(self) -> Emulated:
        await self.call("enable", state="powered-on", leSupported=True)
        await self.call(
            "simulatePreconnectedPeripheral",
            address=self.address,
            name=self.name,
            manufacturerData=[],
            knownServiceUuids=list(self._table),
        )
        await self.build()
        return self

    async def build(self) -> None:
        """The GATT table; a disconnection throws it away, so build it again before a reconnect."""
        for service, characteristics in self._table.items():
            made = await self.call("addService", address=self.address, serviceUuid=service)
            for uuid, properties in characteristics.items():
                one = await self.call(
                    "addCharacteristic",
                    serviceId=made["serviceId"],
                    characteristicUuid=uuid,
                    properties=dict.fromkeys(properties, True),
                )
                self._names[one["characteristicId"]] = uuid
                if "notify" in properties:
                    # Without it startNotifications() is "not supported".
                    await self.call(
                        "addDescriptor",
                        characteristicId=one["characteristicId"],
                        descriptorUuid=CCCD,
                    )

    async def drop(self) -> None:
        """Lose the link. Nothing may be pending, or the page loses its Bluetooth altogether."""
        await self.call("simulateGATTDisconnection", address=self.address)

    def _answer(self, method: str, **params: Any) -> None:
        task = asyncio.get_running_loop().create_task(self.call(method, **params))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _gatt(self, event: Params) -> None:
        if event["address"] != self.address:
            return
        self.operations.append(event["type"])
        if self.silent:
            return
        code = self.codes.get(event["type"], 0)
        self._answer(
            "simulateGATTOperationResponse", address=self.address, type=event["type"], code=code
        )

    def _operation(self, event: Params) -> None:
        uuid = self._names.get(event["characteristicId"])
        if uuid is None:
            return
        kind = event["type"]
        self.operations.append(kind)
        if kind == "write":
            data = base64.b64decode(event["data"])
            self.writes.append((uuid, data, event["writeType"]))
            if event["writeType"] == "write-without-response":
                return
        if self.silent:
            return
        value = {"data": base64.b64encode(b"\x55").decode()} if kind == "read" else {}
        self._answer(
            "simulateCharacteristicOperationResponse",
            characteristicId=event["characteristicId"],
            type=kind,
            code=self.codes.get(kind, 0),
            **value,
        )
