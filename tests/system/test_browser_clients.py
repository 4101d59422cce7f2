"""The official JavaScript clients in a real Chromium, and pages that may not connect at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from forwarder.buttplug.messages import OutputType
from tests.doubles.chromium import Chromium
from tests.needs import needs
from tests.system.js.clients import Thrown
from tests.system.js.life import NORA, OUTPUTS, TOYS, sudden_end, whole_life
from tests.system.js.packages import NPM_0, NPM_1, NPM_3, NPM_4, NPM_5, Package
from tests.system.js.site import in_page
from tests.system.processes import house

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
]

# A site of somebody else's. The browser is told that its name means this machine.
FOREIGN = "toys.example"
# What could be said before spec v3.
OLD_KINDS = (OutputType.VIBRATE, OutputType.ROTATE, OutputType.HW_POSITION_WITH_DURATION)
OLD = tuple(output for output in OUTPUTS if output.kind in OLD_KINDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Chromium]:
    needs("chromium", "google-chrome", "chromium-browser")
    async with Chromium([f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1"]) as chromium:
        yield chromium


@pytest.mark.parametrize("package", [NPM_5, NPM_4, NPM_3], ids=str)
async def test_it_does_all_it_can_and_notices_a_killed_server(
    tmp_path: Path, browser: Chromium, package: Package
) -> None:
    async with house(tmp_path, ",".join(TOYS)) as home:
        async with in_page(browser, package) as client:
            await whole_life(client, home)
        async with in_page(browser, package) as client:
            await sudden_end(client, home)


@pytest.mark.parametrize("package", [NPM_1, NPM_0], ids=str)
async def test_a_client_of_years_ago_does_all_it_could(
    tmp_path: Path, browser: Chromium, package: Package
) -> None:
    toys = ",".join(dict.fromkeys(output.device for output in OLD))
    async with house(tmp_path, toys) as home:
        async with in_page(browser, package) as client:
            await whole_life(client, home, OLD, battery=package.spec >= 2)
        async with in_page(browser, package) as client:
            # The core of 1.0, Rust in WebAssembly, hears that its socket closed and tells nobody.
            await sudden_end(client, home, OLD, notices=package is not NPM_1)


async def test_a_page_reaches_the_hub_by_every_name_of_this_machine(
    tmp_path: Path, browser: Chromium
) -> None:
    async with house(tmp_path, NORA, embedded=True) as home:
        for place in ("localhost", "127.0.0.1", "[::1]"):
            async with in_page(browser, NPM_5) as client:
                await client.connect(f"ws://{place}:{home.client_port}/any/path")
                assert await client.call("connected") is True


async def test_a_page_of_another_site_is_refused_and_the_log_names_it(
    tmp_path: Path, browser: Chromium
) -> None:
    async with (
        house(tmp_path, NORA, embedded=True) as home,
        in_page(browser, NPM_5, host=FOREIGN) as client,
    ):
        with pytest.raises(Thrown, match="WebSocket connection failed"):
            await client.connect(home.url)
        assert f"http://{FOREIGN}:" in home.hub.text
