"""Looks for toys with all relays together, and has each opened by the one that does it best.

Which that is, and why the others are not, is `choosing.choice`. One task per toy that is being
opened or resumed; they all end with `run`. The states of an address: docs/architecture.md, "From an
advertisement to a device".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping

from forwarder.clients.turns import TurnQueue
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.device_setup import OpenedDevice
from forwarder.errors import DeviceError, HardwareError, NoPlace
from forwarder.hub.device import Identity
from forwarder.sources.base import HeldBack
from forwarder.sources.gathering import Gathering
from forwarder.sources.held_back import HeldBackToys
from forwarder.sources.relays.bounds import (
    CONNECT_MS,
    ELSEWHERE_MS,
    FULL_S,
    LATE_S,
    MISSING_S,
    WAITING,
)
from forwarder.sources.relays.choosing.candidates import candidates
from forwarder.sources.relays.choosing.choice import (
    Obstacle,
    RelayVerdict,
    WearerKeeps,
    gives_way,
    judge,
    patience_s,
    ranked,
)
from forwarder.sources.relays.choosing.pins import Pins
from forwarder.sources.relays.choosing.seen import SeenFacts
from forwarder.sources.relays.choosing.sightings import Sighting, SightingTable
from forwarder.sources.relays.link_driver import RelayLink
from forwarder.sources.relays.opening import DeviceKeeper, DeviceOpener
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.reserved import Reserved
from forwarder.sources.relays.searches import ScanWord, Searches
from relay.link.messages import Advertisement, ErrorCode

log = logging.getLogger(__name__)


class Finder:
    """`relays`: all there are, by key; the keeper's own table. `known`: what was at an address.

    `owing`: addresses of toys that may be running. They are looked for until they are found.
    `reserved`: toys that wearers keep at their relays. `pins`: what a person decided. `holds`:
    whether the person holds everything; then toys that may be running are stopped and let go, and
    no others are connected.
    """

    def __init__(
        self,
        relays: Mapping[str, Relay],
        catalogue: Catalogue,
        user: UserConfig,
        keeper: DeviceKeeper,
        known: Callable[[str], Identity | None],
        owing: Container[str],
        reserved: Reserved,
        pins: Pins,
        holds: Callable[[], bool],
    ) -> None:
        self.pins = pins
        self.sightings = SightingTable()
        self.reserved = reserved
        # What was decided about each toy that is here, when it was opened.
        self.chosen: dict[str, tuple[RelayVerdict, ...]] = {}
        self._relays = relays
        self._catalogue = catalogue
        self._user = user
        self._keeper = keeper
        self._known = known
        self._owing = owing
        self._holds = holds
        self._back = HeldBackToys()
        self._opener = DeviceOpener(catalogue, user, keeper, reserved, self.place_free)
        self._scanning = False
        self._listens_until = float("-inf")
        self._word = ScanWord(relays, lambda: self.scanning)
        self.greet = self._word.greet
        self._missing = Searches(owing, self._again, self._word.tell)
        # Addresses that are being opened, or are devices.
        self._busy: set[str] = set()
        # Of a thousand toys that come at once, the links' beats would be late.
        self._turns = TurnQueue()
        # Whoever waits for the relay that had it last to hear it.
        self._gathering = Gathering()
        # Toys that found no free place; in the order in which they came.
        self._waiting: dict[str, None] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, expected: Iterable[str] = ()) -> None:
        """Own the tasks that open devices, and look for those at the addresses `expected`; runs
        until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for address in expected:
                self.lost(address)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        assert self._tasks is not None  # both callers have looked
        self._tasks.create_task(work, name=name)

    # --- looking --------------------------------------------------------------------------------

    def scan(self, on: bool) -> None:
        """A client wants to find devices, or none does any more."""
        if on and not self._scanning:
            self.sightings.forgive()  # a new scan is a new chance for what failed before
        self._scanning = on
        self._word.tell(anew=on)

    def lost(self, address: str) -> None:
        """This device is gone: from now on it may be opened again, and is looked for."""
        self._busy.discard(address)
        self.chosen.pop(address, None)
        sighting = self.sightings.get(address)
        if sighting is not None:
            sighting.lost(asyncio.get_running_loop().time())
        if not self._may_connect(address):
            self._back.add(address)
        self.look_for(address)

    def look_for(
        self, address: str, for_s: float = MISSING_S, *, away: bool = False, told: bool = False
    ) -> None:
        """Look for this one although no client asks, unless it is here or being opened. `away`: its
        relay is, so that it may be free. `told`: on a relay's word alone."""
        if address not in self._busy or away:
            self._missing.add(address, for_s, told=told)

    def _again(self, address: str, for_s: float) -> None:
        self.look_for(address, for_s)

    @property
    def scanning(self) -> bool:
        """Whether anything is looked for now, by whomever."""
        return self._scanning or bool(self._missing) or self.listening

    @property
    def listening(self) -> bool:
        """Whether a person only wants to know what is there."""
        return self._listens_until > asyncio.get_running_loop().time()

    def listen(self, for_s: float) -> None:
        """Have all relays listen for a while, and connect nothing for that."""
        loop = asyncio.get_running_loop()
        self._listens_until = max(self._listens_until, loop.time() + for_s)
        self._word.tell()
        # A moment later, for a timer may come a hair early.
        loop.call_later(for_s + 0.01, self._word.tell)

    def seen(self, address: str, sighting: Sighting) -> SeenFacts:
        """What is in the way of a toy that is heard, besides its relays' verdicts."""
        advertisement = sighting.advertisement
        return SeenFacts(
            opening=address in self._busy,
            left_alone=self._catalogue.leaves(advertisement),
            known=bool(self._catalogue.match(advertisement)),
            allowed=self._user.allowed(address),
            stopped=not self._may_connect(address),
            wanted=self.wanted(address)
            or any(self._relays[key].can_choose for key in sighting.seen if key in self._relays),
        )

    def sighted(self, relay: Relay, advertisement: Advertisement) -> None:
        """`relay` hears a toy: open it if it is wanted, known and free."""
        now, address = asyncio.get_running_loop().time(), advertisement.address
        sighting = self.sightings.note(relay.key, advertisement, now)
        if sighting.last == relay.key:
            self._gathering.heard(address)
        self._consider(relay, address, sighting, now)

    def _consider(self, relay: Relay, address: str, sighting: Sighting, now: float) -> None:
        """Open a toy that `relay` hears, if that is wanted and can be."""
        wanted = self.wanted(address) or relay.can_choose
        if not wanted or self._tasks is None or sighting.not_before > now:
            return
        here = address in self._busy
        if here and not (
            now - sighting.opened_at >= LATE_S and self._keeper.strayed(address, relay, take=False)
        ):
            return
        if not self._catalogue.match(sighting.advertisement):
            return
        if here and self._holds():
            self._take(address, relay, sighting, now)  # it may be running
            here = False
        if not self._may_connect(address):
            if self._user.allowed(address):
                self._back.add(address, sighting.advertisement.name or "")
            return
        if relay.openings.left(now) < 1:
            return  # it will be heard again
        verdicts = self.verdicts(address, sighting)
        if not verdicts or verdicts[0].obstacle is not None:
            self._find_room(address, sighting, verdicts)
            return
        if not self._user.allowed(address):
            log.info("%s is denied by the user's configuration", address)
            sighting.leave_alone(now)
            return
        relay.openings.spend(1, now)
        if here:
            self._take(address, relay, sighting, now)
        self._busy.add(address)
        self._waiting.pop(address, None)
        self._spawn(self._open(address, sighting), f"open {address}")

    def _take(self, address: str, hearer: Relay, sighting: Sighting, now: float) -> None:
        """It is the device of a relay that is away."""
        self._keeper.strayed(address, hearer, take=True)
        # Whoever heard it, and led to this, did so after it was lost.
        sighting.seen[hearer.key] = now, sighting.level(hearer.key)

    def wanted(self, address: str) -> bool:
        """Whether this toy is to be opened when it is heard."""
        return self._scanning or address in self._missing or address in self._owing

    def verdicts(self, address: str, sighting: Sighting) -> tuple[RelayVerdict, ...]:
        """The relays about this toy, the best first: all, or those that matter."""
        now = asyncio.get_running_loop().time()
        hold = self.reserved.hold(address)
        keeper = None if hold is None else hold.relay
        relays = candidates(self._relays, sighting, self.pins, keeper)
        return ranked(self._judge(relay, address, sighting, now) for _, relay in relays)

    def _judge(self, relay: Relay, address: str, sighting: Sighting, now: float) -> RelayVerdict:
        hold = self.reserved.hold(address)
        held = None if hold is None else WearerKeeps(hold.relay, hold.why)
        pin = self.pins.of(address, relay.key, relay.name)
        return judge(sighting, relay.post(now), pin, held, now)

    # --- while the person's stop holds ----------------------------------------------------------

    def hold_changed(self) -> None:
        """End what is being opened, for its handshake may move it; or look for those held back."""
        if self._holds():
            for relay in self._relays.values():
                for opening in relay.opening.values():
                    opening.give_up("a person has stopped everything.")
            return
        self.sightings.forgive()
        for address in self._back.take():
            self.look_for(address)
        self._word.tell(anew=True)

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        return tuple(self._back)

    def _may_connect(self, address: str) -> bool:
        return address in self._owing or not self._holds()

    # --- places ---------------------------------------------------------------------------------

    def _find_room(
        self, address: str, sighting: Sighting, verdicts: tuple[RelayVerdict, ...]
    ) -> None:
        """Nobody can take it. If only a place is missing, it gets the next one."""
        full = [one for one in verdicts if one.obstacle is Obstacle.FULL]
        if not full or not self._user.allowed(address):
            return
        if address not in self._waiting and len(self._waiting) < WAITING:
            self._waiting[address] = None
            name = sighting.advertisement.name or address
            for one in full:
                taken = self._relays[one.post.key].taken
                log.warning("%s waits: %s has no free place, %d taken", name, one.post.name, taken)
        key = gives_way(verdicts)
        if key is not None:
            self._relays[key].give_up_longest("it took too long, and another device waited")

    def place_free(self, relay: Relay) -> None:
        """`relay` may take another one, or may take one again."""
        relay.full = False
        now = asyncio.get_running_loop().time()
        free = relay.free_slots
        for address in tuple(self._waiting):
            sighting = self.sightings.get(address)
            if sighting is None or not any(sighting.fresh(key, now) for key in sighting.seen):
                del self._waiting[address]
            elif free > 0 and self._judge(relay, address, sighting, now).obstacle is None:
                self._consider(relay, address, sighting, now)
                free -= address in self._busy

    def _is_full(self, relay: Relay) -> None:
        relay.full = True
        log.warning("%s has no free place, its radio says; %d taken", relay.name, relay.taken - 1)
        asyncio.get_running_loop().call_later(FULL_S, self._full_over, relay)

    def _full_over(self, relay: Relay) -> None:
        if relay.full and self._relays.get(relay.key) is relay:
            self.place_free(relay)

    def let_go(self, relay: Relay, link: RelayLink, p: int, address: str) -> None:
        """Have the relay let this one go; its place is taken until it has."""
        self._opener.let_go(relay, link, p, address)

    # --- opening --------------------------------------------------------------------------------

    async def _open(self, address: str, sighting: Sighting) -> None:
        """Connect a toy at the relay that does it best, else at the next. Its address stays busy
        until it is gone again, or all have failed."""
        opened: Relay | None = None
        verdicts: tuple[RelayVerdict, ...] = ()
        try:
            for_s = patience_s(sighting, self.verdicts(address, sighting))
            await self._gathering.wait(address, for_s)
            if address not in self._owing:  # nor is a stop kept waiting
                await self._turns.spare()
            # Ends: each relay that fails has a pause then, and one that is full is full.
            while opened is None and self._may_connect(address):
                verdicts = self.verdicts(address, sighting)
                if not verdicts or verdicts[0].obstacle is not None:
                    break
                relay = self._relays[verdicts[0].post.key]
                name = sighting.advertisement.name or address
                log.info("%s: %s", name, "; ".join(map(str, verdicts)))
                others = sum(one.obstacle is None for one in verdicts) > 1
                if await self._opened_at(relay, address, sighting, others=others):
                    opened = relay
        finally:
            if opened is None:
                self._busy.discard(address)
        if opened is None:
            if self._may_connect(address):
                self._find_room(address, sighting, verdicts)
            else:
                self._back.add(address, sighting.advertisement.name or "")
            return
        sighting.opened(opened.key, asyncio.get_running_loop().time())
        self.chosen[address] = verdicts
        self._missing.end(address)

    async def _opened_at(
        self, relay: Relay, address: str, sighting: Sighting, *, others: bool
    ) -> bool:
        known = self._known(address)
        timeout_ms = ELSEWHERE_MS if others else CONNECT_MS
        try:
            if self._holds():
                await self._opener.stop(relay, sighting.advertisement, known, timeout_ms=timeout_ms)
                self._missing.end(address)
                return False
            if sighting.failures % 2:
                known = None  # Each second time: what is known may have become wrong.
            await self._opener.open(relay, sighting.advertisement, known, timeout_ms=timeout_ms)
        except NoPlace:
            self._is_full(relay)
        except DeviceError as error:
            if self._may_connect(address):
                busy = isinstance(error, HardwareError) and error.reason is ErrorCode.BUSY
                self._failed(relay, sighting, str(error), elsewhere=busy)
        except Exception:
            # A fault boundary: what goes wrong with one toy must not end all the others.
            log.exception("%s tripped this hub up", address)
            self._failed(relay, sighting, "an error in the hub, see its log.")
        else:
            return True
        return False

    def _failed(
        self, relay: Relay, sighting: Sighting, why: str, *, elsewhere: bool = False
    ) -> None:
        now = asyncio.get_running_loop().time()
        pause = sighting.failed(relay.key, now, why, elsewhere=elsewhere)
        name = sighting.advertisement.name or sighting.advertisement.address
        text = f"{name} could not be opened at {relay.name}: {why}"
        log.warning("%s Next try there in %.0f s.", text, pause)

    def resume(self, relay: Relay, link: RelayLink, opened: OpenedDevice) -> None:
        """The relay kept it through a lost link: arm it again, so that clients notice nothing."""
        if self._tasks is not None:
            self._spawn(self._resume(relay, link, opened), f"resume {opened.device.name}")

    async def _resume(self, relay: Relay, link: RelayLink, opened: OpenedDevice) -> None:
        if await self._opener.resume(relay, link, opened):
            address = opened.hardware.address
            self._missing.end(address)
