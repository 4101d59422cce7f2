"""`/metrics`: who may ask, and what asking costs."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.running_hub import RunningHub, running_hub
from tests.needs import needs


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, ("Lovense Hush",)) as made:
        yield made


async def test_whoever_may_not_read_the_api_may_not_read_figures(hub: RunningHub) -> None:
    _, token = await hub.ask("POST", "/tokens", {"name": "Guest"})
    assert isinstance(token, dict)
    headers = {"Authorization": f"Bearer {token['token']}"}
    async with hub.http.get(f"{hub.url}/metrics", headers=headers) as response:
        assert response.status in (401, 403)
    async with hub.http.get(f"{hub.url}/metrics", headers=hub.headers()) as response:
        assert response.status == 200
    async with hub.http.get(
        f"{hub.url}/metrics", headers={"Origin": "https://evil.example"}
    ) as response:
        assert response.status == 403


async def test_prometheus_own_checker_finds_no_fault(hub: RunningHub) -> None:
    """Beside its parser, which test_exposition.py uses: promtool of Debian's prometheus."""
    program = needs("promtool")
    await hub.with_devices(1)
    async with hub.http.get(f"{hub.url}/metrics") as response:
        text = await response.text()
    assert "# TYPE " in text
    checked = await asyncio.to_thread(
        subprocess.run, [program, "check", "metrics"], input=text, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


async def test_looking_costs_the_loop_little(hub: RunningHub) -> None:
    await hub.with_devices(1)
    await _ask(hub)
    began = time.perf_counter()
    for _ in range(5):
        await _ask(hub)
    assert (time.perf_counter() - began) / 5 < 0.2


async def _ask(hub: RunningHub) -> None:
    async with hub.http.get(f"{hub.url}/metrics") as response:
        assert response.status == 200
