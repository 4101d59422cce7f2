"""Groups and stand-ins through the official clients: each in its own shape, every value within the
real toys' ranges, every stop at every member."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from buttplug import ButtplugClient, DeviceOutputCommand, OutputType

from tests.needs import needs
from tests.system.js.clients import NodeClient, in_node
from tests.system.js.life import address
from tests.system.js.packages import NPM_3, NPM_5, Package
from tests.system.processes import House, Trace, free_ports, hub_program, until
from tests.system.test_official_client import connect, named

HUSH, NORA, KEON = "Lovense Hush", "Lovense Nora", "Kiiroo Keon"
GROUP, STROKES, BUZZES = "All toys", f"{KEON} as a vibrator", f"{HUSH} as a stroker"
CONFIG = f"""
[[groups]]
name = "{GROUP}"

[[stand_ins]]
device = "{KEON}"
role = "vibrator"
low = 0.2
high = 0.8

[[stand_ins]]
device = "{HUSH}"
role = "stroker"
"""
DEVICES = {HUSH, NORA, KEON, GROUP, STROKES, BUZZES}
# Long enough for a step that should not come any more: the slowest stroke takes 2 s, but at the
# levels of these tests less than one.
QUIET_S = 1.1
MOVE = "HwPositionWithDuration"
_LEVEL = re.compile(rb"(Vibrate|Rotate):(\d+);")
_OFFICIAL = {"Vibrate": OutputType.VIBRATE, "Rotate": OutputType.ROTATE}


class Player:
    """An official client, whichever: `output` with a part of the range, and stops."""

    def __init__(self, client: NodeClient | ButtplugClient) -> None:
        self.client = client

    async def output(self, name: str, kind: str, share: float, ms: int | None = None) -> None:
        client = self.client
        if isinstance(client, NodeClient):
            value = {"share": abs(share), "steps": round(100 * share)}
            await client.call(
                "output", name, kind, value | ({} if ms is None else {"duration": ms})
            )
        elif ms is None:
            await named(client, name).run_output(DeviceOutputCommand(_OFFICIAL[kind], share))
        else:
            command = DeviceOutputCommand(OutputType.POSITION_WITH_DURATION, share, ms)
            await named(client, name).run_output(command)

    async def stop(self, name: str) -> None:
        if isinstance(self.client, NodeClient):
            await self.client.call("stop", name)
        else:
            await named(self.client, name).stop()

    async def stop_all(self) -> None:
        if isinstance(self.client, NodeClient):
            await self.client.call("stopAll")
        else:
            await self.client.stop_all_devices()

    async def leave(self) -> None:
        if isinstance(self.client, NodeClient):
            await self.client.call("disconnect")
        else:
            await self.client.disconnect()

    @property
    def names(self) -> Awaitable[object]:
        async def listed() -> object:
            if isinstance(self.client, NodeClient):
                return await self.client.call("names")
            return [device.name for device in self.client.devices.values()]

        return listed()


@asynccontextmanager
async def grouped(folder: Path) -> AsyncIterator[House]:
    config = folder / "hub.toml"
    config.write_text(CONFIG)
    port, link_port = free_ports(2)
    trace = Trace(folder / "trace.jsonl")
    toys = ",".join((HUSH, NORA, KEON))
    more = ["--config", str(config), "--simulate", toys, "--trace", str(trace.path)]
    hub = hub_program(folder, port, link_port, *more)
    try:
        await hub.start()
        await hub.until_said(" connected (")
        yield House(hub, None, trace, port, link_port, folder)
    finally:
        await hub.end()


@asynccontextmanager
async def playing(home: House, package: Package | None) -> AsyncIterator[Player]:
    async with AsyncExitStack() as stack:
        if package is None:
            player = Player(await connect(home.url, len(DEVICES)))
            stack.push_async_callback(player.leave)
            yield player
            return
        needs("node", "nodejs")
        client = await stack.enter_async_context(in_node(package))
        await client.connect(home.url)
        await client.scan(len(DEVICES))
        yield Player(client)


async def played(player: Player, random: Random) -> None:
    """What apps and scripts say, at any moment, to what is made of toys and to toys."""
    for _ in range(10):
        share = random.choice((0.0, 0.01, 0.5, 1.0, random.random()))
        match random.randrange(6):
            case 0 | 1:
                await player.output(GROUP, "Vibrate", share)
            case 2:
                await player.output(GROUP, "Rotate", share * random.choice((1, -1)))
            case 3:
                await player.output(GROUP, MOVE, share, random.choice((100, 500)))
            case 4:
                await player.output(BUZZES, MOVE, share, random.choice((50, 300)))
            case 5:
                await player.output(NORA, "Vibrate", share)


def levels(home: House, toy: str) -> list[tuple[bytes, int]]:
    """Every level that was written to it: which, and how much."""
    writes = home.trace.writes(address(toy))
    return [(found[1], int(found[2])) for data in writes if (found := _LEVEL.match(data))]


def rests(home: House) -> bool:
    """Whether the newest level of every member is none."""
    newest = [dict(levels(home, toy)) for toy in (HUSH, NORA)]
    return all(one.get(b"Vibrate") == 0 == one.get(b"Rotate", 0) for one in newest)


async def stays_quiet(home: House, looks: int = 1) -> None:
    """Nothing moves any of them afterwards; of several looks the last counts, for what nobody
    waited for."""
    for _ in range(looks):
        before = len(home.trace.writes())
        await asyncio.sleep(QUIET_S)
        if len(home.trace.writes()) == before:
            return
    raise AssertionError("something moves on")


@pytest.mark.node
@pytest.mark.parametrize("package", [NPM_5, NPM_3, None], ids=["npm", "npm 3", "PyPI"])
async def test_no_value_leaves_a_toys_range_and_each_stop_reaches_each_member(
    tmp_path: Path, package: Package | None
) -> None:
    random = Random(f"groups {package}")
    async with grouped(tmp_path) as home, playing(home, package) as player:
        listed = await player.names
        assert isinstance(listed, list)
        assert set(listed) == DEVICES
        await played(player, random)
        await player.output(GROUP, "Vibrate", 0.5)
        await player.stop(GROUP)
        assert rests(home)

        strokes = len(home.trace.writes(address(KEON)))

        def places() -> list[int]:
            return [data[3] for data in home.trace.writes(address(KEON))[strokes:] if data[0] == 3]

        await player.output(STROKES, "Vibrate", 0.9)
        await until(lambda: len(places()) > 1, "to and fro")
        await player.stop(STROKES)
        assert rests(home)
        await stays_quiet(home)
        assert all(19 <= place <= 80 for place in places())

        await played(player, random)
        await player.output(STROKES, "Vibrate", 0.9)
        await player.stop_all()
        assert rests(home)
        await played(player, random)
        await player.output(GROUP, "Vibrate", 1.0)
        await player.output(STROKES, "Vibrate", 0.9)
        await player.leave()
        await until(lambda: rests(home), "rest behind it")
        await stays_quiet(home, looks=3)

        for toy in (HUSH, NORA):
            values = [
                int(n) for data in home.trace.writes(address(toy)) for _, n in _LEVEL.findall(data)
            ]
            assert values
            assert all(0 <= value <= 20 for value in values)
        assert all(data[3] <= 99 for data in home.trace.writes(address(KEON)) if data[0] == 3)
