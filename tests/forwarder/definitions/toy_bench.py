"""A simulated toy without radio and clock: identifies it, moves it, looks at its motors."""

from __future__ import annotations

from typing import TypeVar

from forwarder.definitions.catalogue import Catalogue, Model
from forwarder.protocols.base import (
    ProtocolError,
    ReadStep,
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from relay.link.messages import Advertisement, Characteristic, Packet, Service
from relay.radio.simulated.models import ToyModel, level, matches, render

MAC = "0082059AD3BD"
T = TypeVar("T")


class Bench:
    """`levels`: motor → 0..1 by the last write that concerned it; `ran`: those that ever ran."""

    def __init__(self, toy: ToyModel, advertised: str | None = None) -> None:
        self.toy = toy
        self.levels = dict.fromkeys((motor.name for motor in toy.motors), 0.0)
        self.ran: set[str] = set()
        self._pending: list[tuple[str, bytes]] = []
        self.advertisement = Advertisement(
            address="C0:00:00:00:00:01",
            name=advertised or toy.advertised[0],
            services=toy.uuids,
            manufacturer={company: self._bytes(data) for company, data in toy.manufacturer.items()},
        )
        numbers = iter(range(1, 1000))
        self._handles = {role: next(numbers) for role in toy.roles}
        self._roles = {handle: role for role, handle in self._handles.items()}
        self.services = tuple(
            Service(
                uuid=uuid,
                characteristics=tuple(
                    Characteristic(handle=self._handles[one.role], uuid=one.uuid) for one in group
                ),
            )
            for uuid, group in toy.services.items()
        )

    def _bytes(self, text: str) -> bytes:
        return render(text, mac=MAC, battery=85)

    def identify(self, catalogue: Catalogue) -> Model:
        """As the hub does: the first candidate whose services fit."""
        for candidate in catalogue.match(self.advertisement):
            if candidate.endpoints(self.services):
                identifier = self.play(candidate.identify(self.advertisement))
                return candidate.resolve(identifier, self.advertisement)
        raise ProtocolError(f"{self.toy.name}: not recognised")

    def play(self, steps: Steps[T]) -> T:
        """Be the toy for a handshake or a reading."""
        self._pending.clear()
        answer: bytes | None = None
        try:
            step = next(steps)
            while True:
                answer = None
                match step:
                    case WriteStep(endpoint, data, _):
                        self._pending.clear()
                        self.write(endpoint, data)
                    case ReadStep(endpoint):
                        if endpoint not in self.toy.reads:
                            step = steps.throw(StepFailed("not readable"))
                            continue
                        answer = self._bytes(self.toy.reads[endpoint])
                    case SubscribeStep(endpoint) if endpoint in self.toy.greets:
                        greeting = self._bytes(self.toy.greets[endpoint])
                        self._pending.append((endpoint, greeting))
                    case WaitStep(endpoint, _):
                        said = [one for one in self._pending if one[0] == endpoint]
                        if not said:
                            step = steps.throw(StepFailed("silence"))
                            continue
                        self._pending.remove(said[0])
                        answer = said[0][1]
                    case _:
                        pass
                step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def write(self, role: str, data: bytes) -> None:
        for motor in self.toy.motors:
            if any(cue.role == role and matches(cue.pattern, data) for cue in motor.rest):
                self.levels[motor.name] = 0.0
                continue
            if any(cue.role == role and matches(cue.pattern, data) for cue in motor.toggles):
                self.levels[motor.name] = 0.0 if self.levels[motor.name] else 1.0
                self.ran.add(motor.name)
                continue
            for cue in motor.drives:
                if cue.role == role and matches(cue.pattern, data):
                    told = level(cue, data)
                    share = told / motor.top if told is not None and motor.top else 1.0
                    self.levels[motor.name] = min(max(share, 0.01), 1.0)
                    self.ran.add(motor.name)
                    break
        for answer in self.toy.answers:
            if answer.role == role and matches(answer.pattern, data):
                self._pending.append((answer.via, self._bytes(answer.data)))

    def take(self, packets: tuple[Packet, ...]) -> None:
        for packet in packets:
            self.write(self._roles[packet.handle], packet.data)
