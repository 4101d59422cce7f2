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
        await page.until("!document.getElementById('together').hidden")
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


SELECT = """(select => {{
    select.value = '{value}';
    select.dispatchEvent(new Event('change'));
}})(document.getElementById('{id}'))"""


async def choose(board: Board, id: str, value: str) -> None:
    await board.page.evaluate(SELECT.format(id=id, value=value))


async def test_a_preset_plays_in_the_hub_and_a_loop_is_what_was_drawn(board: Board) -> None:
    plays = board.hub.app.api._actions.plays._plays
    page = board.page
    await choose(board, "all-pattern", "storm")
    assert await page.evaluate("document.getElementById('all-speed').value") == "2"
    await board.set(80)
    await until(lambda: [play.setting.pattern for play in plays.states] == ["wave"], "a play", 5)
    assert plays.states[0].setting.speed == 4
    await until(lambda: board.running == len(TOYS) - 1, "all but the stroker", 5)
    await choose(board, "all-pattern", "loop")
    await page.until("!document.getElementById('all-loop').hidden")
    await page.evaluate(
        """(canvas => {
            canvas.focus();
            for (let n = 0; n < 9; n++)
                canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowUp' }));
        })(document.getElementById('all-loop'))"""
    )
    await until(
        lambda: abs(sum(plays.states[0].setting.points[:1]) - 0.45) < 1e-6, "the loop as drawn", 5
    )
    await page.click("#stop")
    await until(lambda: not plays.states and board.running == 0, "rest", 5)
    await page.until("document.getElementById('all-level').value === '0'")
    await page.click("#resume")


async def test_strokers_play_where_one_says_so_and_within_their_range(board: Board) -> None:
    plays = board.hub.app.api._actions.plays._plays
    page = board.page
    await choose(board, "all-pattern", "wave")
    await board.set(100)
    await until(lambda: len(plays.states) == 1, "a play", 5)
    outputs = len(plays.states[0].outputs)
    await page.click("#all-strokes")
    await page.until("!document.getElementById('all-range').hidden")
    await until(
        lambda: [len(play.outputs) for play in plays.states] == [outputs + 1], "the stroker", 5
    )
    await page.evaluate(
        """(low => {
            low.value = 40;
            low.dispatchEvent(new Event('input'));
        })(document.getElementById('all-low'))"""
    )
    await until(lambda: plays.states[0].setting.low == 0.4, "its range", 5)
    await board.set(0)
    await until(lambda: board.running == 0 and not plays.states, "rest", 5)


async def test_a_pattern_with_a_time_goes_on_without_its_page_and_is_found_again(
    board: Board,
) -> None:
    plays = board.hub.app.api._actions.plays._plays
    await choose(board, "all-pattern", "wave")
    await choose(board, "all-time", "300")
    await board.set(30)
    await until(lambda: any(play.stays for play in plays.states), "a play that stays", 5)
    await board.page.goto(f"{board.hub.url}/")
    await board.page.until("document.getElementById('all-level').value === '30'")
    assert [play.stays for play in plays.states] == [True]
    await board.set(0)
    await until(lambda: board.running == 0 and not plays.states, "rest", 5)
