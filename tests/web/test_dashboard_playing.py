"""Play with one toy: a pattern in the hub, its time, its end with the page; a stroker's pad."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from forwarder.config import RadioSection
from forwarder.hub.device import Device
from tests.doubles.chromium import Chromium
from tests.doubles.running_hub import config_for, running_hub
from tests.doubles.tcode_network import UdpToy
from tests.system.processes import until
from tests.web.test_dashboard_look import both
from tests.web.test_dashboard_together import Board

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

HUSH, ONYX = "Lovense Hush", "Kiiroo Onyx 2"


@pytest_asyncio.fixture(loop_scope="session")
async def board(browser: Chromium, tmp_path: Path) -> AsyncIterator[Board]:
    async with running_hub(tmp_path, (HUSH, ONYX)) as hub:
        await hub.with_devices(2)
        page = await browser.page(f"{hub.url}/")
        await page.until("document.querySelectorAll('.device h3').length === 2")
        try:
            yield Board(hub, page)
            assert page.errors == []
        finally:
            await page.close()


def card(name: str) -> str:
    return (
        f"[...document.querySelectorAll('.device')].find(one => one.innerText.includes('{name}'))"
    )


def stands(device: Device, place: int) -> bool:
    return place in [value for _, value, _ in device.levels.values()]


async def chosen(board: Board, field: str, value: str) -> None:
    await board.page.evaluate(
        f"""(field => {{
            field.value = '{value}';
            field.dispatchEvent(new Event(field.type === 'range' ? 'input' : 'change'));
        }})(document.getElementById('{field}'))"""
    )


async def test_a_pattern_plays_until_it_is_stopped_and_its_dialog_ends_it(board: Board) -> None:
    page = board.page
    await page.evaluate(f"{card(HUSH)}.querySelector('.play').click()")
    await page.until("document.getElementById('play').open")
    await chosen(board, "play-strength", "80")
    await chosen(board, "play-pattern", "loop")
    assert not await page.evaluate("document.getElementById('play-draw').hidden")
    await both(page, "play")
    await chosen(board, "play-pattern", "steady")
    await page.click("#play-start")
    await until(lambda: board.running == 1, "the toy", 10)
    await page.until("document.getElementById('play-state').innerText === 'It plays.'")
    await page.click("#play-end")
    await until(lambda: board.running == 0, "its end", 5)
    await page.click("#play-start")
    await until(lambda: board.running == 1, "the toy again", 10)
    await page.click("#play-close")
    await until(lambda: board.running == 0, "the end with its dialog", 5)
    # What runs for a time is told so, and goes on without the dialog.
    await page.evaluate(f"{card(HUSH)}.querySelector('.play').click()")
    await chosen(board, "play-time", "300")
    await page.click("#play-stays")
    await page.click("#play-start")
    await until(lambda: board.running == 1, "the toy for a time", 10)
    await page.until("document.getElementById('play-state').innerText.includes('5 min more')")
    await page.click("#play-close")
    await page.until("document.getElementById('client-list').innerText.includes('(pattern)')")
    assert board.running == 1
    await page.click("#stop")
    await until(lambda: board.running == 0, "the person's stop", 5)


async def test_a_finger_on_the_pad_moves_a_stroker_within_its_range(board: Board) -> None:
    page, hub = board.page, board.hub.app.hub
    await page.evaluate(f"{card(ONYX)}.querySelector('.play').click()")
    await page.until("!document.getElementById('play-pad-box').hidden")
    await chosen(board, "play-low", "40")
    await chosen(board, "play-high", "60")
    await both(page, "play-pad")
    (onyx,) = [one for one in hub.devices.values() if one.name.startswith("Kiiroo Onyx")]
    top = max(
        offered.value[1] for feature in onyx.features for offered in (feature.output or {}).values()
    )
    for key, times, place in (("ArrowUp", 20, 0.6), ("ArrowDown", 20, 0.4)):
        await page.evaluate(
            f"""(pad => {{
                for (let n = 0; n < {times}; n++) {{
                    pad.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}' }}));
                }}
            }})(document.getElementById('play-pad'))"""
        )
        await until(partial(stands, onyx, round(place * top)), f"place {place}", 5)
    said = await page.evaluate("document.getElementById('play-pad').getAttribute('aria-valuetext')")
    assert said == "0 %, 50 %"
    # Leaving room between both ends is seen to.
    await chosen(board, "play-low", "80")
    assert await page.evaluate("document.getElementById('play-high').value") == "85"


async def test_a_pad_moves_two_axes_at_once_to_where_the_finger_is(
    browser: Chromium, tmp_path: Path
) -> None:
    toy = UdpToy()
    await toy.plug()
    config = replace(config_for(tmp_path, ()), radio=RadioSection(tcode=(toy.url,)))
    async with running_hub(tmp_path, (), config) as hub:
        await hub.with_devices(1)
        page = await browser.page(f"{hub.url}/")
        await page.until("document.querySelector('.device .play')?.getClientRects().length > 0")
        await page.evaluate("document.querySelector('.device .play').click()")
        await page.until("!document.getElementById('play-pad-box').hidden")
        hint = await page.evaluate("document.getElementById('play-pad-hint').innerText")
        assert "Stroke 1" in hint
        assert "Stroke 2" in hint
        for right, up in ((0.25, 0.75), (0.8, 0.4)):
            x, y = await page.evaluate(
                f"""(pad => {{
                    pad.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const box = pad.getBoundingClientRect();
                    return [box.x + {right} * box.width, box.y + (1 - {up}) * box.height];
                }})(document.getElementById('play-pad'))"""
            )
            for kind in ("mousePressed", "mouseReleased"):
                await page.call(
                    "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
                )
            for axis, place in (("L0", up), ("L1", right)):
                await until(partial(at_place, toy, axis, place), f"{axis} at {place}", 5)
        assert page.errors == []
        await page.close()
    await toy.pull()


def at_place(toy: UdpToy, axis: str, place: float) -> bool:
    told = [one.to for one in toy.firmware.record if one.axis == axis]
    return bool(told) and abs(told[-1] - place) < 0.02
