"""The peers themselves. `python -m tests.hostile.peers NAME SECONDS CLIENTS LINK HTTPS TOKEN`.

Each goes on for so many seconds, over loopback only, with at most CROWD connections of its own.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from relay.link.channel import Channel
from relay.link.codec import encode
from relay.link.errors import LinkError
from relay.link.messages import (
    VERSION,
    Advertisement,
    Advertisements,
    Connect,
    Disconnected,
    ErrorCode,
    Failed,
    FromRelay,
    Hello,
    Notification,
    RadioInfo,
    RadioState,
    Request,
)
from relay.link.websocket import dial
from relay.radio.simulated.catalogue import toys_by_name
from tests.doubles.scripted_relay import ScriptedRelay

HOST = "127.0.0.1"
# Descriptors that many systems give a program, less what it needs itself.
CROWD = 900


@dataclass(frozen=True, slots=True)
class Target:
    clients: int
    link: int
    https: int
    token: str


async def together(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` over and over, so many at a time; whatever the hub does to it."""

    async def again() -> None:
        while True:
            try:
                await work()
            except* (OSError, LinkError, aiohttp.ClientError, TypeError):
                pass  # aiohttp says TypeError for a socket that ended
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(again())


async def gzip_bombs(target: Target) -> None:
    """Row 1: half a megabyte that stands for 500."""
    body = gzip.compress(bytes(10 << 20), 9) * 50  # members of one file

    async def post() -> None:
        _, writer = await asyncio.open_connection(HOST, target.link)
        writer.write(
            b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    await together(20, post)


async def unfinished_tls(target: Target) -> None:
    """Row 2: connections that never finish the handshake."""

    async def knock() -> None:
        reader, writer = await asyncio.open_connection(HOST, target.https)
        try:
            await reader.read(1)
        finally:
            writer.close()

    await together(CROWD, knock)


async def event_sockets(target: Target) -> None:
    """Row 3: all places of one kind."""

    async def listen() -> None:
        url = f"ws://{HOST}:{target.link}/api/v1/events"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.send_str(json.dumps({"t": "hello"}))
            async for _ in ws:
                pass

    await together(300, listen)


async def long_frames(target: Target) -> None:
    """Row 6: a guest's frames of thousands of messages, and thousands of stops."""
    output = {"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 1}}}
    kinds: list[list[dict[str, object]]] = [
        [{"Ping": {"Id": id}} for id in range(1, 4500)],
        [{"StopCmd": {"Id": id, "DeviceIndex": 99}} for id in range(1, 2800)],
        [{"OutputCmd": {"Id": id, **output}} for id in range(1, 1000)],
        [{"Nonsense": {"Id": id}} for id in range(1, 4000)],
    ]
    frames = [json.dumps(kind, separators=(",", ":")) for kind in kinds]

    async def flood() -> None:
        url = f"ws://{HOST}:{target.clients}/{target.token}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            hello = {"Id": 1, "ClientName": "guest", "ProtocolVersionMajor": 4}
            await ws.send_str(
                json.dumps([{"RequestServerInfo": {**hello, "ProtocolVersionMinor": 0}}])
            )
            for number in range(1_000_000):
                await ws.send_str(frames[number % len(frames)])

    await together(8, flood)


async def _link(target: Target, talk: Callable[[Channel], Awaitable[None]], name: str) -> None:
    channel = await dial(f"ws://{HOST}:{target.link}/link/plain")
    try:
        await channel.send(encode(Hello(VERSION, name, capabilities=("scan",))))
        await talk(channel)
    finally:
        await channel.close()


async def relay_floods(target: Target) -> None:
    """Row 7: readings and states of a radio, as fast as the wire takes them."""
    said = [encode(Notification(1, 1, bytes(20)))] * 200
    said += [encode(RadioState(RadioInfo("bleak", on=False, text=f"odd {n}"))) for n in range(50)]

    async def talk(channel: Channel) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_swallow(channel))
            while True:
                for frame in said:
                    await channel.send(frame)

    await together(4, lambda: _link(target, talk, "flood"))


async def _swallow(channel: Channel) -> None:
    while True:
        await channel.receive()


async def invented_toys(target: Target) -> None:
    """Row 8: toys that nobody has, one after the other."""

    async def invent() -> None:
        channel = await dial(f"ws://{HOST}:{target.link}/link/plain")
        (toy,) = toys_by_name("Lovense Hush")
        relay = ScriptedRelay(channel, toy)
        number = 0

        async def churn() -> None:
            nonlocal number
            while True:
                await asyncio.sleep(0.01)
                number += 1
                crowd = [
                    Advertisement(f"{os.getpid()}:{number}:{n}", "LVS-Z011", -40) for n in range(8)
                ]
                await relay.say(Advertisements(tuple(crowd)))
                for p in {request.p for request in relay.heard if isinstance(request, Connect)}:
                    if number % 20 == 0:
                        await relay.say(Disconnected(p))
                if number % 20 == 0:
                    relay.heard.clear()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.run(name="inventor"))
            await asyncio.sleep(0.2)
            tasks.create_task(churn())

    await together(2, invent)


async def liars(target: Target) -> None:
    """Row 9: relays that claim everybody's toys and fail."""

    async def lie() -> None:
        channel = await dial(f"ws://{HOST}:{target.link}/link/plain")
        (toy,) = toys_by_name("Lovense Hush")
        relay = ScriptedRelay(channel, toy)

        def fail(request: Request) -> list[FromRelay] | None:
            if isinstance(request, Connect):
                return [Failed(request.id, ErrorCode.TIMEOUT, "so sorry")]
            return None

        relay.instead = fail
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.run(name="liar"))
            await asyncio.sleep(0.2)
            while True:
                claimed = (Advertisement(toy.address, "LVS-Z011", 127),)
                await relay.say(Advertisements(claimed))
                await asyncio.sleep(0.1)

    await together(3, lie)


async def slow_requests(target: Target) -> None:
    """A byte a second: headers that never end, bodies that do not come."""

    async def drip() -> None:
        _, writer = await asyncio.open_connection(HOST, target.link)
        try:
            for byte in b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
        finally:
            writer.close()

    await together(CROWD, drip)


async def tls_handshakes(target: Target) -> None:
    """Handshakes that are finished, as many as there can be."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

    async def shake() -> None:
        _, writer = await asyncio.open_connection(HOST, target.https, ssl=tls)
        writer.close()
        await writer.wait_closed()

    await together(50, shake)


PEERS: dict[str, Callable[[Target], Awaitable[None]]] = {
    "gzip": gzip_bombs,
    "tls": unfinished_tls,
    "tls-finished": tls_handshakes,
    "slow": slow_requests,
    "events": event_sockets,
    "frames": long_frames,
    "relay": relay_floods,
    "inventor": invented_toys,
    "liar": liars,
}


async def _main(name: str, seconds: float, target: Target) -> None:
    print("ready", flush=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await PEERS[name](target)


if __name__ == "__main__":
    # Whoever is attacked on one's own machine shares its processor with the attacker.
    os.nice(10)
    clients, link, https = map(int, sys.argv[3:6])
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), Target(clients, link, https, sys.argv[6])))
