"""`Toy`: a virtual peripheral. It answers, and it keeps its own record of what reached it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from relay.link.messages import Advertisement, ErrorCode, Service
from relay.link.messages import Characteristic as GattCharacteristic
from relay.radio.base import RadioError
from relay.radio.simulated.faults import WRITES, FaultPoint, Faults
from relay.radio.simulated.models import PROPERTIES, Motor, ToyModel, check, level, matches, render

# A toy in a flood gets about 1,000 writes a second at most, and tests look back some seconds;
# a hub that runs for weeks must not grow.
RECORD_LIMIT = 50_000

OnNotify = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class ToyOperation:
    """One thing that reached the toy, or that it did. `t_ns`: the clock of its radio."""

    t_ns: int
    op: FaultPoint
    role: str = ""
    characteristic: str = ""
    data: bytes = b""


@dataclass(slots=True)
class MotorState:
    """What a motor does by the last write that concerned it. `level`: 0..1."""

    motor: Motor
    level: float = 0.0
    t_ns: int = 0

    def running(self, now_ns: int) -> bool:
        silence_ms = self.motor.silence_ms
        tired = silence_ms is not None and now_ns - self.t_ns >= silence_ms * 1_000_000
        return self.level > 0 and not tired


class Toy:
    """A peripheral made of a `ToyModel`; `record` holds what happened to it, oldest first.

    Its motors go on when the link is lost, as those of most real ones do, unless
    `stops_when_disconnected`. Raises ModelError if the model contradicts itself.
    """

    def __init__(
        self,
        model: ToyModel,
        address: str,
        *,
        advertised: str | None = None,
        rssi: int = -55,
        stops_when_disconnected: bool = False,
    ) -> None:
        check(model)
        self.model = model
        self.address = address
        self.faults = Faults()
        self.record: deque[ToyOperation] = deque(maxlen=RECORD_LIMIT)
        self.battery = 85
        self.rssi = rssi
        self.in_range = True
        self.connected = False
        self.stops_when_disconnected = stops_when_disconnected
        self.clock: Callable[[], int] = time.monotonic_ns
        self.on_link_lost: Callable[[str], None] | None = None
        self._advertised = advertised or model.advertised[0]
        self._motors = [MotorState(motor) for motor in model.motors]
        self._subscribed: dict[str, OnNotify] = {}
        self._watchers: list[Callable[[ToyOperation], None]] = []
        self._roles = model.roles
        # ATT handles: each characteristic takes a declaration and a value, each service one.
        self.handles: dict[int, str] = {}
        self.services = self._lay_out()

    def __repr__(self) -> str:
        return f"<Toy {self.model.name} {self.address}>"

    def _lay_out(self) -> tuple[Service, ...]:
        services, handle = [], 0
        for uuid, group in self.model.services.items():
            handle += 1
            found = []
            for one in group:
                handle += 2
                self.handles[handle] = one.role
                properties = tuple(PROPERTIES[letter] for letter in one.properties)
                found.append(
                    GattCharacteristic(handle=handle, uuid=one.uuid, properties=properties)
                )
            services.append(Service(uuid=uuid, characteristics=tuple(found)))
        return tuple(services)

    # --- what it shows -------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What kind of toy this is, for people."""
        return self.model.name

    @property
    def advertisement(self) -> Advertisement:
        return Advertisement(
            address=self.address,
            name=self._advertised,
            rssi=self.rssi,
            services=self.model.uuids,
            manufacturer={
                company: self._render(data) for company, data in self.model.manufacturer.items()
            },
        )

    @property
    def at_rest(self) -> bool:
        """Whether every motor is off, by what reached the toy."""
        now = self.clock()
        return not any(state.running(now) for state in self._motors)

    @property
    def levels(self) -> dict[str, float]:
        """Motor → 0..1, by what reached the toy."""
        now = self.clock()
        return {s.motor.name: s.level if s.running(now) else 0.0 for s in self._motors}

    @property
    def words(self) -> str:
        """What it does, for people: `vibrate 50%, rotate off`; without motors, its last order."""
        if not self._motors:
            orders = self.writes
            return f"last told {_spoken(orders[-1])}" if orders else "not told anything yet"
        return ", ".join(
            f"{name} {f'{value:.0%}' if value else 'off'}" for name, value in self.levels.items()
        )

    @property
    def writes(self) -> list[bytes]:
        """The data of all writes on record, oldest first."""
        return [one.data for one in self.record if one.op in WRITES]

    def watch(self, call: Callable[[ToyOperation], None]) -> Callable[[], None]:
        """Call `call` after each operation; returns what ends that."""
        self._watchers.append(call)
        return lambda: self._watchers.remove(call)

    async def until(self, holds: Callable[[Toy], bool]) -> None:
        """Return once `holds(self)` after an operation; the caller sets the deadline."""
        if holds(self):
            return
        done = asyncio.get_running_loop().create_future()

        def look(_: ToyOperation) -> None:
            if not done.done() and holds(self):
                done.set_result(None)

        unwatch = self.watch(look)
        try:
            await done
        finally:
            unwatch()

    # --- what can be done to it ----------------------------------------------------------------

    def drop(self, reason: str = "the link to the simulated toy was lost") -> None:
        """Lose the link, stay in range."""
        if self.connected and self.on_link_lost is not None:
            self.on_link_lost(reason)

    def vanish(self) -> None:
        """Go out of range: no link, no advertising; the motors stay as they are."""
        self.in_range = False
        self.drop("the simulated toy went out of range")

    def appear(self) -> None:
        """Come back into range."""
        self.in_range = True

    def notify(self, role: str, data: bytes) -> bool:
        """Send a notification by itself; False if nobody has subscribed, so that it is lost."""
        send = self._subscribed.get(role)
        if send is None:
            return False
        self._note(FaultPoint.NOTIFY, role, data)
        handle = next(handle for handle, one in self.handles.items() if one == role)
        send(handle, data)
        return True

    # --- what the radio does with it -----------------------------------------------------------

    async def spend(self, op: FaultPoint, ended: asyncio.Future[None] | None = None) -> None:
        """Let an operation take its time. `ended` may fail meanwhile, when the link is lost."""
        loop = asyncio.get_running_loop()
        ended = ended or loop.create_future()
        duration_s = self.faults.duration_s(op)

        def finish() -> None:
            if not ended.done():
                ended.set_result(None)

        if duration_s is None:
            self.faults.when_healed(finish)
            await ended
        elif duration_s > 0:
            timer = loop.call_later(duration_s, finish)
            try:
                await ended
            finally:
                timer.cancel()
        else:
            # Even at once means: not before the event loop had a turn.
            loop.call_soon(finish)
            await ended

    def link_up(self) -> None:
        self.connected = True
        self._note(FaultPoint.CONNECT)

    def link_down(self) -> None:
        self.connected = False
        self._subscribed.clear()
        if self.stops_when_disconnected:
            for state in self._motors:
                state.level = 0.0
        self._note(FaultPoint.DISCONNECT)

    def take(self, role: str, data: bytes, response: bool) -> None:
        """A write arrived: move the motors, answer soon."""
        now = self.clock()
        for state in self._motors:
            self._turn(state, role, data, now)
        self._note(FaultPoint.WRITE if response else FaultPoint.WRITE_NO_RESPONSE, role, data)
        for answer in self.model.answers:
            if answer.role == role and matches(answer.pattern, data):
                # After the write has returned to its caller, as over the air.
                asyncio.get_running_loop().call_soon(
                    self.notify, answer.via, self._render(answer.data)
                )

    async def give(self, role: str) -> bytes:
        """Answer a read. Raises RadioError if the model has no answer."""
        data = self.model.reads.get(role)
        if data is None:
            raise RadioError(ErrorCode.REFUSED, f"{self.name} does not let {role} be read.")
        self._note(FaultPoint.READ, role, value := self._render(data))
        return value

    def subscribe(self, role: str, send: OnNotify) -> None:
        self._subscribed[role] = send
        self._note(FaultPoint.SUBSCRIBE, role)
        if role in self.model.greets:
            greeting = self._render(self.model.greets[role])
            asyncio.get_running_loop().call_soon(self.notify, role, greeting)

    def unsubscribe(self, role: str) -> None:
        self._subscribed.pop(role, None)
        self._note(FaultPoint.UNSUBSCRIBE, role)

    # --- inside --------------------------------------------------------------------------------

    def _turn(self, state: MotorState, role: str, data: bytes, now_ns: int) -> None:
        motor = state.motor
        if any(cue.role == role and matches(cue.pattern, data) for cue in motor.rest):
            state.level, state.t_ns = 0.0, now_ns
            return
        if any(cue.role == role and matches(cue.pattern, data) for cue in motor.toggles):
            state.level, state.t_ns = 0.0 if state.level else 1.0, now_ns
            return
        for cue in motor.drives:
            if cue.role == role and matches(cue.pattern, data):
                told = level(cue, data)
                # A driving write that is not a known rest counts as running, whatever it says.
                share = told / motor.top if told is not None and motor.top else 1.0
                state.level, state.t_ns = min(max(share, 0.01), 1.0), now_ns
                return

    def _render(self, text: str) -> bytes:
        return render(text, mac=self.address.replace(":", ""), battery=self.battery)

    def _note(self, op: FaultPoint, role: str = "", data: bytes = b"") -> None:
        uuid = self._roles[role].uuid if role else ""
        operation = ToyOperation(self.clock(), op, role, uuid, data)
        self.record.append(operation)
        for watcher in tuple(self._watchers):
            watcher(operation)


def _spoken(data: bytes) -> str:
    text = data.decode("latin-1").strip()
    return text if text.isascii() and text.isprintable() and text else data.hex(" ")
