"""WebKitGTK's own little browser, driven by its WebDriver under a display of its own.

Debian: webkit2gtk-driver and xvfb. It stands for Safari, whose engine it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from tests.system.processes import free_ports

_START_S = 30.0


def find_webkit() -> str | None:
    """The browser, or None if it, its driver or the display is missing: tests then skip."""
    found = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    tools = shutil.which("WebKitWebDriver") and shutil.which("Xvfb")
    return str(found[-1]) if found and tools else None


class WebKit:
    """One browser with one page, as an async context manager."""

    async def __aenter__(self) -> WebKit:
        binary = find_webkit()
        assert binary is not None
        (port,) = free_ports(1)
        self._base = f"http://127.0.0.1:{port}"
        read, write = os.pipe()
        # The server picks a display that is free, and says which.
        self._display = await asyncio.create_subprocess_exec(
            "Xvfb", "-displayfd", str(write), "-screen", "0", "1024x900x24", "-nolisten", "tcp",
            pass_fds=(write,), stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as said:
            number = (await asyncio.to_thread(said.readline)).strip()
        self._driver = await asyncio.create_subprocess_exec(
            "WebKitWebDriver",
            f"--port={port}",
            env={
                **os.environ,
                "DISPLAY": f":{number}",
                "LIBGL_ALWAYS_SOFTWARE": "1",
                # Its sandbox needs rights that a container has not.
                "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
            },
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._http = aiohttp.ClientSession()
        options = {"binary": binary, "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        async with asyncio.timeout(_START_S):
            while True:
                try:
                    made = await self._call("POST", "/session", wanted)
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
        self._session = f"/session/{made['sessionId']}"
        return self

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        async with self._http.request(method, self._base + path, json=body) as answer:
            value = (await answer.json())["value"]
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{value['error']}: {value.get('message')}")
        return value

    async def goto(self, url: str) -> None:
        await self._call("POST", f"{self._session}/url", {"url": url})

    async def reload(self) -> None:
        await self._call("POST", f"{self._session}/refresh", {})

    async def evaluate(self, expression: str) -> Any:
        script = {"script": f"return ({expression})", "args": []}
        return await self._call("POST", f"{self._session}/execute/sync", script)

    async def until(self, expression: str, timeout: float = 15.0) -> None:
        ends = asyncio.get_running_loop().time() + timeout
        while not await self.evaluate(f"Boolean({expression})"):
            if asyncio.get_running_loop().time() > ends:
                shown = await self.evaluate("document.body.innerText")
                raise AssertionError(f"not within {timeout} s: {expression}\n--- page:\n{shown}")
            await asyncio.sleep(0.03)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(AssertionError, aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(5):
                await self._call("DELETE", self._session, {})
        await self._http.close()
        for process in (self._driver, self._display):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
