"""Several radios of one relay: which connects, what each does, that none holds another up."""

from __future__ import annotations

import asyncio

import pytest

from relay.link.messages import Advertisement, ErrorCode, RadioInfo, RadioPart
from relay.radio.base import Radio, RadioError, kinds, toys_run_on
from relay.radio.bounds import ELSEWHERE_S, FRESH_S, SCORE_HANGS_S
from relay.radio.several import Radios
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.doubles.clock import run_virtual
from tests.doubles.radio import RecordingRadio

TOY = "C0:00:00:00:00:01"


def failure(code: ErrorCode, text: str = "no") -> RadioError:
    return RadioError(code, text)


class Rig:
    """Two recording radios as one, and what a scan reports."""

    def __init__(self) -> None:
        self.left, self.right = RecordingRadio(), RecordingRadio()
        self.left.info, self.right.info = RadioInfo("bleak", "hci0"), RadioInfo("bleak", "hci1")
        self.both = Radios([self.left, self.right])
        self.heard: list[Advertisement] = []

    async def hear(self, radio: RecordingRadio, rssi: int) -> None:
        """`radio` hears the toy; a scan runs."""
        assert radio.on_advertisement is not None
        radio.on_advertisement(Advertisement(TOY, rssi=rssi))

    async def connect(self) -> RecordingRadio:
        """Return the radio that connected the toy."""
        await self.both.connect(TOY, lambda _: None)
        return next(radio for radio in (self.left, self.right) if radio.connection.connected)


@pytest.fixture
def rig() -> Rig:
    it = Rig()
    it.left.connection.connected = it.right.connection.connected = False
    return it


async def scanning(rig: Rig) -> asyncio.Task[None]:
    scan = asyncio.create_task(rig.both.scan(rig.heard.append))
    for _ in range(3):
        await asyncio.sleep(0)  # the group begins, then each radio
    return scan


async def end(scan: asyncio.Task[None]) -> None:
    scan.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scan


@pytest.mark.parametrize(("left", "right", "best"), [(-40, -60, "left"), (-90, -60, "right")])
async def test_the_radio_that_hears_a_toy_best_connects_it(
    rig: Rig, left: int, right: int, best: str
) -> None:
    scan = await scanning(rig)
    await rig.hear(rig.left, left)
    await rig.hear(rig.right, right)
    assert await rig.connect() is getattr(rig, best)
    await end(scan)
    assert [each.rssi for each in rig.heard] == [left, right]


async def test_a_radio_that_fails_leaves_it_to_the_next_and_comes_behind_it(rig: Rig) -> None:
    scan = await scanning(rig)
    await rig.hear(rig.left, -50)
    await rig.hear(rig.right, -55)
    rig.left.refusal = failure(ErrorCode.TIMEOUT)
    connection = await rig.both.connect(TOY, lambda _: None)
    assert rig.right.connection.connected
    await connection.disconnect()
    rig.left.refusal = None
    assert await rig.connect() is rig.right
    await end(scan)


async def test_a_toy_comes_back_by_the_radio_that_had_it_whatever_the_noise(rig: Rig) -> None:
    scan = await scanning(rig)
    await rig.hear(rig.left, -60)
    await rig.hear(rig.right, -62)
    connection = await rig.both.connect(TOY, lambda _: None)
    assert rig.left.connection.connected
    await connection.disconnect()
    await rig.hear(rig.left, -68)
    await rig.hear(rig.right, -54)
    assert await rig.connect() is rig.left
    await end(scan)


@pytest.mark.parametrize(("after_s", "who"), [(0.5, "left"), (2.5, "right")])
def test_the_radio_that_had_it_gets_a_moment_to_hear_it_again(after_s: float, who: str) -> None:
    async def scene() -> None:
        rig = Rig()
        rig.left.connection.connected = rig.right.connection.connected = False
        scan = await scanning(rig)
        await rig.hear(rig.left, -60)
        await (await rig.both.connect(TOY, lambda _: None)).disconnect()
        await asyncio.sleep(FRESH_S + 1)
        await rig.hear(rig.right, -40)
        connecting = asyncio.create_task(rig.connect())
        await asyncio.sleep(after_s)
        await rig.hear(rig.left, -60)
        assert await connecting is getattr(rig, who)
        await end(scan)

    run_virtual(scene())


def test_a_toy_that_hangs_at_one_radio_delays_no_other_and_goes_on_to_the_next() -> None:
    async def scene() -> None:
        rig = Rig()
        rig.left.connection.connected = rig.right.connection.connected = False
        scan = await scanning(rig)
        other = "C0:00:00:00:00:02"
        for radio, rssi in ((rig.left, -40), (rig.right, -80)):
            await rig.hear(radio, rssi)
            assert radio.on_advertisement is not None
            radio.on_advertisement(Advertisement(other, rssi=rssi))
        rig.left.hangs = {TOY}
        hanging = asyncio.create_task(rig.both.connect(TOY, lambda _: None))
        await asyncio.sleep(SCORE_HANGS_S + 0.1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await rig.both.connect(other, lambda _: None)
        assert rig.right.connection.connected
        assert loop.time() == began
        await hanging
        assert loop.time() < ELSEWHERE_S + 0.1
        assert not rig.left.connection.connected
        await end(scan)

    run_virtual(scene())


async def test_each_radio_says_how_well_it_hears_a_toy(rig: Rig) -> None:
    scan = await scanning(rig)
    await rig.hear(rig.left, -60)
    await rig.hear(rig.right, 0)  # one that does not know
    assert rig.both.signals(TOY.lower()) == {"hci0": -60}
    assert rig.both.signals("C0:00:00:00:00:09") == {}
    await end(scan)


async def test_what_the_toy_refuses_is_not_tried_by_another_radio(rig: Rig) -> None:
    rig.left.refusal = failure(ErrorCode.REFUSED)
    with pytest.raises(RadioError) as caught:
        await rig.both.connect(TOY, lambda _: None)
    assert caught.value.code is ErrorCode.REFUSED
    assert not rig.right.connection.connected


async def test_a_full_radio_leaves_its_toy_to_one_with_a_free_slot(rig: Rig) -> None:
    rig.left.refusal = failure(ErrorCode.BUSY)
    with pytest.raises(RadioError):
        await rig.both.connect(TOY, lambda _: None)  # the toy is somebody's
    rig.left.info = RadioInfo("bleak", "hci0", slots=0)
    assert await rig.connect() is rig.right


async def test_a_lost_toy_can_be_connected_again(rig: Rig) -> None:
    gone: list[str] = []
    await rig.both.connect(TOY, gone.append)
    with pytest.raises(RadioError) as caught:
        await rig.both.connect(TOY, gone.append)
    assert caught.value.code is ErrorCode.BUSY
    assert rig.left.on_gone is not None
    rig.left.on_gone("the link was lost")
    assert gone == ["the link was lost"]
    await rig.both.connect(TOY, gone.append)


async def test_one_that_cannot_scan_holds_nobody_up_and_its_state_is_its_own(rig: Rig) -> None:
    rig.left.refusal = failure(ErrorCode.RADIO, "Bluetooth is switched off.")
    scan = await scanning(rig)
    await rig.hear(rig.right, -60)
    assert [each.address for each in rig.heard] == [TOY]
    rig.left.info = RadioInfo("bleak", "hci0", on=False, text="Bluetooth is switched off.")
    info = rig.both.info
    assert (info.kind, info.on, info.text) == ("several", True, "hci0: Bluetooth is switched off.")
    assert info.parts == (
        RadioPart("bleak", "hci0", False, None, "Bluetooth is switched off."),
        RadioPart("bleak", "hci1"),
    )
    rig.left.info = RadioInfo("bleak", "hci0", on=False, text="hci0 is off.")
    assert rig.both.info.text == "hci0 is off."
    await end(scan)


def test_a_radio_that_could_not_scan_is_tried_again() -> None:
    run_virtual(_trying_again())


async def _trying_again() -> None:
    rig = Rig()
    rig.left.refusal = failure(ErrorCode.RADIO, "it is busy")
    scan = await scanning(rig)
    rig.left.refusal = None
    await asyncio.sleep(1.1)
    await rig.hear(rig.left, -70)
    assert [each.rssi for each in rig.heard] == [-70]
    assert rig.both.info.text == ""
    await end(scan)


async def test_every_radio_is_given_back_whatever_becomes_of_the_others() -> None:
    class Stuck(RecordingRadio):
        async def close(self) -> None:
            raise failure(ErrorCode.RADIO, "it does not go")

    stuck, good = Stuck(), RecordingRadio()
    with pytest.raises(RadioError, match="does not go"):
        await Radios([stuck, good]).close()
    assert good.closed


@pytest.mark.parametrize(("others", "run_on"), [([], False), ([RecordingRadio()], True)])
def test_toys_run_on_if_one_radio_is_real(others: list[Radio], run_on: bool) -> None:
    toys = [SimulatedRadio(toys_by_name("Lovense Hush")) for _ in range(2)]
    radios = Radios([*toys, *others])
    assert toys_run_on(radios) is run_on
    assert "simulated" in kinds(radios)
