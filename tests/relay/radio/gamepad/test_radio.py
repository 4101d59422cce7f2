"""The contract of radios (test_conformance.py) for game pads; and none rumbles on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from forwarder.definitions.catalogue import Catalogue
from relay.link.messages import Advertisement, ErrorCode
from relay.link.stand_ins import endpoints_of, stand_in
from relay.radio.base import RadioError, toys_run_on
from relay.radio.gamepad.bounds import EFFECT_MS
from relay.radio.gamepad.radio import LEVELS, RX, TX, GamepadRadio
from tests.doubles.fake_pads import FakePad, FakePads
from tests.system.processes import until

FULL = LEVELS.pack(0xFFFF, 0x8000, 0, 0)
OFF = LEVELS.pack(0, 0, 0, 0)


@pytest.fixture
def pad() -> FakePad:
    return FakePad()


@pytest.fixture
def pads(pad: FakePad) -> FakePads:
    return FakePads(pad, FakePad("0005:054c:09cc:aa", "Other Pad"))


@pytest.fixture
async def radio(pads: FakePads) -> AsyncIterator[GamepadRadio]:
    made = GamepadRadio(pads, look_s=0.02)
    async with asyncio.timeout(20):
        yield made
        await made.close()


@contextlib.asynccontextmanager
async def scanning(radio: GamepadRadio) -> AsyncIterator[asyncio.Queue[Advertisement]]:
    heard: asyncio.Queue[Advertisement] = asyncio.Queue()
    scan = asyncio.create_task(radio.scan(heard.put_nowait))
    yield heard
    scan.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await scan


async def address_of(radio: GamepadRadio, name: str = "Test Pad") -> str:
    async with scanning(radio) as heard:
        while (seen := await heard.get()).name != name:
            pass
        return seen.address


async def refused(radio: GamepadRadio, address: str) -> ErrorCode:
    with pytest.raises(RadioError) as caught:
        await radio.connect(address, lambda _: None)
    return caught.value.code


async def test_pads_advertise_what_the_catalogue_knows_them_by(radio: GamepadRadio) -> None:
    async with scanning(radio) as heard:
        seen = [await heard.get(), await heard.get()]
    assert [one.name for one in seen] == ["Test Pad", "Other Pad"]
    assert len({one.address for one in seen}) == 2
    for one in seen:
        assert one.services == (stand_in("gamepad"),)
        (found,) = Catalogue.load().match(one)
        assert found.resolve(one.name or "", one).definition.name == "SDL Gamepad"
    assert (radio.info.kind, radio.info.on) == ("gamepad", True)
    assert not toys_run_on(radio)


async def test_a_level_holds_until_it_is_taken_back(radio: GamepadRadio, pad: FakePad) -> None:
    connection = await radio.connect(await address_of(radio), lambda _: None)
    (service,) = connection.services
    uuids = endpoints_of("gamepad")
    assert {one.uuid: one.handle for one in service.characteristics} == {
        uuids["tx"]: TX,
        uuids["rx"]: RX,
    }
    await connection.write(TX, FULL, response=False)
    since = time.monotonic()
    while time.monotonic() < since + 1.3:
        assert pad.levels == (0xFFFF, 0x8000)
        await asyncio.sleep(0.02)
    await connection.write(TX, OFF, response=True)
    assert pad.levels == (0, 0)
    writes = len(pad.record)
    await asyncio.sleep(0.4)
    assert len(pad.record) == writes, "nothing renews what is off"


async def test_one_whose_program_stands_still_stops_by_itself(
    radio: GamepadRadio, pad: FakePad
) -> None:
    """Less than the active lease after it; a kernel ends what a dead program began even sooner."""
    connection = await radio.connect(await address_of(radio), lambda _: None)
    await connection.write(TX, FULL, response=False)
    time.sleep(EFFECT_MS / 1000 + 0.05)  # noqa: ASYNC251 - the loop stands still
    assert pad.levels == (0, 0)


async def test_a_stop_is_not_undone_by_a_renewal_that_hung(
    radio: GamepadRadio, pad: FakePad
) -> None:
    connection = await radio.connect(await address_of(radio), lambda _: None)
    await connection.write(TX, FULL, response=False)
    pad.hang()
    await asyncio.sleep(0.3)
    stop = asyncio.create_task(connection.write(TX, OFF, response=False))
    await asyncio.sleep(0.01)
    pad.heal()
    await stop
    assert pad.levels == (0, 0)
    await asyncio.sleep(0.4)
    assert pad.levels == (0, 0)


async def test_one_that_hangs_fails_and_its_other_does_not(
    radio: GamepadRadio, pad: FakePad, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await radio.connect(await address_of(radio), lambda _: None)
    second = await radio.connect(await address_of(radio, "Other Pad"), lambda _: None)
    pad.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await first.write(TX, FULL, response=False)
    await second.write(TX, FULL, response=False)
    pad.heal()
    await first.write(TX, OFF, response=False)
    assert pad.levels == (0, 0)


async def test_a_write_that_fails_leaves_it_usable(radio: GamepadRadio, pad: FakePad) -> None:
    connection = await radio.connect(await address_of(radio), lambda _: None)
    pad.refuses = 1
    with pytest.raises(RadioError) as caught:
        await connection.write(TX, FULL, response=False)
    assert caught.value.code is ErrorCode.RADIO
    await connection.write(TX, FULL, response=False)
    assert pad.levels == (0xFFFF, 0x8000)


async def test_what_it_cannot_do_is_refused(radio: GamepadRadio, pad: FakePad) -> None:
    connection = await radio.connect(await address_of(radio), lambda _: None)
    for doing in (
        connection.write(RX, OFF, response=False),
        connection.write(TX, b"\x01", response=False),
        connection.read(TX),
        connection.read(RX),
        connection.subscribe(RX, print),
        connection.unsubscribe(RX),
    ):
        with pytest.raises(RadioError) as caught:
            await doing
        assert caught.value.code is ErrorCode.REFUSED
    pad.percent = 66
    assert await connection.read(RX) == b"\x42"


async def test_a_pulled_pad_is_told_once_and_comes_back(radio: GamepadRadio, pad: FakePad) -> None:
    address = await address_of(radio)
    gone: asyncio.Queue[str] = asyncio.Queue()
    for use in (True, False):
        connection = await radio.connect(address, gone.put_nowait)
        await connection.write(TX, FULL, response=False)
        pad.plugged = False
        if use:
            with pytest.raises(RadioError) as caught:
                await connection.write(TX, FULL, response=False)
            assert caught.value.code is ErrorCode.GONE
        else:
            async with scanning(radio):
                await until(lambda: not gone.empty(), "the loss")
        assert await gone.get() == "it was unplugged"
        assert await refused(radio, address) is ErrorCode.NOT_FOUND
        await connection.disconnect()
        pad.plugged = True
        assert await address_of(radio) == address
        assert gone.empty()


async def test_one_is_connected_once_and_let_go_at_rest(radio: GamepadRadio, pad: FakePad) -> None:
    address = await address_of(radio)
    gone: list[str] = []
    connection = await radio.connect(address, gone.append)
    assert await refused(radio, address) is ErrorCode.BUSY
    await connection.write(TX, FULL, response=False)
    await connection.disconnect()
    await connection.disconnect()
    assert (pad.levels, pad.opened) == ((0, 0), 0)
    with pytest.raises(RadioError) as caught:
        await connection.write(TX, FULL, response=False)
    assert caught.value.code is ErrorCode.GONE
    assert gone == []
    assert await refused(radio, "pad-000000000000@elsewhere") is ErrorCode.NOT_FOUND


async def test_a_connect_given_up_leaves_nothing_open(radio: GamepadRadio, pad: FakePad) -> None:
    address = await address_of(radio)
    pad.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await radio.connect(address, lambda _: None)
    pad.heal()
    await until(lambda: pad.opened == 0, "that it is closed")
    await (await radio.connect(address, lambda _: None)).disconnect()


async def test_two_of_one_kind_are_two(pad: FakePad) -> None:
    radio = GamepadRadio(FakePads(pad, FakePad(place="second")), look_s=0.02)
    async with scanning(radio) as heard:
        addresses = [(await heard.get()).address for _ in range(4)]
    assert len(set(addresses)) == 2
    assert addresses[:2] == addresses[2:]
    await radio.close()


async def test_without_pads_that_is_said(radio: GamepadRadio, pads: FakePads) -> None:
    for pad in pads.pads:
        pad.plugged = False
    async with scanning(radio) as heard:
        await until(lambda: not radio.info.on, "the state")
        assert heard.empty()
        assert radio.info.text.startswith("No game pad that rumbles is plugged in")
        pads.pads[0].plugged = True
        await heard.get()
    assert radio.info.on
    pads.trouble = "This program may not use /dev/input: add its user to the group input."
    with pytest.raises(RadioError):
        await radio.scan(lambda _: None)
    assert radio.info.text == pads.trouble
