"""`forwarder` alone: the dashboard of the hub that runs, or a hub; a browser only where one is
seen."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from forwarder.cli import run
from forwarder.commands.program.open import has_display
from tests.doubles.running_hub import running_hub
from tests.system.processes import Program, free_ports


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


async def test_the_hub_that_runs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_hub(tmp_path, ()) as hub:
        assert await asyncio.to_thread(run, ["open", "--state", str(tmp_path)]) == 0
        said = capsys.readouterr().out
    assert "runs already" in said
    assert f"Open the dashboard in a browser: {hub.url}" in said


async def test_alone_it_starts_a_hub_and_says_where_its_dashboard_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, link = free_ports(2)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config = tmp_path / "buttplug-forwarder/hub.toml"
    config.parent.mkdir()
    config.write_text(
        f"state = 'state'\n[clients]\nport = {client}\n[link]\nport = {link}\nhttps_port = 0\n"
    )
    hub = Program("forwarder", ["--log", "info"], tmp_path, "hub")
    await hub.start()
    try:
        await hub.until_said("Open the dashboard in a browser: http://127.")
        assert re.search(rf"in a browser: http://127\.[\d.]+:{link}\b", hub.text)
    finally:
        await hub.end()


@pytest.mark.parametrize(
    ("platform", "environment", "seen"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "1 2 3 4"}, False),
        ("win32", {}, True),
    ],
)
def test_a_browser_is_opened_where_somebody_sees_it(
    platform: str, environment: dict[str, str], seen: bool
) -> None:
    assert has_display(platform, environment) is seen
