"""A relay that a hub trusts and that says anything, in any order: the hub survives it.

It offers devices that the hub knows, answers requests rightly, wrongly or not at all, and takes
things back. Afterwards a client is still served, and the next relay is welcome.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable

from tests.doubles.clock import run_virtual
from tests.fuzz.dice import Dice
from tests.fuzz.engine import fuzz, instrumented

with instrumented("forwarder", "relay"):
    from forwarder.clients import driver as clients
    from forwarder.clients.driver import ClientOptions
    from forwarder.definitions.catalogue import Catalogue
    from forwarder.definitions.user_files.user import UserConfig
    from forwarder.hub.hub import Hub
    from forwarder.hub.store import Store
    from forwarder.sources.relays.source import RelaySource
    from relay.link import messages as m
    from relay.link.channel import Channel, channel_pair
    from relay.link.codec import encode
    from relay.link.errors import ChannelClosed, LinkError
    from relay.radio.simulated.catalogue import toys_by_name

_MOST = 60
_TOYS = toys_by_name("Lovense Hush,Aneros Vivi,WeVibe Sync")
_ADDRESSES = (*(toy.address for toy in _TOYS), "", "\x1b[2J")
_CATALOGUE = Catalogue.load(user=UserConfig())
_OUTPUT = {"Id": 3, "DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 5}}}


def _advertisement(dice: Dice) -> m.Advertisement:
    heard = dice.one_of(_TOYS).advertisement
    if dice.flag():
        return heard
    company = {dice.number(65535): dice.bytes()}
    rssi = dice.number(127) - 128
    return m.Advertisement(dice.one_of(_ADDRESSES), dice.text(), rssi, heard.services, company)


def _radio(dice: Dice) -> m.RadioInfo:
    return m.RadioInfo(dice.text(), dice.text(), dice.flag(), dice.one_of((None, 0, 3)))


def _message(dice: Dice) -> m.FromRelay:
    id, p = dice.number(12), dice.one_of((1, 1, 2, 65535))
    services = dice.one_of((*(toy.services for toy in _TOYS), ()))
    h = dice.one_of((3, 5, 6, 65535))
    makers: tuple[Callable[[], m.FromRelay], ...] = (
        lambda: m.Advertisements(tuple(_advertisement(dice) for _ in range(dice.number(3)))),
        lambda: m.Connected(id, services, dice.number(600), dice.flag()),
        lambda: m.Done(id, dice.flag()),
        lambda: m.Value(id, dice.bytes()),
        lambda: m.Failed(id, dice.one_of(tuple(m.ErrorCode)), dice.text()),
        lambda: m.Notification(p, h, dice.bytes()),
        lambda: m.Disconnected(p, dice.text()),
        lambda: m.Stopped(p, dice.one_of(tuple(m.StopCause)), dice.flag(), "", dice.number(5)),
        lambda: m.Echo(dice.number(9), 0, 0),
        lambda: m.RadioState(_radio(dice)),
        lambda: m.Wearer(
            dice.flag(), dice.flag(),
            (m.Ceiling(dice.number(100) / 100, dice.one_of((None, "Vibrate", "x"))),),
        ),
        lambda: m.Stats({dice.text(): dice.number(9)}),
        lambda: m.Debts((m.Debt(dice.text() or "x", dice.text(), dice.number(99)),)),
        lambda: m.Hello(m.VERSION, dice.text()),
        lambda: m.Bye(dice.text(), dice.flag()),
    )  # fmt: skip
    return dice.one_of(makers)()


async def _speak(channel: Channel, dice: Dice) -> None:
    held = (m.Held(_TOYS[0].address),) if dice.flag() else ()
    hello = m.Hello(m.VERSION, dice.text(), capabilities=("scan", "status"), held=held)
    try:
        await channel.send(encode(hello))
        for _ in range(_MOST):
            if dice.over:
                break
            raw = dice.byte() == 255
            await channel.send(dice.bytes(60) if raw else encode(_message(dice)))
            await asyncio.sleep(dice.one_of((0, 0, 0, 0.001, 0.05, 0.3, 1.2)))
        await channel.close()
    except ChannelClosed:
        return


async def _deafly(channel: Channel) -> None:
    """Take what the hub says, as a relay does that reads."""
    try:
        while True:
            await channel.receive()
    except ChannelClosed:
        return


async def _drive(relays: RelaySource, channel: Channel) -> None:
    try:
        await relays.drive(channel, "key", "attic")
    except LinkError:
        pass
    finally:
        await channel.close()


async def _scene(data: bytes) -> None:
    hub = Hub(Store(None))
    relays = RelaySource("desk", _CATALOGUE, UserConfig(), hub)
    hub.sources.append(relays)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(relays.run())
        app, served = channel_pair(bound=100_000)
        serving = group.create_task(clients.serve(served, hub, ClientOptions()))
        greeting = {"Id": 1, "ClientName": "x", "ProtocolVersionMajor": 4}
        greeting |= {"ProtocolVersionMinor": 0}
        await app.send(json.dumps([{"RequestServerInfo": greeting}]))
        await app.send(json.dumps([{"StartScanning": {"Id": 2}}]))
        here, there = channel_pair(bound=10_000)
        driving = group.create_task(_drive(relays, here))
        hearing = group.create_task(_deafly(there))
        speaking = group.create_task(_speak(there, Dice(data)))
        await asyncio.sleep(0.2)
        await app.send(json.dumps([{"OutputCmd": _OUTPUT}]))
        await asyncio.wait([speaking])
        await asyncio.sleep(60)
        assert not working.done(), "the hub does not open devices any more"
        await asyncio.wait([driving, hearing])
        driving.result()
        await app.send(json.dumps([{"RequestDeviceList": {"Id": 4}}]))
        async with asyncio.timeout(5):
            while '"DeviceList":{"Id":4' not in str(await app.receive()):
                pass
        await app.close()
        await asyncio.wait([serving])
        working.cancel()


def hostile_relay(data: bytes) -> None:
    logging.disable(logging.CRITICAL)
    run_virtual(_scene(data))


SEEDS = (
    b"\0\0\0\1\0\0\0\4" + bytes(range(1, 60)),
    b"\1\3abc" + b"\0\0\1\0\1\0\0\1\4" + b"\0\1\1\0\0\0\x20\0" * 4,
    bytes(range(256)),
)

if __name__ == "__main__":
    sys.exit(fuzz(hostile_relay, sys.argv, SEEDS))
