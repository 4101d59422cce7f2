"""`PhoneRig`: a hub, a relay page in a real browser, and a simulated toy behind the browser's own
Bluetooth code, which speaks to a stand-in for BlueZ.

    async with phone_rig() as rig:
        await rig.drive(0.5)            # paired, chosen, connected, armed, leased, running
        assert not rig.toy.at_rest
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dbus_fast import Variant

from relay.link.messages import (
    Advertisements,
    Connected,
    Interests,
    Packet,
    Reply,
    Subscribe,
    Write,
)
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.toy import Toy
from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_emulation import CCCD, Chooser
from tests.doubles.chromium_hub import WebHub
from tests.doubles.fake_bluez_bus import private_bus
from tests.doubles.fake_bluez_daemon import FakeBluez, _path, _service_handle
from tests.doubles.linkhub import LinkHub
from tests.needs import missing

DESCRIPTOR = "org.bluez.GattDescriptor1"
STOP = b"Vibrate:0;"


class ChromiumBluez(FakeBluez):
    """Chromium subscribes only where a client characteristic configuration is shown."""

    def _expose(self, toy: Toy) -> None:
        super()._expose(toy)
        for service in toy.services:
            path = f"{_path(toy)}/service{_service_handle(toy, service.uuid):04x}"
            for one in service.characteristics:
                if "notify" not in one.properties:
                    continue
                characteristic = f"{path}/char{one.handle:04x}"
                shown = {
                    "UUID": Variant("s", CCCD),
                    "Characteristic": Variant("o", characteristic),
                    "Value": Variant("ay", b"\0\0"),
                }
                self.tree.add(f"{characteristic}/desc{one.handle + 1:04x}", {DESCRIPTOR: shown})


@dataclass
class PhoneRig:
    """Everything between an app's command and the toy's motor. `p` is always 1."""

    hub: WebHub
    bluez: ChromiumBluez
    toy: Toy
    browser: Chromium
    page: Page
    chooser: Chooser
    link: LinkHub
    bus: str
    tx: int = 0
    rx: int = 0

    # --- the way in ----------------------------------------------------------------------------

    async def pair(self) -> LinkHub:
        """Open the page with a pairing link, as the QR code does."""
        await self.page.goto("about:blank")
        await self.page.goto(self.hub.pairing_page())
        return await self.meet()

    async def meet(self) -> LinkHub:
        """The page's next link, told what the hub can drive."""
        self.link = await self.hub.link()
        services = tuple(service.uuid for service in self.toy.services)
        self.link.tell(Interests(services, ("LVS-*",)))
        return self.link

    async def choose(self) -> str:
        """Tap "Add a toy" and choose it; returns the address that the page gives it."""
        await self.page.until("!document.getElementById('add').disabled")
        for _ in range(5):
            # While the page still finds its shape, a tap may land beside the button.
            prompted = self.page.expect("DeviceAccess.deviceRequestPrompted")
            await self.page.click("#add")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(prompted, 3)
                break
        return await self.offered()

    async def offered(self) -> str:
        announcement = await self.link.hear(Advertisements)
        return announcement.items[0].address

    async def connect(self, address: str) -> Connected:
        """Connect as number 1, subscribe, arm and lease."""
        answer = await self.link.connect(1, address)
        assert isinstance(answer, Connected), answer
        for service in answer.services:
            for one in service.characteristics:
                if "notify" in one.properties:
                    self.rx = one.handle
                else:
                    self.tx = one.handle
        await self.request(Subscribe(self.link.id(), 1, self.rx))
        await self.link.arm(1, Packet(self.tx, STOP))
        return answer

    async def request(self, message: Subscribe | Write) -> Reply:
        self.link.tell(message)
        return await self.link.reply(message.id)

    async def set_level(self, level: float) -> Reply:
        command = f"Vibrate:{round(level * 20)};".encode()
        return await self.link.output(1, Packet(self.tx, command, keys=(0,)), rest=level == 0)

    async def drive(self, level: float = 0.5) -> str:
        """All of it: from the QR code to a running toy. Returns the toy's address."""
        await self.pair()
        address = await self.choose()
        await self.connect(address)
        await self.set_level(level)
        assert not self.toy.at_rest
        return address

    # --- what happened -------------------------------------------------------------------------

    async def at_rest(self, limit_s: float) -> float:
        """Wait until the toy has stopped; returns the seconds that took."""
        began = time.monotonic()
        async with asyncio.timeout(limit_s):
            await self.toy.until(lambda toy: toy.at_rest)
        return time.monotonic() - began

    def since(self, mark: int) -> list[str]:
        """What reached the toy after its record had `mark` entries: data, or what else it was."""
        entries = list(self.toy.record)[mark:]
        return [entry.data.decode() if entry.data else entry.op.value for entry in entries]

    @property
    def mark(self) -> int:
        return len(self.toy.record)

    async def crash(self) -> None:
        """Kill the page's process, as Android does when memory runs out."""
        gone = self.page.expect("Inspector.targetCrashed")
        with contextlib.suppress(Exception):  # a crashed page answers nothing
            await self.page.call("Page.crash", timeout=1)
        await asyncio.wait_for(gone, 5)

    async def hide(self) -> Page:
        """Put another tab in front."""
        other = await self.browser.page(self.hub.url("/blank"))
        await self.browser.root.call("Target.activateTarget", targetId=other.target_id)
        await self.page.until("document.visibilityState === 'hidden'")
        return other

    async def show(self) -> None:
        await self.browser.root.call("Target.activateTarget", targetId=self.page.target_id)
        await self.page.until("document.visibilityState === 'visible'")

    async def tap_in(self, details: str, selector: str) -> None:
        """Open a fold and tap in it: said to the element, for what opens moves the page."""
        await self.page.evaluate(f"document.querySelector('{details}').open = true")
        await self.page.evaluate(f"document.querySelector('{selector}').click()")


@contextlib.asynccontextmanager
async def phone_rig(
    names: str = "Lovense Hush",
    *,
    features: str = "WebBluetooth",
    hub: WebHub | None = None,
) -> AsyncIterator[PhoneRig]:
    """Skips where there is no dbus-daemon. The page is phone-sized and not yet loaded.

    On the way out of a test that passed, the page's scripts must not have complained.
    """
    if shutil.which("dbus-daemon") is None:
        missing("dbus-daemon is not installed")
    toys = toys_by_name(names)
    async with (
        hub or WebHub() as server,
        private_bus() as address,
        ChromiumBluez.on(address, toys) as bluez,
        Chromium(
            [f"--enable-features={features}"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": address},
        ) as browser,
    ):
        assert isinstance(bluez, ChromiumBluez)
        page = await browser.page()
        await page.phone()
        chooser = await Chooser(page).start()
        nobody = LinkHub.__new__(LinkHub)
        rig = PhoneRig(server, bluez, toys[0], browser, page, chooser, nobody, address)
        yield rig
        assert rig.page.errors == [], "the page's scripts complained"
