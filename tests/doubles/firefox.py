"""A real headless Firefox, driven over WebDriver BiDi, which it speaks by itself.

    async with Firefox() as browser:
        page = await browser.page("http://127.0.0.1:8080/")
        await page.evaluate("1 + 1")

Environment: `FIREFOX` names the browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

# A loaded two-core machine takes its time.
_START_S = 60.0
_CALL_S = 20.0
# No questions, no updates, nothing said to anybody.
_PREFERENCES = """
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("browser.safebrowsing.update.enabled", false);
"""


class BiDiError(Exception):
    """The browser refused a command, or the page's script threw."""


def find_firefox() -> str | None:
    """The browser to drive, or None: tests then skip."""
    names = (os.environ.get("FIREFOX"), "firefox-esr", "firefox")
    return next((path for name in names if name and (path := shutil.which(name))), None)


class FirefoxPage:
    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser = browser
        self._context = context

    async def goto(self, url: str) -> None:
        await self._browser.call(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def reload(self) -> None:
        await self._browser.call("browsingContext.reload", context=self._context, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, a string, number, boolean or null; promises are awaited."""
        answer = await self._browser.call(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise BiDiError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    async def until(self, expression: str, timeout: float = 15.0) -> None:
        ends = asyncio.get_running_loop().time() + timeout
        while not await self.evaluate(f"Boolean({expression})"):
            if asyncio.get_running_loop().time() > ends:
                shown = await self.evaluate("document.body.innerText")
                raise AssertionError(f"not within {timeout} s: {expression}\n--- page:\n{shown}")
            await asyncio.sleep(0.03)

    async def click(self, selector: str) -> None:
        """With the mouse, in the middle of the first that is there, once that stands still."""
        place = before = None
        for _ in range(25):
            place = await self.evaluate(
                f"""(node => {{
                    node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const box = node.getBoundingClientRect();
                    return JSON.stringify([box.left + box.width / 2, box.top + box.height / 2]);
                }})(document.querySelector({json.dumps(selector)}))"""
            )
            if place == before:
                break
            before = place
            await asyncio.sleep(0.04)
        assert place is not None
        x, y = (round(one) for one in json.loads(place))
        press = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        actions = [{**mouse, "actions": press}]
        await self._browser.call("input.performActions", context=self._context, actions=actions)

    async def close(self) -> None:
        await self._browser.call("browsingContext.close", context=self._context)


class Firefox:
    """One browser process with a profile of its own, as an async context manager."""

    def __init__(self) -> None:
        self._last_id = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def __aenter__(self) -> Firefox:
        executable = find_firefox()
        if executable is None:
            raise BiDiError("no firefox on PATH")
        self._profile = Path(tempfile.mkdtemp(prefix="forwarder-firefox-"))
        (self._profile / "user.js").write_text(_PREFERENCES)
        self._process = await asyncio.create_subprocess_exec(
            executable,
            "--headless",
            "--no-remote",
            "--profile",
            str(self._profile),
            "--remote-debugging-port=0",
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self._profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_START_S):
                url = await self._address()
                self._http = aiohttp.ClientSession()
                self._socket = await self._http.ws_connect(f"{url}/session", max_msg_size=0)
                self._tasks = [
                    asyncio.create_task(self._read(), name="bidi reader"),
                    asyncio.create_task(self._drain(), name="firefox log"),
                ]
                await self.call("session.new", capabilities={})
        except BaseException:
            self._kill()
            raise
        return self

    async def _address(self) -> str:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            found = re.search(r"WebDriver BiDi listening on (ws://\S+)", line.decode())
            if found is not None:
                return found[1]
        raise BiDiError(f"firefox ended with status {await self._process.wait()}")

    async def _drain(self) -> None:
        assert self._process.stderr is not None
        while await self._process.stderr.readline():
            pass

    async def _read(self) -> None:
        async for message in self._socket:
            said = message.json()
            answer = self._answers.pop(said.get("id"), None)
            if answer is None or answer.done():
                continue
            if said["type"] == "error":
                answer.set_exception(BiDiError(f"{said['error']}: {said['message']}"))
            else:
                answer.set_result(said["result"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last_id += 1
        answer = asyncio.get_running_loop().create_future()
        self._answers[self._last_id] = answer
        await self._socket.send_json({"id": self._last_id, "method": method, "params": params})
        async with asyncio.timeout(_CALL_S):
            result: dict[str, Any] = await answer
        return result

    async def page(self, url: str) -> FirefoxPage:
        made = await self.call("browsingContext.create", type="tab")
        page = FirefoxPage(self, made["context"])
        await page.goto(url)
        return page

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(BiDiError, TimeoutError, ConnectionError):
            await self.call("browser.close")
        try:
            await asyncio.wait_for(self._process.wait(), 8)
        except TimeoutError:
            self._kill()
            await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _kill(self) -> None:
        # Only the process group that was started above.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
