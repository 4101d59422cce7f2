"""One relay agent as the hub knows it, and the peripherals that are being opened through it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from forwarder.clients.budget import Budget
from forwarder.connectors.base import PathNow, local_path
from forwarder.connectors.bounds import OPENINGS_BURST, OPENINGS_S
from forwarder.devices.device_setup import OpenedDevice
from forwarder.sources.relays.choosing.choice import Post
from forwarder.sources.relays.hardware import RelayHardware
from forwarder.sources.relays.link_driver import RelayLink
from relay.link.errors import LinkRefused
from relay.link.messages import Debt, Hello, Places, RadioInfo, StopCause, Wearer

# Why a relay stopped a toy by itself, in words that follow a colon.
WHY: dict[StopCause, str] = {
    StopCause.LEASE: "the hub was not heard for too long",
    StopCause.LINK: "the link to the hub broke",
    StopCause.PAUSE: "the wearer paused",
    StopCause.EMERGENCY: "emergency stop",
    StopCause.SHUTDOWN: "the relay shuts down",
    StopCause.RADIO: "the radio is in trouble",
    StopCause.STALL: "the relay was held up",
    StopCause.RUN_TIME: "it ran as long as the wearer allows",
}


@dataclass(slots=True, eq=False)
class DeviceOpening:
    """A peripheral that is being made a device since `since`, in `scope`. `lost`: why that cannot
    succeed. `connecting`: it is not connected yet; `stays`: it is let go no more."""

    hardware: RelayHardware
    since: float = 0.0
    connecting: bool = True
    scope: asyncio.Timeout | None = None
    lost: str | None = None
    stays: bool = False

    def give_up(self, why: str) -> None:
        """It is gone: end the opening now, wherever it waits."""
        self.lost = self.lost or why
        if self.scope is not None and not self.scope.expired():
            self.scope.reschedule(asyncio.get_running_loop().time())


@dataclass(slots=True, eq=False)
class Relay:
    """One relay agent; it outlives its links.

    `key` is what makes it the same one next time: its public key, or a word. `link`: None while it
    is away. `devices`, `opening` and `leaving` are by the number that the hub gave the peripheral;
    each takes a place. `full`: it said that there is none. `openings`: how many more toys of its
    are opened now.
    """

    key: str
    name: str
    hello: Hello
    # What carries its link now.
    path: PathNow = local_path
    link: RelayLink | None = None
    wearer: Wearer = field(default_factory=Wearer)
    radio: RadioInfo | None = None
    stats: dict[str, int | float] = field(default_factory=dict)
    # Toys that it cannot reach and that may be running; it looks for them by itself.
    debts: tuple[Debt, ...] = ()
    devices: dict[int, OpenedDevice] = field(default_factory=dict)
    opening: dict[int, DeviceOpening] = field(default_factory=dict)
    # Addresses of those that it was told to let go, until it has.
    leaving: dict[int, str] = field(default_factory=dict)
    full: bool = False
    grace: asyncio.TimerHandle | None = None
    revoked: bool = False
    openings: Budget = field(default_factory=lambda: Budget(OPENINGS_S, OPENINGS_BURST, 0.0))
    _last_p: int = 0

    def __repr__(self) -> str:
        return f"<Relay {self.name}, {len(self.devices)} devices>"

    @property
    def can_choose(self) -> bool:
        """Whether a person there chooses the toys: what it reports has been asked for."""
        return "chooser" in self.hello.capabilities

    @property
    def supervised(self) -> bool:
        """Whether what it drives is stopped even if the relay itself dies."""
        return "supervised" in self.hello.capabilities

    @property
    def taken(self) -> int:
        """Places that are taken here."""
        return len(self.devices) + len(self.opening) + len(self.leaving)

    def tell_places(self, places: Places) -> None:
        """Where this hub is to be found, for a relay that is here and wants to know."""
        if self.link is not None and "places" in self.hello.capabilities:
            self.link.tell(places)

    @property
    def free_slots(self) -> int:
        """Connections this relay can still take, as far as it says."""
        if self.full:
            return 0
        free = self.hello.max_peripherals - self.taken
        if self.radio is not None and self.radio.slots is not None:
            free = min(free, self.radio.slots)
        return free

    @property
    def blocked(self) -> str | None:
        """Why outputs are refused, in words for a client; None if they are not."""
        if self.wearer.stopped:
            return f"The wearer pressed the emergency stop at {self.name}."
        if self.wearer.paused:
            return f"The wearer has paused {self.name}."
        return None

    def post(self, now: float) -> Post:
        """What the choice of a relay needs to know of it."""
        radio = self.radio
        connecting = (each for each in self.opening.values() if each.connecting)
        return Post(
            self.key,
            self.name,
            linked=self.link is not None,
            off=None if radio is None or radio.on else radio.text,
            blocked=self.blocked,
            free=self.free_slots,
            connects_s=tuple(now - each.since for each in connecting),
        )

    def give_up_longest(self, why: str) -> None:
        """Give up the connect in progress that takes longest."""
        connecting = [each for each in self.opening.values() if each.connecting]
        if connecting:
            min(connecting, key=lambda each: each.since).give_up(why)

    # --- its peripherals ------------------------------------------------------------------------

    def next_p(self) -> int:
        """A number that no peripheral of this relay has, nor had lately."""
        while True:
            self._last_p = self._last_p % 0xFFFF + 1
            if self.hardware(self._last_p) is None:
                return self._last_p

    def hardware(self, p: int) -> RelayHardware | None:
        opened, opening = self.devices.get(p), self.opening.get(p)
        if opened is not None:
            return hardware_of(opened)
        return None if opening is None else opening.hardware

    def all_hardware(self) -> Iterator[RelayHardware]:
        for opened in self.devices.values():
            yield hardware_of(opened)
        for opening in self.opening.values():
            yield opening.hardware

    @property
    def running(self) -> bool:
        """Whether an output is on."""
        return any(hardware.running for hardware in self.all_hardware())

    def leases(self, link: RelayLink) -> dict[int, int]:
        """What to renew over `link`: number → milliseconds. Nothing over a link that is not its
        own any more."""
        if self.link is not link:
            return {}
        session = link.session
        return {
            hardware.p: session.active_ms if hardware.running else session.idle_ms
            for hardware in self.all_hardware()
            if hardware.armed
        }


def hardware_of(opened: OpenedDevice) -> RelayHardware:
    """What the device runs over; everything at a relay runs over this kind."""
    assert isinstance(opened.hardware, RelayHardware)
    return opened.hardware


def free_key(relays: Mapping[str, Relay], name: str) -> str:
    """What a relay of this machine that was not paired is known by. Raises LinkRefused.

    Two relays on one machine have the same name unless the user gave them others. A link on this
    machine never lingers after its end, so a taken key means another relay.
    """
    for number in range(1, 1000):
        key = f"local:{name}" if number == 1 else f"local:{name}#{number}"
        relay = relays.get(key)
        if relay is None or relay.link is None:
            return key
    raise LinkRefused("too many relays have the same name")
