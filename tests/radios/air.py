"""The air of a house: toys that advertise, and radios that hear them with noise, or are dead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from relay.link.messages import Advertisement, ErrorCode, RadioInfo
from relay.radio.base import OnAdvertisement, OnGone, RadioError
from relay.radio.simulated.radio import SimulatedConnection, SimulatedRadio
from relay.radio.simulated.toy import Toy

# Toys advertise five times a second and a scanner hears three of four; a level is off by NOISE_DB.
ADVERTISE_S = 0.2
HEARD = 0.75
NOISE_DB = 8
# A connect takes half a second, and one of a hundred fails.
CONNECT_S = (0.2, 0.8)
FAILS = 0.01


class AirRadio(SimulatedRadio):
    """One radio in this air, as `levels` (address → dBm) say it hears each toy."""

    def __init__(
        self, air: Air, name: str, levels: dict[str, float], slots: int, fails: float
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(air.toys, slots=slots, clock=lambda: int(loop.time() * 1e9))
        self.name = name
        self.levels = levels
        self.listener: OnAdvertisement | None = None
        # Attempts that failed, by address: after one, another radio may have the toy.
        self.failed: dict[str, int] = {}
        self._air = air
        self._fails = fails
        air.radios.append(self)

    @property
    def info(self) -> RadioInfo:
        whole = super().info
        return RadioInfo("simulated", self.name, whole.on, whole.slots, whole.text)

    @property
    def connections(self) -> dict[str, SimulatedConnection]:
        return self._connections

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        self._demand_on()
        self.listener = on_advertisement
        try:
            await asyncio.Event().wait()
        finally:
            self.listener = None

    async def connect(self, address: str, on_gone: OnGone) -> SimulatedConnection:
        random = self._air.random
        await asyncio.sleep(random.uniform(*CONNECT_S))
        if random.random() < self._fails:
            self.failed[address] = self.failed.get(address, 0) + 1
            raise RadioError(ErrorCode.TIMEOUT, f"{address} did not answer")
        return await super().connect(address, on_gone)


@dataclass
class Air:
    """All radios and toys. `run` has the toys advertise."""

    toys: list[Toy]
    random: Random
    radios: list[AirRadio] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(ADVERTISE_S * self.random.uniform(0.8, 1.2))
            for toy in self.toys:
                if not toy.connected:
                    self._advertise(toy)

    def _advertise(self, toy: Toy) -> None:
        said = toy.advertisement
        for radio in self.radios:
            if radio.listener is None or not radio.info.on or self.random.random() > HEARD:
                continue
            level = radio.levels[toy.address] + self.random.uniform(-NOISE_DB, NOISE_DB)
            radio.listener(
                Advertisement(
                    said.address, said.name, round(level), said.services, said.manufacturer
                )
            )

    def holder(self, toy: Toy) -> AirRadio | None:
        """The radio that has it connected."""
        return next((one for one in self.radios if toy.address in one.connections), None)
