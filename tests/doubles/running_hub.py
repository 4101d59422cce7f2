"""A whole hub in the test's own loop, on free ports, with simulated toys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from forwarder.api.access import ADMIN_FILE
from forwarder.app import App
from forwarder.config import Clients, Config, Link, RadioSection
from tests.system.processes import until

TOYS = ("Lovense Nora", "Lovense Edge")


@dataclass(slots=True)
class RunningHub:
    app: App
    http: aiohttp.ClientSession
    folder: Path

    @property
    def url(self) -> str:
        return self.app.dashboard_url

    @property
    def admin(self) -> str:
        return (self.folder / ADMIN_FILE).read_text().strip()

    def headers(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.admin if token is None else token}"}

    async def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> tuple[int, object]:
        """Call the API with the admin token, or another; returns status and decoded answer."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {**self.headers(token), "Content-Type": "application/json"}
        if token == "":
            del headers["Authorization"]
        async with self.http.request(
            method, f"{self.url}/api/v1{path}", data=data, headers=headers
        ) as response:
            raw = await response.read()
            return response.status, msgspec.json.decode(raw) if raw else None

    async def with_devices(self, count: int = len(TOYS)) -> None:
        """Have the simulated toys connected."""
        await self.ask("POST", "/scan", {"for_s": 30})
        await until(lambda: len(self.app.hub.devices) == count, f"{count} devices")
        await self.ask("DELETE", "/scan")


def config_for(folder: Path, toys: tuple[str, ...] = TOYS, link: Link | None = None) -> Config:
    return Config(
        name="Desk",
        state=folder,
        clients=Clients(port=0),
        link=link or Link(port=0, https_port=0),
        radio=RadioSection(simulate=toys),
    )


@asynccontextmanager
async def running_hub(
    folder: Path, toys: tuple[str, ...] = TOYS, config: Config | None = None
) -> AsyncIterator[RunningHub]:
    app = App(config or config_for(folder, toys))
    ready = asyncio.Event()
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(app.run(ready.set), name="hub")
        try:
            async with asyncio.timeout(20):
                await ready.wait()
            yield RunningHub(app, http, folder)
        finally:
            app.stop()
            await asyncio.wait([running], timeout=5)
