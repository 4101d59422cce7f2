"""A hub in this process, until Ctrl-C: what `forwarder run` does once its options are read."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterable

from forwarder.app import App
from forwarder.checks.examine import start_checks
from forwarder.checks.settings import settings
from forwarder.commands.base import FINE
from forwarder.config import Config
from forwarder.console import HubConsole
from forwarder.errors import ConfigError
from relay.checks.findings import Finding, Mark, run_checks
from relay.link.event_loop import new_event_loop
from relay.service_manager import READY, STOPPING, notify, sign_of_life

log = logging.getLogger(__name__)


def keep() -> None:
    """What was loaded stays loaded: the collector would go through all of it again and again, 30 ms
    each time, in which nobody is served (`make hostile`: 52 ms at worst with it, 10 without)."""
    gc.collect()
    gc.freeze()
    # What is left to go through is little. aiohttp leaves 12 KiB in circles for each websocket that
    # a stranger opened: by default a thousand of them are waited for, before they are taken away.
    gc.set_threshold(700, 10, 3)


def serve(config: Config, ready: Callable[[App], None] = lambda app: None) -> int:
    """Run the hub until a signal ends it; returns the exit status. `ready` is called once, when it
    serves. Raises ConfigError for what keeps it from starting."""
    _refuse(settings(config))
    app = App(config)
    keep()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(app, ready))


def _refuse(findings: Iterable[Finding]) -> None:
    """Raises ConfigError for what keeps the hub from starting; several are a line each."""
    wrong = [finding.text for finding in findings if finding.mark is Mark.BAD]
    if wrong:
        raise ConfigError("\nforwarder: ".join(wrong))


async def _look_around(app: App) -> None:
    """Say at the start what will be in the way later: radios, clock, settings without effect."""
    found = await asyncio.to_thread(lambda: list(run_checks(start_checks(app.config))))
    for finding in found:
        if finding.mark is not Mark.GOOD:
            log.warning("%s", finding.text)


async def _serve(app: App, ready: Callable[[App], None]) -> int:
    # Ports first: a taken one is said in a line, before anything has started.
    app.bind()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        notify(STOPPING)
        app.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: its loop has none, the interpreter's must do
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    async with asyncio.TaskGroup() as tasks:
        console = tasks.create_task(HubConsole(app).run(), name="console")
        around = tasks.create_task(_look_around(app), name="checks")
        alive = tasks.create_task(sign_of_life(), name="sign of life")

        def serving() -> None:
            notify(READY)
            ready(app)

        await app.run(serving)
        for task in (console, around, alive):
            task.cancel()
    return FINE
