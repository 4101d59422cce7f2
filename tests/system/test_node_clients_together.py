"""Official clients of three kinds at the same time, on the same devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from buttplug import DeviceOutputCommand, OutputType

from tests.needs import needs
from tests.system.js.clients import NodeClient, in_node
from tests.system.js.life import address
from tests.system.js.packages import NPM_3, NPM_5
from tests.system.processes import House, house, until
from tests.system.test_official_client import connect, named

pytestmark = pytest.mark.node

HUSH, NORA, MAX = "Lovense Hush", "Lovense Nora", "Lovense Max"
# Long enough for a stop that should not happen to show up: all real ones take milliseconds.
QUIET_S = 0.5


@dataclass(slots=True)
class Party:
    """A house with three toys, and three clients that each see all of them."""

    home: House
    python: Python
    three: NodeClient
    four: NodeClient

    def writes(self, name: str) -> list[bytes]:
        return self.home.trace.writes(address(name))


class Python:
    """The official Python client."""

    async def join(self, url: str) -> None:
        self._client = await connect(url, 3)

    async def vibrate(self, name: str, share: float) -> None:
        device = named(self._client, name)
        await device.run_output(DeviceOutputCommand(OutputType.VIBRATE, share))

    async def leave(self) -> None:
        await self._client.disconnect()


async def vibrate(client: NodeClient, name: str, share: float) -> None:
    value = {"share": share, "steps": round(20 * share)}
    await client.call("output", name, "Vibrate", value)


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    needs("node", "nodejs")
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(tmp_path, f"{HUSH},{NORA},{MAX}"))
        three = await stack.enter_async_context(in_node(NPM_3))
        four = await stack.enter_async_context(in_node(NPM_5))
        python = Python()
        await python.join(home.url)
        for client in (three, four):
            await client.connect(home.url)
            await client.until_devices(3)
        yield Party(home, python, three, four)
        await python.leave()


async def test_the_newest_command_wins_whoever_sent_it(party: Party) -> None:
    await party.python.vibrate(HUSH, 1.0)
    await vibrate(party.three, HUSH, 0.5)
    await vibrate(party.four, HUSH, 0.25)
    await party.python.vibrate(HUSH, 0.75)
    commands = [data for data in party.writes(HUSH) if data.startswith(b"Vibrate")]
    stops, values = commands[:-4], commands[-4:]
    assert values == [b"Vibrate:20;", b"Vibrate:10;", b"Vibrate:5;", b"Vibrate:15;"]
    assert set(stops) == {b"Vibrate:0;"}, "before it was listed it was stopped, and nothing else"


async def test_anyone_can_stop_a_device_and_only_that_stops(party: Party) -> None:
    await party.python.vibrate(HUSH, 1.0)
    await vibrate(party.four, NORA, 1.0)
    await party.three.call("stop", HUSH)
    assert party.writes(HUSH)[-1] == b"Vibrate:0;"
    assert party.writes(NORA)[-1] == b"Vibrate:20;"


async def test_a_killed_client_leaves_nothing_on_but_what_others_drive(party: Party) -> None:
    await vibrate(party.four, HUSH, 0.5)  # drives it first, but not last
    await party.python.vibrate(HUSH, 1.0)
    await vibrate(party.three, NORA, 1.0)
    await vibrate(party.four, MAX, 1.0)
    killed = party.four.kill()
    await until(lambda: b"Vibrate:0;" in party.writes(MAX), "the killed client's toy is off", 1.0)
    await asyncio.sleep(QUIET_S)
    later = [line for line in party.home.trace.lines() if line.write and line.t_ns > killed]
    assert {line.address for line in later} == {address(MAX)}
    # The others go on as if nothing had happened.
    await party.python.vibrate(HUSH, 0.5)
    await vibrate(party.three, NORA, 0.5)
    assert (party.writes(HUSH)[-1], party.writes(NORA)[-1]) == (b"Vibrate:10;", b"Vibrate:10;")
