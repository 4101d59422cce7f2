"""A house of recording drivers in which patterns play."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from forwarder.buttplug.messages import OutputType
from forwarder.play.driver import PlayState
from forwarder.play.outputs import OutputChoice
from forwarder.play.play import PlaySetting
from forwarder.play.plays import Plays
from forwarder.sources.virtual.source import GroupRule
from tests.doubles.clock import run_virtual
from tests.doubles.virtual_house import VirtualHouse

STEADY = PlaySetting("steady", strength=0.5)
RAMP = PlaySetting("ramp", strength=1.0)
VIBRATE, ROTATE = OutputType.VIBRATE, OutputType.ROTATE
MOVE = OutputType.HW_POSITION_WITH_DURATION


class PlayHouse(VirtualHouse):
    """Two Noras and a stroker, and what plays on them."""

    def __init__(self, groups: Sequence[GroupRule] = ()) -> None:
        super().__init__(groups)
        self.plays = Plays(self.hub)

    def start(
        self,
        setting: PlaySetting = STEADY,
        *choices: OutputChoice,
        for_s: float | None = None,
        stays: bool = False,
        begun_ms: float | None = None,
    ) -> PlayState:
        return self.plays.start(setting, choices, for_s=for_s, stays=stays, begun_ms=begun_ms)

    def values(self, number: int, kind: OutputType = VIBRATE) -> list[object]:
        return [c[3] for c in self.calls(number) if c[0] == "output" and c[2] == kind.value]

    def stops(self, number: int) -> int:
        return sum(call[0] == "stop" for call in self.drivers[number].calls)

    @property
    def names(self) -> list[str]:  # type: ignore[override]
        return [client.name for client in self.hub.clients]


def live(scene: Callable[[PlayHouse], Awaitable[None]], *groups: GroupRule) -> None:
    async def run() -> None:
        house = PlayHouse(groups)
        await house.come(*house.noras, house.stroker)
        await scene(house)
        house.plays.close()

    run_virtual(run())


async def renewed(house: PlayHouse, id: str, seconds: float) -> None:
    """As a page does it."""
    for _ in range(round(seconds / 0.3)):
        await asyncio.sleep(0.3)
        house.plays.renew(id)
