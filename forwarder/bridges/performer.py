"""Has toys do what their `Performance` says, by the commands of a client.

One task wakes when the next step of any toy is due. A toy that has not answered yet holds up no
other; it is told nothing new meanwhile but its stop. A command that was refused ends what that toy
was doing: when a person resumes, nothing of it begins again. What this bridge set going stops when
it leaves, as with any client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from functools import partial

from forwarder.bridges.client import BridgeClient, Refusal, told
from forwarder.bridges.programs import POSITIONS, Performance, Slot
from forwarder.buttplug.messages import OutputType
from forwarder.client.device import RemoteDevice

log = logging.getLogger(__name__)

ToyCommand = Callable[[], Awaitable[object]]


class Performer:
    """The performances of all toys of one bridge, by device index."""

    def __init__(
        self, client: BridgeClient, silence_s: float, clock: Callable[[], float] | None = None
    ) -> None:
        self._client = client
        self._silence_s = silence_s
        self._clock = clock or asyncio.get_running_loop().time
        self._toys: dict[int, Performance] = {}
        self._sent: dict[int, dict[Slot, float]] = {}
        # When to look next, by what was decided last: what ended meanwhile is due at once.
        self._again: dict[int, float | None] = {}
        # Toys whose step is not answered yet, and those of them that had another one due meanwhile.
        self._busy: set[int] = set()
        self._missed: set[int] = set()
        self._changed = asyncio.Event()

    @property
    def now(self) -> float:
        return self._clock()

    def of(self, device: RemoteDevice) -> Performance:
        """The performance of a device; whoever changes it calls `perform` then."""
        return self._toys.setdefault(device.index, Performance(self._silence_s))

    def heard(self, peer: object) -> None:
        """A word of this peer."""
        for toy in self._toys.values():
            toy.heard(peer, self.now)

    def gone(self, peer: Hashable) -> None:
        """This peer has ended: what it set going does so, too."""
        for index, toy in self._toys.items():
            toy.gone(peer)
            self._again[index] = self.now
        self.soon()

    async def run(self) -> None:
        """Carry out each step when it is due. Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                due = [at for at in self._again.values() if at is not None]
                wait = None if not due else max(0.0, min(due) - self.now)
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                self._changed.clear()
                for device, toy in self._here():
                    if device.index in self._busy:
                        self._missed.add(device.index)
                        self._again[device.index] = toy.moment(self.now).again
                        if toy:
                            continue
                    if commands := self._commands(device, toy):
                        self._busy.add(device.index)
                        step = self._step(device, toy, commands)
                        tasks.create_task(step, name=f"{self._client.name} step")

    async def _step(
        self, device: RemoteDevice, toy: Performance, commands: Iterable[ToyCommand]
    ) -> None:
        try:
            await self._act(device, toy, commands)
        except Refusal as error:
            log.info("%s: a step was not carried out: %s", self._client.name, error)
        finally:
            self._busy.discard(device.index)
            if device.index in self._missed:
                self._missed.discard(device.index)
                self._changed.set()

    def soon(self) -> None:
        """The same as `perform`, by `run`: whoever calls does not wait."""
        self._changed.set()

    async def perform(self) -> None:
        """Bring every toy to what it should do now. Raises Refusal."""
        self._changed.set()  # other steps are due than `run` waits for
        await self._perform()

    async def stop(self, devices: Iterable[RemoteDevice]) -> None:
        """Stop these devices, whoever set them going. Raises Refusal."""
        self._changed.set()
        stops = []
        for device in devices:
            self.of(device).stop()
            self._sent.pop(device.index, None)
            self._again.pop(device.index, None)
            stops.append(device.stop())
        await told(stops)

    async def _perform(self) -> None:
        acts = [
            self._act(device, toy, commands)
            for device, toy in self._here()
            if (commands := self._commands(device, toy))
        ]
        await told(acts, None)  # each has deadlines of its own

    def _here(self) -> list[tuple[RemoteDevice, Performance]]:
        devices = {device.index: device for device in self._client.devices}
        for index in tuple(self._toys):
            if index not in devices:  # it went, and was stopped; when it comes back it is at rest
                del self._toys[index]
                self._sent.pop(index, None)
                self._again.pop(index, None)
        return [(devices[index], toy) for index, toy in self._toys.items()]

    async def _act(
        self, device: RemoteDevice, toy: Performance, commands: Iterable[ToyCommand]
    ) -> None:
        try:
            await told(command() for command in commands)
        except Refusal:
            # Whoever said no, a person or a radio, this does not begin again by itself.
            toy.stop()
            self._sent.pop(device.index, None)
            self._again.pop(device.index, None)
            await told([device.stop()])
            raise

    def _commands(self, device: RemoteDevice, toy: Performance) -> list[ToyCommand]:
        """What it is told now. Nothing is awaited between this and the commands: they leave in the
        order of what was decided."""
        moment = toy.moment(self.now)
        self._again[device.index] = moment.again
        sent = self._sent.setdefault(device.index, {})
        wanted: dict[Slot, float] = {
            slot: 0.0 for slot, level in sent.items() if level and slot[1] not in POSITIONS
        }
        wanted.update(moment.levels)
        changes = {slot: level for slot, level in wanted.items() if sent.get(slot) != level}
        if not toy:
            moved = any(slot[1] in POSITIONS for slot in sent)
            sent.clear()
            # One stop says more than many zeros, and overtakes what waits.
            return [device.stop] if changes or moved else []
        sent.update(changes)
        return [
            partial(_output, device, slot, level, moment.within) for slot, level in changes.items()
        ]


def _output(
    remote: RemoteDevice, slot: Slot, level: float, within: Mapping[Slot, float]
) -> Awaitable[object]:
    feature, kind = slot
    duration = None
    if kind is OutputType.HW_POSITION_WITH_DURATION:
        duration = max(1, int(within[slot] * 1000))
    return remote.output(kind, level, feature=feature, duration_ms=duration)
