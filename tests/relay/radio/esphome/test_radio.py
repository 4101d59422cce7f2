"""What only Bluetooth proxies have: a key, places, another program; and no place is ever leaked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import socket
from collections.abc import AsyncIterator

import pytest

from relay.link.messages import Advertisement, ErrorCode
from relay.radio.base import RadioError
from relay.radio.esphome.radio import EsphomeRadio
from relay.radio.passing import outlasting
from relay.radio.simulated.catalogue import toys_by_name
from relay.supervision.reach import OpenPaths
from tests.doubles.esphome_proxy import KEY, EsphomeProxy
from tests.system.processes import free_ports, until

NAMES = "Lovense Hush,Lovense Edge,Aneros Vivi"


@pytest.fixture
async def proxy() -> AsyncIterator[EsphomeProxy]:
    async with asyncio.timeout(25), EsphomeProxy(toys_by_name(NAMES), slots=2).listen() as made:
        yield made


@contextlib.asynccontextmanager
async def looked_after(radio: EsphomeRadio) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(radio.watch()), group.create_task(radio.scan(heard.put_nowait))]
        yield heard
        await radio.close()
        for task in tasks:
            task.cancel()


def radio_of(proxy: EsphomeProxy, key: str | None = None, keepalive_s: float = 2) -> EsphomeRadio:
    return EsphomeRadio("127.0.0.1", proxy.port, key, find_s=0.5, keepalive_s=keepalive_s)


async def ready(radio: EsphomeRadio) -> None:
    await until(lambda: radio.info.on, "the proxy", 8)


async def said(radio: EsphomeRadio, text: str) -> None:
    await until(lambda: text in radio.info.text, text, 10)
    assert not radio.info.on
    with pytest.raises(RadioError) as caught:
        await radio.connect("C0:00:00:00:00:01", lambda _: None)
    assert caught.value.code is ErrorCode.RADIO


OTHER_KEY = base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize(
    ("has", "given", "text"),
    [
        (KEY, None, "wants its encryption key: --esphome-key."),
        (KEY, OTHER_KEY, "has another encryption key"),
        (None, KEY, "has no encryption key: leave it out."),
    ],
)
async def test_what_is_wrong_with_a_key_is_said(
    proxy: EsphomeProxy, has: str | None, given: str | None, text: str
) -> None:
    proxy.key = has
    radio = radio_of(proxy, given)
    async with looked_after(radio):
        await said(radio, text)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (0, "is no Bluetooth proxy"),
        (0x61, "connects nothing: set bluetooth_proxy: active: true"),
        (0x03, "has an old ESPHome: update it."),
    ],
)
async def test_a_board_that_is_no_use_says_why(proxy: EsphomeProxy, flags: int, text: str) -> None:
    proxy.flags = flags
    radio = radio_of(proxy)
    async with looked_after(radio):
        await said(radio, text)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("127.0.0.1", "127.0.0.1:{} is no ESPHome device, or has no api: in its configuration."),
        ("255.255.255.255", "255.255.255.255:{} cannot be reached: "),
    ],
)
async def test_where_there_is_none_that_is_said(host: str, text: str) -> None:
    (port,) = free_ports(1)
    radio = EsphomeRadio(host, port)
    async with looked_after(radio):
        await said(radio, text.format(port))
    assert "AddrInfo" not in radio.info.text


async def test_one_that_serves_another_program_says_so_and_is_ours_once_it_is_free(
    proxy: EsphomeProxy,
) -> None:
    proxy.other = True
    radio = radio_of(proxy)
    async with looked_after(radio) as heard:
        await said(radio, "serves another program, such as Home Assistant")
        assert heard.empty()
        proxy.other = False
        await heard.get()
        await ready(radio)


async def test_places_are_counted_and_one_that_becomes_free_is_used(proxy: EsphomeProxy) -> None:
    radio = radio_of(proxy)
    first, second, third = proxy.toys
    async with looked_after(radio):
        await ready(radio)
        await until(lambda: radio.info.slots == 2, "the places", 5)
        connections = [await radio.connect(toy.address, lambda _: None) for toy in (first, second)]
        await until(lambda: radio.info.slots == 0, "the places", 5)
        with pytest.raises(RadioError) as caught:
            await radio.connect(third.address, lambda _: None)
        assert (caught.value.code, caught.value.full) == (ErrorCode.BUSY, True)
        await connections[0].disconnect()
        await until(lambda: radio.info.slots == 1, "the places", 5)
        await radio.connect(third.address, lambda _: None)
    assert proxy.used == 0


async def test_no_place_is_leaked_whenever_a_connect_is_given_up(proxy: EsphomeProxy) -> None:
    radio = radio_of(proxy)
    dice = random.Random(1)
    async with looked_after(radio):
        await ready(radio)
        for number in range(40):
            toy = proxy.toys[number % 2]
            proxy.mute_connects = number % 4 == 3
            with contextlib.suppress(TimeoutError, RadioError):
                async with asyncio.timeout(dice.choice([0, 0.001, 0.003, 0.006, 0.02])):
                    await (await radio.connect(toy.address, lambda _: None)).disconnect()
            await radio.close()
        proxy.mute_connects = False
        await until(lambda: proxy.used == 0 and radio.info.slots == 2, "that none is in use", 5)
        await (await radio.connect(proxy.toys[0].address, lambda _: None)).disconnect()


async def test_an_attempt_that_was_given_up_does_not_undo_the_next(proxy: EsphomeProxy) -> None:
    radio = radio_of(proxy)
    dice = random.Random(1)
    async with looked_after(radio):
        await ready(radio)
        for number in range(20):
            toy = proxy.toys[number % 2]
            address = toy.address
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.choice([0, 0.001, 0.003, 0.006, 0.02])):
                    await (await radio.connect(address, lambda _: None)).disconnect()
            connection = await radio.connect(address, lambda _: None)
            tx = next(handle for handle, role in toy.handles.items() if role == "tx")
            await connection.write(tx, b"Vibrate:0;", response=False)
            await connection.disconnect()


async def test_a_proxy_without_power_loses_its_toys_and_is_back_by_itself(
    proxy: EsphomeProxy,
) -> None:
    radio = radio_of(proxy)
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with looked_after(radio) as heard:
        await ready(radio)
        connection = await radio.connect(proxy.toys[0].address, gone.put_nowait)
        await proxy.pull()
        assert "has ended the connection" in await gone.get()
        with pytest.raises(RadioError) as caught:
            await connection.read(3)
        assert caught.value.code is ErrorCode.GONE
        await until(lambda: not radio.info.on, "the state", 5)
        while not heard.empty():
            heard.get_nowait()
        await proxy.plug()
        await heard.get()
        await ready(radio)
        await radio.connect(proxy.toys[0].address, gone.put_nowait)
        assert gone.empty()


async def test_a_proxy_that_hangs_is_given_up(proxy: EsphomeProxy) -> None:
    radio = radio_of(proxy, keepalive_s=0.2)
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with looked_after(radio):
        await ready(radio)
        await radio.connect(proxy.toys[0].address, gone.put_nowait)
        proxy.hang()
        async with asyncio.timeout(4):
            await gone.get()
        proxy.heal()
        await ready(radio)


async def test_writes_never_run_far_ahead_of_the_proxy(proxy: EsphomeProxy) -> None:
    """Without response nobody waits for the toy; so now and then for the proxy."""
    radio = radio_of(proxy)
    toy = proxy.toys[0]
    async with looked_after(radio):
        await ready(radio)
        connection = await radio.connect(toy.address, lambda _: None)
        tx = next(handle for handle, role in toy.handles.items() if role == "tx")
        await connection.write(tx, b"Vibrate:1;", response=False)
        await toy.until(lambda toy: bool(toy.writes))
        proxy.hang()
        await asyncio.sleep(0.3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.write(tx, b"Vibrate:2;", response=False), 0.2)
        proxy.heal()
        await connection.write(tx, b"Vibrate:0;", response=False)
        await toy.until(lambda toy: toy.writes[-1] == b"Vibrate:0;")
        assert toy.writes.count(b"Vibrate:2;") <= 1


async def test_whoever_has_its_socket_can_have_everything_let_go(proxy: EsphomeProxy) -> None:
    """As a supervisor does for a relay that stands still."""
    radio = radio_of(proxy)
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with looked_after(radio):
        await ready(radio)
        connection = await radio.connect(proxy.toys[0].address, gone.put_nowait)
        path = outlasting(connection)
        assert path is not None
        assert path.on_wire(b"Vibrate:0;") == ()
        handed = path.descriptor()
        assert handed is not None
        paths = OpenPaths()
        paths.take("A", socket.dup(handed))
        paths.shut("A")
        await gone.get()
        await until(lambda: proxy.used == 0, "that it was let go", 5)
