"""A hub starts anew with what was switched, and a wrong switch locks nobody out."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from forwarder.api.access import ADMIN_FILE
from tests.system.processes import Program, free_ports, until


class Switched:
    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        self.client, self.link, self.other = ports
        config = folder / "hub.toml"
        config.write_text(
            f"[clients]\nport = {self.client}\n"
            f"[link]\nport = {self.link}\nhttps_port = 0\n"
            f"[bridges.lovense]\nport = {self.other}\n"
        )
        self.program = Program(
            "forwarder",
            ["--log", "info", "run", "--state", str(folder / "s"), "--config", str(config)],
            folder,
            "hub",
        )

    async def ask(
        self, method: str, path: str, body: object = None
    ) -> tuple[int, dict[str, object]]:
        token = (self.folder / "s" / ADMIN_FILE).read_text().strip()
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                method,
                f"http://127.0.0.1:{self.link}/api/v1{path}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
            ) as answer,
        ):
            found: dict[str, object] = await answer.json()
            return answer.status, found

    async def value(self, name: str) -> object:
        _, said = await self.ask("GET", "/switches")
        switches = said["switches"]
        assert isinstance(switches, list)
        return next(each["value"] for each in switches if each["name"] == name)

    async def starts(self, times: int) -> None:
        await until(lambda: self.program.text.count("Relays, dashboard") >= times, f"start {times}")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Switched]:
    found = Switched(tmp_path, free_ports(3))
    await found.program.start()
    try:
        await found.starts(1)
        yield found
    finally:
        await found.program.end()


async def test_what_is_switched_counts_after_the_hub_has_started_anew(hub: Switched) -> None:
    status, said = await hub.ask(
        "PUT", "/switches", {"values": {"radio.simulate": ["Lovense Hush"]}}
    )
    assert (status, said) == (200, {"restarts": True})
    await hub.starts(2)
    assert await hub.value("radio.simulate") == ["Lovense Hush"]
    await until(lambda: "simulated toys" in hub.program.text, "the simulated toys")
    status, said = await hub.ask("PUT", "/switches", {"values": {"link.https_port": 1}})
    assert status == 422
    assert "hub.toml, line 5 says it" in str(said["error"])
    assert hub.program.process.returncode is None


async def test_a_switch_that_keeps_the_hub_from_starting_is_left_out_and_said(
    hub: Switched,
) -> None:
    with socket.create_server(("127.0.0.1", hub.other)):
        await hub.ask("PUT", "/switches", {"values": {"bridges.lovense.enabled": True}})
        await hub.starts(2)
    status, said = await hub.ask("GET", "/switches")
    assert status == 200
    assert str(hub.other) in str(said["trouble"])
    assert await hub.value("bridges.lovense.enabled") is False
    assert "is left out" in hub.program.text


async def test_what_no_hub_could_start_with_is_refused_when_it_is_saved(hub: Switched) -> None:
    wrong = {"link.meet": ["nonsense"], "link.iroh_relays": ["nonsense"], "link.direct_at": ["x"]}
    for name, value in wrong.items():
        status, said = await hub.ask("PUT", "/switches", {"values": {name: value}})
        assert status == 422
        assert name in str(said["error"])
    # Nothing was lost by it, and the hub that runs goes on.
    assert await hub.value("link.meet") == []
    assert hub.program.text.count("Relays, dashboard") == 1
