"""A JavaScript client as Python sees it: calls that return values, or raise what it threw."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.doubles.chromium import DevToolsError, Page
from tests.needs import needs
from tests.system.js.packages import Package, installed

HERE = Path(__file__).parent
CALL_S = 15.0
POLL_S = 0.01


class Thrown(Exception):
    """The client's own error, in its own words."""


class JsClient:
    """What a host of a client can do: `call`. The rest is the same in Node and in a browser."""

    async def call(self, method: str, *args: object) -> object:
        """Call an adapter's method. Raises Thrown."""
        raise NotImplementedError

    async def connect(self, url: str) -> None:
        await self.call("connect", url)

    async def scan(self, count: int) -> set[str]:
        """Scan until there are `count` devices; returns their names."""
        await self.call("startScanning")
        names = await self.until_devices(count)
        await self.call("stopScanning")
        return names

    async def until_devices(self, count: int) -> set[str]:
        deadline = time.monotonic() + CALL_S
        while True:
            names = await self.call("names")
            assert isinstance(names, list)
            if len(names) == count:
                return set(names)
            if time.monotonic() > deadline:
                raise AssertionError(f"after {CALL_S:g} s there are {names}, not {count} devices")
            await asyncio.sleep(POLL_S)

    async def until_lost(self) -> None:
        """Return once the client has noticed that its server is gone."""
        deadline = time.monotonic() + CALL_S
        while not await self.call("lost"):
            if time.monotonic() > deadline:
                raise AssertionError("the client did not notice that its server is gone")
            await asyncio.sleep(POLL_S)


class NodeClient(JsClient):
    """A client in a Node process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._last_id = 0

    async def call(self, method: str, *args: object) -> object:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._last_id += 1
        line = json.dumps({"id": self._last_id, "method": method, "args": args})
        async with asyncio.timeout(CALL_S):
            self.process.stdin.write(line.encode() + b"\n")
            await self.process.stdin.drain()
            answer = json.loads(await self.process.stdout.readline() or '{"error": "ended"}')
        if "error" in answer:
            raise Thrown(answer["error"])
        assert answer["id"] == self._last_id
        value: object = answer["value"]
        return value

    def kill(self) -> int:
        """End the process at once; returns the monotonic nanoseconds just before."""
        now = time.monotonic_ns()
        self.process.kill()
        return now


class PageClient(JsClient):
    """A client in a page of a browser, where it is `window.client`."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def call(self, method: str, *args: object) -> object:
        call = f"client.{method}(...{json.dumps(args)})"
        try:
            value: object = await self.page.evaluate(
                f"(async () => (await {call}) ?? null)()", timeout=CALL_S
            )
        except DevToolsError as error:
            raise Thrown(str(error)) from error
        return value


@asynccontextmanager
async def in_node(package: Package) -> AsyncIterator[NodeClient]:
    """`package` in a Node process."""
    node = needs("node", "nodejs")
    folder = installed(package)
    process = await asyncio.create_subprocess_exec(
        node, str(HERE / "node_host.mjs"), str(HERE / package.adapter), str(folder),
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
    )  # fmt: skip
    try:
        yield NodeClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
