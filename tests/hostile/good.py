"""Those who mean no harm: a client, a relay and a dashboard, and what they lived to see."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from relay.agent import Agent
from relay.link.errors import LinkError
from relay.link.websocket import dial

TOY = "Lovense Hush"
# Values of the good client: enough for a 99th percentile, from the fastest that apps send.
VALUES_HZ = 100.0


@dataclass(slots=True)
class Good:
    """A client that drives a toy, and what it lived to see.

    `taken_s`: how long those that have a part in an answer have waited for a processor, in all;
    `own_ms` is what answers took without that.
    """

    taken_s: Callable[[], float] = lambda: 0.0
    took_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stopped: int = 0


async def drive(ws: aiohttp.ClientWebSocketResponse, good: Good) -> None:
    """VALUES_HZ values a second, each waited for; never the same twice in a row, never off."""
    ids = itertools.count(1)

    async def ask(name: str, **fields: object) -> dict[str, object]:
        id = next(ids)
        await ws.send_str(json.dumps([{name: {"Id": id, **fields}}]))
        while True:
            ((answer, body),) = json.loads(await ws.receive_str())[0].items()
            if body["Id"] == 0 and answer == "Error":
                good.stopped += 1
            if body["Id"] == id:
                return {"name": answer, **body}

    await ask(
        "RequestServerInfo", ClientName="good", ProtocolVersionMajor=4, ProtocolVersionMinor=0
    )
    await ask("StartScanning")
    index = None
    while index is None:
        devices = (await ask("RequestDeviceList"))["Devices"]
        assert isinstance(devices, dict)
        found = [i for i, device in devices.items() if device["DeviceName"] == TOY]
        index = int(found[0]) if found else None
        await asyncio.sleep(0.1)
    for value in itertools.cycle(range(1, 20)):
        taken, began = good.taken_s(), time.perf_counter()
        command = {"Vibrate": {"Value": value}}
        answer = await ask("OutputCmd", DeviceIndex=index, FeatureIndex=0, Command=command)
        took = time.perf_counter() - began
        good.took_ms.append(took * 1000)
        good.own_ms.append(max(0.0, took - (good.taken_s() - taken)) * 1000)
        if answer["name"] != "Ok":
            good.errors.append(str(answer))
        await asyncio.sleep(max(0.0, 1 / VALUES_HZ - (time.perf_counter() - began)))


async def kept(ws: aiohttp.ClientWebSocketResponse, good: Good) -> None:
    """`drive`; a session that ends is an error of the hub's."""
    try:
        await drive(ws, good)
    except (aiohttp.ClientError, TypeError) as error:  # aiohttp: what came was no text, but an end
        good.errors.append(f"{ws.close_code} {error}")


async def relay(agent: Agent, port: int) -> None:
    """Link the good relay, again and again."""
    while True:
        with suppress(LinkError):
            await agent.serve_link(await dial(f"ws://127.0.0.1:{port}/link/plain"))
        await asyncio.sleep(0.2)


async def owner(session: aiohttp.ClientSession, port: int, good: Good) -> None:
    """A dashboard that stays open, and whose token has to work."""
    url = f"http://127.0.0.1:{port}"
    async with session.post(f"{url}/api/v1/page", headers={"Origin": url}) as answer:
        url = answer.headers.get("Location", url).rstrip("/")  # the hub's own address
    async with session.post(f"{url}/api/v1/page", headers={"Origin": url}) as answer:
        token = (await answer.json())["token"]
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with session.ws_connect(f"{url}/api/v1/events") as ws:
            await ws.send_json({"t": "hello", "token": token})
            while True:
                message = await ws.receive(timeout=10)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    good.errors.append(f"the dashboard ended: {message}")
                    return
                async with session.get(f"{url}/api/v1/devices", headers=headers) as answer:
                    if answer.status != 200:
                        good.errors.append(f"the dashboard's token: {answer.status}")
                await asyncio.sleep(0.2)
    except (aiohttp.ClientError, TimeoutError) as error:
        good.errors.append(f"the dashboard: {error!r}")
