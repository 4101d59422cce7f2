"""Peers that have proven themselves, or need not: guests, relays, servers, devices."""

from __future__ import annotations

import asyncio
import itertools
import json
import os

import aiohttp

from relay.link.codec import encode
from relay.link.messages import (
    VERSION,
    Advertisement,
    Advertisements,
    Ceiling,
    Connect,
    Debt,
    Debts,
    Disconnected,
    ErrorCode,
    Failed,
    FromRelay,
    Hello,
    Notification,
    RadioInfo,
    RadioState,
    Request,
    Stats,
    Wearer,
)
from relay.link.security.noise import KeyPair
from relay.link.security.secure import secure_as_relay
from relay.link.websocket import dial
from relay.radio.simulated.catalogue import toys_by_name
from tests.doubles.scripted_relay import ScriptedRelay
from tests.hostile.pace import HOST, Peer, Target, crowd
from tests.hostile.raw import Kind
from tests.hostile.strangers import frame, upgrade

# Of a paired relay that was taken over; the hub of house.py knows it.
TAKEN_OVER = KeyPair(b"t" * 32)


def long_frames(target: Target) -> Kind:
    """Row 6: a guest's frames of tens of thousands of messages, and of stops; rubbish as long."""
    output = {"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 1}}}
    kinds: list[list[dict[str, object]]] = [
        [{"Ping": {"Id": id}} for id in range(1, 30_000)],
        [{"StopCmd": {"Id": id, "DeviceIndex": 99}} for id in range(1, 18_000)],
        [{"OutputCmd": {"Id": id, **output}} for id in range(1, 8_000)],
        [{"Nonsense": {"Id": id}} for id in range(1, 26_000)],
    ]
    frames = [json.dumps(kind, separators=(",", ":")) for kind in kinds]
    # Nothing in these is a message, and all of it has to be looked at.
    frames += ["[" + ",".join(["{}"] * 340_000) + "]", "1 " * 500_000, "[" * 60_000]
    return _guests(target, frames)


def short_frames(target: Target) -> Kind:
    """The same in frames of one message each."""
    kinds: list[dict[str, object]] = [
        {"Ping": {"Id": 1}},
        {"StopCmd": {"Id": 1}},
        {"RequestDeviceList": {"Id": 1}},
        {"StartScanning": {"Id": 1}},
        {"InputCmd": {"Id": 1, "DeviceIndex": 0, "FeatureIndex": 1, "Type": "Battery",
                      "Command": "Read"}},
    ]  # fmt: skip
    return _guests(target, [json.dumps([kind]) for kind in kinds])


def _guests(target: Target, said: list[str]) -> Kind:
    hello = {"Id": 1, "ClientName": "guest", "ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
    first = upgrade(f"/{target.token}") + frame(json.dumps([{"RequestServerInfo": hello}]))
    frames = [frame(text) for text in said]
    return Kind(lambda _: target.clients, lambda _: first, lambda n: frames[n % len(frames)])


def relay_floods(target: Target) -> Kind:
    """Row 7: readings and states of a radio, a burst of 250 each time."""
    said = [encode(Notification(1, 1, bytes(20)))] * 200
    said += [encode(RadioState(RadioInfo("bleak", on=False, text=f"odd {n}"))) for n in range(50)]
    return _relays(target, said, "flood")


def heavy_relays(target: Target) -> Kind:
    """Messages of a relay as large as a frame holds: limits are in what they cost."""
    services = tuple(f"{n:08x}-0000-1000-8000-00805f9b34fb" for n in range(4))
    heavy: list[FromRelay] = [
        Debts(tuple(Debt(f"d{n}", "n") for n in range(3000))),
        Advertisements(tuple(Advertisement(f"a{n}", f"LVS-{n}", -50) for n in range(1500))),
        Advertisements(tuple(Advertisement(f"b{n}", "x", -50, services) for n in range(300))),
        Stats({f"s{n}": n for n in range(3500)}),
        Wearer(ceilings=tuple(Ceiling(level=n / 4000, address=f"c{n}") for n in range(1500))),
        Wearer(),
    ]
    return _relays(target, [encode(message) for message in heavy], "heavy")


def _relays(target: Target, said: list[bytes], name: str) -> Kind:
    """Relays that say all of that at each turn."""
    hello = frame(encode(Hello(VERSION, name, capabilities=("scan",))))
    burst = b"".join(map(frame, said))
    return Kind(lambda _: target.link, lambda _: upgrade("/link/plain") + hello, lambda _: burst)


async def invented_toys(target: Target) -> None:
    """Row 8: toys that nobody has, eight each time."""

    async def invent(peer: Peer) -> None:
        channel = await dial(f"ws://{HOST}:{target.link}/link/plain")
        (toy,) = toys_by_name("Lovense Hush")
        relay = ScriptedRelay(channel, toy)

        async def churn() -> None:
            for number in itertools.count():
                await peer.turn()
                whose = f"{os.getpid()}:{id(peer)}:{number}"
                found = [
                    Advertisement(f"{whose}:{n}", f"LVS-Z{number % 999}", -40) for n in range(8)
                ]
                await relay.say(Advertisements(tuple(found)))
                if number % 20 == 0:
                    for p in {it.peripheral for it in relay.heard if isinstance(it, Connect)}:
                        await relay.say(Disconnected(p))
                    relay.heard.clear()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.run(name="inventor"))
            await asyncio.sleep(0.2)
            tasks.create_task(churn())

    await crowd(target, invent)


async def liars(target: Target) -> None:
    """Row 9: relays that claim everybody's toys and fail."""

    async def lie(peer: Peer) -> None:
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
                await peer.turn()
                await relay.say(Advertisements((Advertisement(toy.address, "LVS-Z011", 127),)))

    await crowd(target, lie)


async def comers_and_goers(target: Target) -> None:
    """A paired relay that links itself and leaves, over and over, from many sockets."""
    hub_key = bytes.fromhex(os.environ["HUB_KEY"])

    async def visit(peer: Peer) -> None:
        channel = await dial(f"ws://{HOST}:{target.link}/link")
        secure, _ = await secure_as_relay(channel, TAKEN_OVER, hub_key=hub_key)
        await secure.send(encode(Hello(VERSION, "taken over", capabilities=("scan",))))
        await peer.turn()
        await secure.close()

    await crowd(target, visit)


async def upstreams(target: Target) -> None:
    """Servers that dial in, list a hundred new devices each time, and answer nonsense."""
    feature = {
        "FeatureIndex": 0,
        "FeatureDescription": "",
        "Output": {"Vibrate": {"Value": [0, 9]}},
    }

    def devices(number: int) -> str:
        named = {
            str(n): {"DeviceName": f"Toy {number * 100 + n}", "DeviceIndex": n,
                     "DeviceMessageTimingGap": 0, "DeviceFeatures": {"0": feature}}
            for n in range(100)
        }  # fmt: skip
        return json.dumps([{"DeviceList": {"Id": 0, "Devices": named}}])

    lists = [devices(number) for number in range(50)]

    async def serve(peer: Peer) -> None:
        url = f"ws://{HOST}:{target.upstream}/"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:

            async def answer() -> None:
                async for message in ws:
                    for body in (one for item in json.loads(message.data) for one in item.items()):
                        about: dict[str, object] = {"Id": body[1]["Id"]}
                        name = "Ok"
                        if body[0] == "RequestServerInfo":
                            name = "ServerInfo"
                            about |= {"ServerName": "odd", "MaxPingTime": 0}
                            about |= {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
                        await ws.send_str(json.dumps([{name: about}]))

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(answer())
                for listed in itertools.cycle(lists):
                    await peer.turn()
                    await ws.send_str(listed)

    await crowd(target, serve)


def devices(target: Target) -> Kind:
    """Devices that dial in under ever new addresses: half are what there is, all talk noise."""
    noise = frame(os.urandom(4000))

    def dial_in(number: int) -> bytes:
        name = "LVSDevice" if number % 2 == 0 else f"nobody's {number}"
        hello = {"identifier": name, "address": f"{os.getpid()}{number:x}", "version": 0}
        return upgrade("/") + frame(json.dumps(hello)) + frame(b"S:11:8A3D9FAC2A45;")

    return Kind(lambda _: target.devices, dial_in, lambda n: None if n % 50 == 0 else noise)
