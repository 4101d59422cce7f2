"""A real headless Chromium, driven over the Chrome DevTools Protocol.

    async with Chromium() as browser:
        page = await browser.page("http://127.0.0.1:8080/")
        await page.evaluate("1 + 1")

Environment: `CHROMIUM` names the browser, `CHROMIUM_LOG` a file for what it says.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import aiohttp

Params = dict[str, Any]
OnEvent = Callable[[Params], None]

_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
# A loaded two-core machine has taken 8 s; more than this is a browser that will not come.
_START_S = 40.0
_CALL_S = 20.0


class DevToolsError(Exception):
    """The browser refused a command, or the page's script threw."""


def find_chromium() -> str | None:
    """The browser to drive, or None: tests then skip."""
    names = (os.environ.get("CHROMIUM"), "chromium", "google-chrome", "chromium-browser")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def open_log() -> BinaryIO:
    return Path(os.environ.get("CHROMIUM_LOG", os.devnull)).open("ab")


class Target:
    """One DevTools session: the browser itself, or one page."""

    def __init__(self, browser: Chromium, session_id: str | None = None) -> None:
        self.browser = browser
        self.session_id = session_id
        self.target_id = ""
        self._handlers: dict[str, list[OnEvent]] = {}
        self._waiters: list[tuple[str, Callable[[Params], bool], asyncio.Future[Params]]] = []
        self.errors: list[str] = []

    async def call(self, method: str, *, timeout: float = _CALL_S, **params: Any) -> Params:
        return await self.browser.call(method, params, self.session_id, timeout)

    def on(self, method: str, handler: OnEvent) -> None:
        """`handler(params)` runs for every such event; it must not block."""
        self._handlers.setdefault(method, []).append(handler)

    def off(self, method: str, handler: OnEvent) -> None:
        self._handlers[method].remove(handler)

    def expect(
        self, method: str, matches: Callable[[Params], bool] = lambda _: True
    ) -> asyncio.Future[Params]:
        """A future for the next such event. Make it before the command that causes the event."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((method, matches, future))
        return future

    def deliver(self, method: str, params: Params) -> None:
        for waiter in list(self._waiters):
            name, matches, future = waiter
            if name == method and not future.done() and matches(params):
                future.set_result(params)
                self._waiters.remove(waiter)
        for handler in list(self._handlers.get(method, ())):
            handler(params)


class Page(Target):
    """One tab."""

    async def evaluate(self, expression: str, *, timeout: float = _CALL_S) -> Any:
        """The JSON value of an expression; promises are awaited. Raises DevToolsError."""
        answer = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            timeout=timeout,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            thrown = details.get("exception", {}).get("description")
            raise DevToolsError(thrown or details.get("text", "the page threw"))
        return answer["result"].get("value")

    async def goto(self, url: str) -> None:
        loaded = self.expect("Page.loadEventFired")
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(loaded, _CALL_S)

    async def until(self, expression: str, timeout: float = 10.0) -> Any:
        """Wait until an expression is true in the page, asked at every frame; return its value."""
        value = await self.evaluate(
            f"""new Promise(resolve => {{
                const ends = Date.now() + {timeout * 1000};
                (function ask() {{
                    let value;
                    try {{ value = ({expression}); }} catch (error) {{ value = null; }}
                    if (value || Date.now() > ends) resolve(value || null);
                    else setTimeout(ask, 25);
                }})();
            }})""",
            timeout=timeout + 5,
        )
        if not value:
            shown = await self.evaluate("document.body.innerText")
            raise AssertionError(f"not within {timeout} s: {expression}\n--- page:\n{shown}")
        return value

    async def click(self, selector: str) -> None:
        """A real click in the middle of an element: the only kind that opens the chooser."""
        # A page that still finds its shape would have the click land beside it.
        place = await self.evaluate(
            f"""new Promise(resolve => {{
                const element = document.querySelector({json.dumps(selector)});
                if (!element) return resolve(null);
                const ends = Date.now() + 1000;
                let before = "";
                (function look() {{
                    element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const box = element.getBoundingClientRect();
                    const place = [box.x + box.width / 2, box.y + box.height / 2];
                    if (place.join() === before || Date.now() > ends) return resolve(place);
                    before = place.join();
                    setTimeout(look, 40);
                }})();
            }})"""
        )
        if place is None:
            raise AssertionError(f"there is no {selector} on the page")
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    async def phone(self, width: int = 360, height: int = 740, *, dark: bool = False) -> None:
        """Look like a phone: size, and the colour scheme people chose."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=True,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    async def close(self) -> None:
        await self.browser.root.call("Target.closeTarget", targetId=self.target_id)


class Chromium:
    """One browser process with a profile of its own, as an async context manager."""

    def __init__(
        self,
        flags: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        profile: Path | None = None,
    ) -> None:
        self._flags = tuple(flags)
        self._env = dict(env or {})
        self._profile = profile
        self._own_profile = profile is None
        self._last_id = 0
        self._answers: dict[int, asyncio.Future[Params]] = {}
        self._targets: dict[str, Target] = {}
        self.root = Target(self)

    async def __aenter__(self) -> Chromium:
        executable = find_chromium()
        if executable is None:
            raise DevToolsError("no chromium on PATH")
        profile = self._profile or Path(tempfile.mkdtemp(prefix="forwarder-chromium-"))
        self._profile = profile
        port_file = profile / "DevToolsActivePort"
        port_file.unlink(missing_ok=True)
        flags = [*_FLAGS, *self._flags, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        with open_log() as log:
            self._process = await asyncio.create_subprocess_exec(
                executable,
                *flags,
                "about:blank",
                stdout=log,
                stderr=log,
                env={**os.environ, **self._env},
                start_new_session=True,
            )
        async with asyncio.timeout(_START_S):
            while not port_file.exists() or "\n" not in port_file.read_text():
                if self._process.returncode is not None:
                    raise DevToolsError(f"chromium ended with status {self._process.returncode}")
                await asyncio.sleep(0.05)
        port, path = port_file.read_text().split("\n")[:2]
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0)
        self._reader = asyncio.create_task(self._read(), name="devtools reader")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(DevToolsError):  # it may have been closed by the test
            await self.call("Browser.close", {}, None, 5)
        try:
            await asyncio.wait_for(self._process.wait(), 8)
        except TimeoutError:
            # Only the process group that was started above.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._http.close()
        if self._own_profile and self._profile is not None:
            shutil.rmtree(self._profile, ignore_errors=True)

    async def call(
        self, method: str, params: Params, session_id: str | None = None, timeout: float = _CALL_S
    ) -> Params:
        self._last_id += 1
        number = self._last_id
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        message = {"id": number, "method": method, "params": params}
        if session_id is not None:
            message["sessionId"] = session_id
        try:
            await self._socket.send_str(json.dumps(message))
            async with asyncio.timeout(timeout):
                result: Params = await answer
                return result
        except TimeoutError:
            raise DevToolsError(f"{method} was not answered in {timeout} s") from None
        except ConnectionError as error:
            raise DevToolsError(f"{method}: the browser is gone") from error
        finally:
            self._answers.pop(number, None)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            data = json.loads(message.data)
            if "id" in data:
                answer = self._answers.get(data["id"])
                if answer is None or answer.done():
                    continue
                if "error" in data:
                    answer.set_exception(DevToolsError(data["error"].get("message", "refused")))
                else:
                    answer.set_result(data["result"])
                continue
            session = data.get("sessionId")
            target = self._targets.get(session) if session else self.root
            if target is not None:
                target.deliver(data["method"], data.get("params", {}))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(DevToolsError("the browser is gone"))

    async def page(self, url: str | None = None, *, apart: bool = False) -> Page:
        """A new tab; `page.errors` collects what its scripts throw or log as errors. `apart`: as in
        another browser, which keeps things of its own."""
        more = {}
        if apart:
            context = await self.root.call("Target.createBrowserContext")
            more = {"browserContextId": context["browserContextId"]}
        made = await self.root.call("Target.createTarget", url="about:blank", **more)
        page = await self.attach(made["targetId"])
        if url is not None:
            await page.goto(url)
        return page

    async def attach(self, target_id: str) -> Page:
        answer = await self.root.call("Target.attachToTarget", targetId=target_id, flatten=True)
        page = Page(self, answer["sessionId"])
        page.target_id = target_id
        self._targets[answer["sessionId"]] = page
        page.on("Runtime.exceptionThrown", lambda event: page.errors.append(_thrown(event)))
        page.on("Runtime.consoleAPICalled", lambda event: _console(page, event))
        page.on("Log.entryAdded", lambda event: _logged(page, event))
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        return page


def _thrown(event: Params) -> str:
    details = event["exceptionDetails"]
    text: str = details.get("exception", {}).get("description") or details.get("text", "")
    return text


def _console(page: Page, event: Params) -> None:
    if event["type"] == "error":
        words = [str(part.get("value", part.get("description"))) for part in event["args"]]
        page.errors.append(" ".join(words))


def _logged(page: Page, event: Params) -> None:
    entry = event["entry"]
    # A websocket that cannot be opened is logged by the browser; the tests break links on purpose.
    if entry["level"] == "error" and entry["source"] != "network":
        page.errors.append(entry["text"])
