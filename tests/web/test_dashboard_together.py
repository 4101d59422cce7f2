"""All toys with one control, pictures, and the list that is short from eight toys on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.doubles.chromium import Chromium, Page
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import until

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

TOYS = (
    "Lovense Hush", "Lovense Nora", "We-Vibe Chorus", "Kiiroo Onyx 2", "Lovense Max",
    "Lovense Edge", "Lovense Lush", "Lovense Domi",
)  # fmt: skip


class Board:
    def __init__(self, hub: RunningHub, page: Page) -> None:
        self.hub = hub
        self.page = page

    @property
    def running(self) -> int:
        return sum(device.running for device in self.hub.app.hub.devices.values())

    async def set(self, share: int) -> None:
        await self.page.evaluate(
            f"""(slider => {{
                slider.value = {share};
                slider.dispatchEvent(new Event('input'));
            }})(document.getElementById('all-level'))"""
        )


@pytest_asyncio.fixture(loop_scope="session")
async def board(browser: Chromium, tmp_path: Path) -> AsyncIterator[Board]:
    async with running_hub(tmp_path, TOYS) as hub:
        await hub.with_devices(len(TOYS))
        page = await browser.page(f"{hub.url}/")
        await page.until("!document.getElementById('board').hidden")
        await page.until(f"document.querySelectorAll('.device').length === {len(TOYS)}")
        try:
            yield Board(hub, page)
        finally:
            await page.close()


async def test_one_control_moves_everything_that_has_a_level_and_stop_ends_it(
    board: Board,
) -> None:
    await board.set(60)
    # All but the stroker, which has places and no level.
    await until(lambda: board.running == len(TOYS) - 1, "all toys", 10)
    await board.page.until("document.querySelectorAll('.device.running').length === 7")
    # What runs comes first.
    first = "[...document.querySelectorAll('.device')].map(d => d.classList.contains('running'))"
    assert await board.page.evaluate(first) == [True] * 7 + [False]
    await board.page.click("#stop")
    await until(lambda: board.running == 0, "rest", 5)
    await board.page.until("document.getElementById('all-level').value === '0'")
    await board.page.until("!document.getElementById('hold').hidden")
    await board.page.click("#resume")
    await board.page.until("document.getElementById('hold').hidden")
    assert board.running == 0  # nothing begins by itself


async def test_a_pattern_goes_up_and_down_and_ends_at_zero(board: Board) -> None:
    await board.page.evaluate(
        """(select => {
            select.value = 'pulse';
            select.dispatchEvent(new Event('change'));
        })(document.getElementById('all-pattern'))"""
    )
    await board.set(100)
    for _ in range(2):
        await until(lambda: board.running >= 7, "up", 5)
        await until(lambda: board.running == 0, "down", 5)
    await board.set(0)
    await until(lambda: board.running == 0, "rest", 5)


async def test_eight_toys_are_lines_that_open(board: Board) -> None:
    page = board.page
    assert await page.evaluate(
        "document.getElementById('device-list').classList.contains('compact')"
    )
    pictures = "[...document.querySelectorAll('.picture')].map(p => p.dataset.kind)"
    assert set(await page.evaluate(pictures)) == {"vibrate", "rotate", "stroke", "squeeze"}
    shown = "getComputedStyle(document.querySelector('.device .outputs')).display"
    assert await page.evaluate(shown) == "none"
    await page.click(".device .more")
    assert await page.evaluate(shown) != "none"


async def test_the_log_is_filtered_and_what_is_left_is_passed_on(board: Board) -> None:
    page = board.page
    lines = "[...document.querySelectorAll('#log li')].filter(row => !row.hidden).length"
    assert await page.evaluate(lines) > 5
    await page.evaluate(
        """(field => {
            field.value = 'lovense max';
            field.dispatchEvent(new Event('input'));
        })(document.getElementById('log-filter'))"""
    )
    shown = await page.evaluate(lines)
    assert 1 <= shown <= 5
    saved = "new Promise(done => { URL.createObjectURL = b => (b.text().then(done), '#'); "
    text = await page.evaluate(saved + "document.getElementById('log-save').click(); })")
    assert len(text.splitlines()) == shown
    assert all("lovense max" in line.lower() for line in text.splitlines())
