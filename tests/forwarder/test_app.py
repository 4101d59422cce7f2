"""The whole hub in one process: embedded relay, real ports, in-process client, shutdown."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from forwarder.app import App
from forwarder.config import Clients, Config, Link, RadioSection, Upstream
from forwarder.connectors.bounds import CLIENT_FRAME_BYTES
from forwarder.errors import ConfigError
from forwarder.state_lock import StateLock
from relay.link.channel import Channel
from relay.link.codec import encode
from relay.link.errors import ChannelClosed
from relay.link.messages import VERSION, Hello
from relay.link.websocket import dial
from tests.system.processes import until


def config(folder: Path, *toys: str, **more: object) -> Config:
    return Config(
        state=folder,
        clients=Clients(port=0),
        link=Link(port=0, https_port=0),
        radio=RadioSection(simulate=toys),
        trace=folder / "trace.jsonl",
        **more,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(ready.set))
        async with asyncio.timeout(10):
            await ready.wait()
        yield
        app.stop()


async def ask(channel: Channel, id: int, name: str, **fields: object) -> dict[str, object]:
    await channel.send(json.dumps([{name: {"Id": id, **fields}}]))
    while True:
        ((_, answer),) = json.loads(await channel.receive())[0].items()
        if answer["Id"] == id:
            return dict(answer)


async def with_a_device(app: App) -> Channel:
    client = app.open_client()
    version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
    await ask(client, 1, "RequestServerInfo", ClientName="in-process", **version)
    await ask(client, 2, "StartScanning")
    async with asyncio.timeout(10):
        while not (await ask(client, 3, "RequestDeviceList"))["Devices"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return client


def writes(folder: Path) -> list[bytes]:
    lines = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    return [bytes.fromhex(line["data"]) for line in lines if line["op"].startswith("write")]


async def test_a_program_embeds_a_hub_and_drives_a_toy(tmp_path: Path) -> None:
    app = App(config(tmp_path, "Lovense Hush"))
    async with running(app):
        client = await with_a_device(app)
        command = {"Vibrate": {"Value": 20}}
        await ask(client, 4, "OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=command)
        assert writes(tmp_path)[-1] == b"Vibrate:20;"
        await client.close()


async def test_a_frame_of_any_readable_size_is_answered_and_one_beyond_it_stops_what_ran(
    tmp_path: Path,
) -> None:
    app = App(config(tmp_path, "Lovense Hush"))
    async with running(app):
        within = await with_a_device(app)
        client = await dial(app.client_url)
        version = {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
        await ask(client, 1, "RequestServerInfo", ClientName="long", **version)
        command = {"Vibrate": {"Value": 20}}
        await ask(client, 2, "OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=command)
        pings = [{"Ping": {"Id": id}} for id in range(10, 23_010)]
        await client.send(json.dumps(pings))
        # A second of a busy machine may stop it meanwhile, as it must, and that is said to nobody's
        # request (tests/hostile looks at that); it goes on as it is told.
        answers: list[dict[str, dict[str, int]]] = []
        while len(answers) < len(pings):
            (answer,) = json.loads(await client.receive())
            answers += [answer] if answer.get("Error", {}).get("Id") != 0 else []
        assert answers == [{"Ok": {"Id": id}} for id in range(10, 23_010)]
        other = {"Vibrate": {"Value": 10}}
        await ask(client, 5, "OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=other)
        # Not the last one: behind it, too, a machine that stands still may stop it.
        assert b"Vibrate:10;" in writes(tmp_path)
        await client.send(json.dumps([{"Ping": {"Id": 3}}, "a" * CLIENT_FRAME_BYTES]))
        with pytest.raises(ChannelClosed) as closed:
            await client.receive()
        assert closed.value.code == 1009
        await until(lambda: writes(tmp_path)[-1] == b"Vibrate:0;", "it is off")
        await client.close()
        await within.close()


async def test_simulated_devices_of_the_users_file_are_there_under_their_names(
    tmp_path: Path,
) -> None:
    toys = [
        {"identifier": "simulated-2vibe", "address": "one", "display_name": "Mine"},
        {"identifier": "simulated-stroker", "address": "two"},
    ]
    tree = {"version": {"major": 5}, "user_configs": {"simulated_devices": toys}}
    (tmp_path / "devices.json").write_text(json.dumps(tree))
    app = App(config(tmp_path))
    async with running(app):
        client = await with_a_device(app)
        async with asyncio.timeout(10):
            while len(app.hub.devices) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        shown = {device.shown_name for device in app.hub.devices.values()}
        assert shown == {"Mine", "Simulated Stroker"}
        await client.close()
    kept = json.loads((tmp_path / "devices.json").read_text())
    assert kept["user_configs"]["simulated_devices"] == toys


async def test_the_end_of_the_hub_stops_what_runs_and_leaves_no_task(tmp_path: Path) -> None:
    app = App(config(tmp_path, "Lovense Hush"))
    loop = asyncio.get_running_loop()
    async with running(app):
        client = await with_a_device(app)
        command = {"Vibrate": {"Value": 20}}
        await ask(client, 4, "OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=command)
        asked = loop.time()
    assert loop.time() - asked < 2
    assert writes(tmp_path)[-1] == b"Vibrate:0;"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_hub_ends_in_two_seconds_whoever_does_not_let_go(tmp_path: Path) -> None:
    app = App(config(tmp_path, "Lovense Hush"))
    loop = asyncio.get_running_loop()
    mute: list[Channel] = []
    async with running(app):
        client = await with_a_device(app)
        command = {"Vibrate": {"Value": 20}}
        await ask(client, 4, "OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=command)
        # Relays that carry nothing out, apps that say nothing more, half a request.
        for number in range(10):
            link = await dial(app.link_url.replace("http", "ws") + "/link/plain")
            await link.send(encode(Hello(VERSION, f"mute {number}", capabilities=("scan",))))
            mute += [link, await dial(app.client_url)]
        knocking = socket.create_connection(("127.0.0.1", int(app.link_url.rpartition(":")[2])))
        knocking.sendall(b"POST /api/v1/stop HTTP/1.1\r\n")
        await until(lambda: len(app.relays.relays) == 11, "the relays are there")
        asked = loop.time()
    assert loop.time() - asked < 2
    assert writes(tmp_path)[-1] == b"Vibrate:0;"
    for channel in mute:
        await channel.close()
    knocking.close()


async def test_toys_that_were_there_come_back_after_a_restart_without_a_scan(
    tmp_path: Path,
) -> None:
    async def indexes(app: App) -> dict[int, str]:
        async with asyncio.timeout(10):
            while len(app.hub.devices) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return {index: device.name for index, device in app.hub.devices.items()}

    first = App(config(tmp_path, "Lovense Hush", "Lovense Edge"))
    async with running(first):
        client = await with_a_device(first)
        before = await indexes(first)
        await client.close()
    second = App(config(tmp_path, "Lovense Hush", "Lovense Edge"))
    async with running(second):
        assert await indexes(second) == before
        assert not second.hub.scanning


async def test_a_cancelled_hub_stops_what_runs(tmp_path: Path) -> None:
    app = App(config(tmp_path, "Lovense Hush"))
    ready = asyncio.Event()
    task = asyncio.create_task(app.run(ready.set))
    async with asyncio.timeout(10):
        await ready.wait()
    client = await with_a_device(app)
    command = {"Vibrate": {"Value": 20}}
    await ask(client, 4, "OutputCmd", DeviceIndex=0, FeatureIndex=0, Command=command)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert writes(tmp_path)[-1] == b"Vibrate:0;"


async def test_a_taken_port_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    first = App(config(tmp_path))
    port, _ = first.bind()
    other = tmp_path / "other"
    second = App(Config(state=other, clients=Clients(port=port), link=Link(port=0)))
    with pytest.raises(ConfigError, match=f"Port {port} is taken.*--port"):
        second.bind()
    StateLock(other).release()
    async with running(first):
        pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"radio": RadioSection(simulate=("Lovense Hsh",))}, "Lovense Hush"),
        ({"upstream": (Upstream(name="phone"),)}, "phone needs"),
        ({"clients": Clients(dial=("http://x",))}, "http://x"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    tmp_path: Path, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        App(Config(state=tmp_path, **wrong))  # type: ignore[arg-type]


async def test_after_the_end_there_are_no_client_channels(tmp_path: Path) -> None:
    app = App(config(tmp_path))
    async with running(app):
        waiting = app.open_client()
    with pytest.raises(ChannelClosed):
        await waiting.receive()
    with pytest.raises(ChannelClosed):
        app.open_client()


def test_a_hub_is_made_before_there_is_a_loop(tmp_path: Path) -> None:
    """As programs do: what keeps it from starting is said before anything runs."""
    App(config(tmp_path)).close()


# A hub as it comes, built and bound, and what it has loaded of what others need.
_LOADED = """
import json, sys
from pathlib import Path
import forwarder.commands.program.serve
from forwarder.app import App
from forwarder.config import Clients, Config, Link
app = App(Config(state=Path(sys.argv[1]), clients=Clients(port=0), link=Link(port=0)))
app.bind()
app.close()
late = {
    "aiomqtt", "bleak", "dbus_fast", "iroh", "nats", "prometheus_client", "psutil", "pythonosc",
    "segno", "serialx", "zeroconf", "forwarder.meet.server", "forwarder.sources.virtual.source",
    "forwarder.sources.websocket_devices.source", "relay.agent", "relay.radio.choice",
}
print(json.dumps(sorted(late & set(sys.modules))))
"""


def test_a_hub_loads_nothing_that_its_configuration_does_not_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, str(tmp_path / "state")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == []
