"""A hub in this process, until Ctrl-C: what `forwarder run` does once its options are read."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from forwarder.app import App
from forwarder.checks.starting import refuse
from forwarder.commands.base import FINE
from forwarder.commands.collector import keep, tidy
from forwarder.config import Config
from forwarder.console import HubConsole
from forwarder.errors import ConfigError
from forwarder.switches import Switches
from relay.checks.findings import Finding, Mark, run_checks
from relay.link.tasks.event_loop import new_event_loop
from relay.service_manager import READY, STOPPING, notify, sign_of_life

log = logging.getLogger(__name__)


def serve(switches: Switches, ready: Callable[[App], None] = lambda app: None) -> int:
    """Run the hub until a signal ends it, anew when a person has switched something; returns the
    exit status. `ready` is called once, when it serves. Raises ConfigError for what keeps it from
    starting."""
    app = _made(switches)
    while True:
        keep()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(app, ready))
        if not app.wants_restart:
            return FINE
        log.warning("the hub starts anew, with what was switched")
        app = _made(switches)
        ready = _nothing_more


def _found(config: Config) -> list[Finding]:
    from forwarder.checks.examine import start_checks  # not before the ports are there

    return list(run_checks(start_checks(config)))


def _nothing_more(app: App) -> None:
    pass


def _made(switches: Switches) -> App:
    """A hub that has its ports; without the switches if it is they that are in the way."""
    try:
        return _bound(switches.config(), switches)
    except ConfigError as error:
        if not switches.any:
            raise
        log.error("what was switched on the dashboard is left out, for with it: %s", error)
        return _bound(switches.without(str(error)), switches)


def _bound(config: Config, switches: Switches) -> App:
    refuse(config)
    app = App(config, switches)
    app.bind()
    return app


async def _look_around(app: App) -> None:
    """Say at the start what will be in the way later: radios, clock, settings without effect."""
    found = await asyncio.to_thread(_found, app.config)
    for finding in found:
        if finding.mark is not Mark.GOOD:
            log.warning("%s", finding.text)


def _at_rest(app: App) -> bool:
    return not any(device.running for device in app.hub.devices.values())


async def _serve(app: App, ready: Callable[[App], None]) -> None:
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
        tidying = tasks.create_task(tidy(lambda: _at_rest(app)), name="collector")

        def serving() -> None:
            notify(READY)
            ready(app)

        await app.run(serving)
        for task in (console, around, alive, tidying):
            task.cancel()
