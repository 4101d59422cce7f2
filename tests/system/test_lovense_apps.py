"""A hub that an unmodified client of another protocol drives: lovensepy, from the package index."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from lovensepy import Actions, LANClient, Presets

from forwarder.config import BridgesSection, LovenseSection
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.running_hub import RunningHub, config_for, running_hub
from tests.system.processes import until

TOYS = ("We-Vibe Chorus", "Kiiroo Onyx 2")


class Apps:
    """The hub, and a client of the other protocol."""

    def __init__(self, hub: RunningHub) -> None:
        self.hub = hub
        self.port = hub.app.bridges.lovense_port
        self.client = LANClient("a game", "127.0.0.1", port=self.port)

    async def say(self, call: Callable[..., object], *args: object, **more: object) -> object:
        # Its calls block, as a game's do.
        return await asyncio.to_thread(call, *args, **more)

    @property
    def chorus(self) -> Toy:
        (agent,) = self.hub.app.agents
        radio = agent._radio
        assert isinstance(radio, SimulatedRadio)
        (toy,) = [toy for toy in radio.toys if "Chorus" in toy.name]
        return toy

    async def until_listed(self) -> None:
        """The toys are there, and the bridge has heard of them: its list comes up to a tenth of a
        second after them."""
        await self.hub.with_devices(len(TOYS))
        for _ in range(500):
            listed = await self.say(self.client.get_toys)
            if len(listed.data.toys) == len(TOYS):  # type: ignore[attr-defined]
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the bridge has not heard of its toys")

    async def post(self, origin: str | None = None, **body: object) -> tuple[int, object]:
        headers = {} if origin is None else {"Origin": origin}
        url = f"http://127.0.0.1:{self.port}/command"
        async with self.hub.http.post(url, json=body, headers=headers) as answer:
            raw = await answer.read()
            good = answer.content_type == "application/json"
            return answer.status, msgspec.json.decode(raw) if good else raw.decode()


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[Apps]:
    section = LovenseSection(enabled=True, port=0, silence_s=1)
    config = msgspec.structs.replace(
        config_for(tmp_path, TOYS), bridges=BridgesSection(lovense=section)
    )
    async with running_hub(tmp_path, TOYS, config) as hub:
        found = Apps(hub)
        await found.until_listed()
        yield found


async def test_toys_of_other_brands_are_shown_as_models_that_the_app_knows(apps: Apps) -> None:
    listed = await apps.say(apps.client.get_toys)
    shown = {toy.nickName: (toy.name, toy.fullFunctionNames) for toy in listed.data.toys}  # type: ignore[attr-defined]
    assert shown == {
        "WeVibe Chorus": ("edge", ["Vibrate1", "Vibrate2"]),
        "Kiiroo Onyx 2": ("solace", ["Position", "Thrusting", "Stroke"]),
    }


async def test_a_function_drives_for_its_time_and_a_stop_ends_it_at_once(apps: Apps) -> None:
    chorus = apps.chorus
    await apps.say(apps.client.function_request, {Actions.VIBRATE: 20}, time=60)
    assert not chorus.at_rest
    await apps.say(apps.client.stop)
    assert chorus.at_rest
    await apps.say(apps.client.preset_request, Presets.PULSE, time=1)
    await until(lambda: not chorus.at_rest, "the preset")
    await until(lambda: chorus.at_rest and not apps.hub.app.hub.devices[0].running, "its end", 5)


async def test_what_has_no_end_stops_when_the_game_has_died(apps: Apps) -> None:
    chorus = apps.chorus
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await apps.post(command="Function", action="Vibrate:10", timeSec=0, apiVer=1)
    told = loop.time()
    assert not chorus.at_rest
    await until(lambda: chorus.at_rest, "rest", 10)
    # Its silence of 1 s, and no more than 1 s for the rest.
    assert loop.time() - begun >= 1.0
    assert loop.time() - told <= 2.0


_GAME = """
import http.client, json, sys
hub = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
hub.request("POST", "/command", json.dumps(
    {"command": "Function", "action": "Vibrate:10", "timeSec": int(sys.argv[2]), "apiVer": 1}))
print(hub.getresponse().read(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_game_that_is_killed_takes_its_toys_to_rest_long_before_its_silence_would(
    tmp_path: Path, seconds: int
) -> None:
    section = LovenseSection(enabled=True, port=0, silence_s=60)
    config = msgspec.structs.replace(
        config_for(tmp_path, TOYS), bridges=BridgesSection(lovense=section)
    )
    async with running_hub(tmp_path, TOYS, config) as hub:
        apps = Apps(hub)
        await apps.until_listed()
        game = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _GAME, str(apps.port), str(seconds), stdin=PIPE, stdout=PIPE
        )
        assert game.stdout is not None
        assert b"200" in await game.stdout.readline()
        assert not apps.chorus.at_rest
        game.kill()
        await until(lambda: apps.chorus.at_rest, "rest", 10)
        await game.wait()


async def test_a_person_sees_mutes_and_stops_it_like_any_app(apps: Apps) -> None:
    _, clients = await apps.hub.ask("GET", "/status")
    assert [client["name"] for client in clients["clients"]] == ["Lovense apps"]  # type: ignore[index]
    await apps.hub.ask("POST", "/stop", {})
    status, answer = await apps.post(command="Function", action="Vibrate:10", timeSec=5)
    assert (status, answer["code"]) == (200, 506)  # type: ignore[index]
    assert "stopped" in answer["message"].lower()  # type: ignore[index]
    await apps.hub.ask("POST", "/resume", {})
    await asyncio.sleep(0.3)
    assert apps.chorus.at_rest
    assert (await apps.post(command="Function", action="Vibrate:10", timeSec=5))[1] == {
        "code": 200, "type": "ok",
    }  # fmt: skip


async def test_web_pages_ask_and_foreign_names_are_refused(apps: Apps) -> None:
    status, words = await apps.post("https://game.example", command="GetToys")
    assert status == 403
    assert "https://game.example may not" in str(words)
    assert "https://game.example" in apps.hub.app.origins.asked
    apps.hub.app.origins.allow("https://game.example")
    assert (await apps.post("https://game.example", command="GetToys"))[0] == 200
    url = f"http://127.0.0.1:{apps.port}/command"
    async with apps.hub.http.post(url, json={}, headers={"Host": "evil.example"}) as answer:
        assert answer.status == 403


async def test_what_no_toy_can_do_is_said_with_a_code(apps: Apps) -> None:
    for body, code in (
        ({"command": "Function", "action": "Rotate:3", "timeSec": 1}, 403),
        ({"command": "Function", "action": "Vibrate:3", "timeSec": 1, "toy": "0123"}, 401),
        ({"command": "Nonsense"}, 400),
    ):
        status, answer = await apps.post(**body)
        assert (status, answer["code"]) == (200, code)  # type: ignore[index]
