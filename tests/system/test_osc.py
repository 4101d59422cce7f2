"""An OSC sender that nobody here wrote (python-osc) moves a toy, and its silence stops it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from pythonosc.udp_client import SimpleUDPClient

from forwarder.config import BridgesSection, OscLinkSection, OscSection
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.running_hub import RunningHub, config_for, running_hub
from tests.system.processes import until

TOYS = ("Lovense Edge",)
TOUCH = "/avatar/parameters/OGB/Orf/mouth/TouchOthers"


class Game:
    def __init__(self, hub: RunningHub) -> None:
        self.hub = hub
        self.osc = SimpleUDPClient("127.0.0.1", hub.app.bridges.osc_port)

    @property
    def toy(self) -> Toy:
        (agent,) = self.hub.app.agents
        radio = agent._radio
        assert isinstance(radio, SimulatedRadio)
        return next(iter(radio.toys))

    async def rests(self, within_s: float) -> None:
        await until(lambda: self.toy.at_rest, "rest", within_s)


@pytest.fixture
async def game(tmp_path: Path) -> AsyncIterator[Game]:
    links = (OscLinkSection(), OscLinkSection(parameters=("Mine*",), devices=("0",)))
    section = OscSection(enabled=True, port=0, hold_s=1.0, links=links)
    config = msgspec.structs.replace(
        config_for(tmp_path, TOYS), bridges=BridgesSection(osc=section)
    )
    async with running_hub(tmp_path, TOYS, config) as hub:
        await hub.with_devices(1)
        await until(lambda: len(hub.app.hub.clients) == 1, "the bridge's client")
        found = Game(hub)
        yield found
        found.osc._sock.close()


async def test_a_touch_moves_the_toy_and_its_end_stops_it(game: Game) -> None:
    game.osc.send_message(TOUCH, 0.5)
    await until(lambda: not game.toy.at_rest, "a movement", 5)
    game.osc.send_message(TOUCH, 0.0)
    await game.rests(1.0)
    game.osc.send_message("/avatar/parameters/Mine2", True)
    await until(lambda: not game.toy.at_rest, "a movement", 5)
    game.osc.send_message("/avatar/change", "avtr_2")
    await game.rests(1.0)


async def test_a_game_that_dies_takes_its_toy_to_rest(game: Game) -> None:
    loop = asyncio.get_running_loop()
    game.osc.send_message(TOUCH, 1.0)
    await until(lambda: not game.toy.at_rest, "a movement", 5)
    begun = loop.time()
    await game.rests(5)
    assert loop.time() - begun <= 2.0  # it holds 1 s, and 1 s for the rest


_KILLED = """
import sys
from pythonosc.udp_client import SimpleUDPClient
game = SimpleUDPClient("127.0.0.1", int(sys.argv[1]))
game.send_message(sys.argv[2], 1.0)
print("told", flush=True)
sys.stdin.read()
"""


async def test_a_game_that_is_killed_takes_its_toy_to_rest_long_before_its_value_is_over(
    tmp_path: Path,
) -> None:
    section = OscSection(enabled=True, port=0, hold_s=60.0)
    config = msgspec.structs.replace(
        config_for(tmp_path, TOYS), bridges=BridgesSection(osc=section)
    )
    async with running_hub(tmp_path, TOYS, config) as hub:
        await hub.with_devices(1)
        await until(lambda: len(hub.app.hub.clients) == 1, "the bridge's client")
        game = Game(hub)
        game.osc._sock.close()
        sender = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _KILLED, str(hub.app.bridges.osc_port), TOUCH,
            stdin=PIPE, stdout=PIPE,
        )  # fmt: skip
        await until(lambda: not game.toy.at_rest, "a movement", 10)
        osc = hub.app.bridges._osc
        assert osc is not None
        senders = osc._senders
        assert senders is not None
        await until(lambda: bool(senders._programs), "its program is known", 10)
        sender.kill()
        await game.rests(10)
        await sender.wait()


async def test_a_flood_and_nonsense_hurt_nobody(game: Game) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", game.hub.app.bridges.osc_port)
    )
    for data in (b"", b"#bundle\0", b"/a", b"\xff" * 100, b"/a\0\0,f\0\0\0", b"/x\0\0,bbb\0\0\0\0"):
        transport.sendto(data)
    for number in range(3000):
        game.osc.send_message(f"/avatar/parameters/noise{number}", 1.0)
    assert game.toy.at_rest
    await asyncio.sleep(1.1)
    game.osc.send_message(TOUCH, 1.0)
    await until(lambda: not game.toy.at_rest, "a movement", 5)
    transport.close()
