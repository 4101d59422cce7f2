"""The page's link over ways that fail: silence, delay, a changed network, a hub that is busy."""

from __future__ import annotations

import asyncio
import time

import pytest

from relay.link.messages import Hello
from tests.doubles.chromium import Page
from tests.doubles.chromium_bluez import PhoneRig, phone_rig

pytestmark = pytest.mark.chromium


async def dialed(rig: PhoneRig, limit_s: float) -> float:
    """Seconds until the page has come back."""
    began = time.monotonic()
    await (await rig.hub.link(limit_s)).hear(Hello)
    return time.monotonic() - began


async def test_a_hub_that_is_silent_while_a_toy_runs_is_left_after_two_seconds() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        rig.link.beating = False
        assert 1.5 < await dialed(rig, 10) < 4


async def test_an_idle_hub_has_more_patience_unless_the_network_has_changed() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        rig.link.beating = False
        await asyncio.sleep(3)
        await rig.page.until(
            "document.getElementById('link').innerText.includes('has been silent for')"
        )
        await rig.page.evaluate("dispatchEvent(new Event('online'))")
        assert 2 < await dialed(rig, 8) < 5


async def test_beats_that_come_late_hold_nothing_and_end_the_link() -> None:
    async with phone_rig() as rig:
        await rig.drive()
        link, session = rig.link, rig.link._session
        link.beating = False
        late = asyncio.get_running_loop().time()
        for _ in range(12):
            # Sent before everything that was heard so far: the way has become longer by that.
            late += 0.25
            link._sent.put_nowait(session.beat(late - 1.0, link.leases))
            await asyncio.sleep(0.25)
        assert rig.toy.at_rest
        await dialed(rig, 6)


async def test_a_busy_hub_is_asked_again_soon() -> None:
    async with phone_rig() as rig:
        await rig.pair()
        rig.hub.busy = True
        await rig.hub.stop()
        await rig.hub.start()
        await asyncio.sleep(2)
        rig.hub.busy = False
        assert await dialed(rig, 10) < 6


@pytest.mark.asyncio(loop_scope="session")
async def test_it_never_waits_longer_than_it_has_been_away(modules: Page) -> None:
    """Nor does the relay in Python: short pauses by chance do not make the next ones long."""
    pauses = await modules.evaluate(
        """import('/relay/link.js').then(({ pauseS }) =>
            [[0, 0, 1], [5, 0.2, 1], [5, 3, 1], [5, 60, 1], [9, 60, 0.5], [9, 60, 0]].map(
                one => pauseS(...one)))"""
    )
    assert pauses == [0.5, 0.5, 3, 15, 7.5, 0.1]
