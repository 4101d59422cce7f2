"""A relay in this process, until a signal: what `relay run` does once its options are read."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from relay.agent import Agent
from relay.checks import examine
from relay.checks.findings import Mark, run_checks
from relay.commands.base import RelayStart
from relay.config import agent_config
from relay.hub_link.uplink import Uplink
from relay.json_log import JsonLines
from relay.link.tasks.event_loop import new_event_loop
from relay.radio.base import Radio, toys_run_on
from relay.radio.choice import RadioChoice, open_radio
from relay.radio.trace import Trace
from relay.service_manager import READY, STOPPING, notify, sign_of_life
from relay.wearer.console import RelayConsole
from relay.wearer.control import Control

log = logging.getLogger(__name__)


def serve(options: argparse.Namespace, start: RelayStart) -> int:
    """Run the relay until a signal ends it; returns the exit code. Raises RelayError."""
    trace = Trace(options.trace) if options.trace else None
    radio = open_radio(start.wanted, trace)
    console = RelayConsole(sys.stderr) if options.log_format == "text" else None
    level = "DEBUG" if options.verbose else options.log.upper()
    logging.basicConfig(level=level, handlers=[console or _json_lines()])
    # A network that is gone is a line of ours, not a traceback of the library's.
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_relay(radio, start, options.name, console))
    finally:
        if trace is not None:
            trace.close()
    return 0


def _json_lines() -> logging.Handler:
    """What happens, for a machine; the picture is for people."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    return handler


async def _relay(
    radio: Radio, start: RelayStart, name: str | None, console: RelayConsole | None
) -> None:
    """The whole relay, until a signal ends it. Raises RelayError for what a user can put right."""
    config = agent_config(start.file, name, start.state, outlived=toys_run_on(radio))
    agent = Agent(radio, config)
    uplink = Uplink(agent, start.hub)
    control = Control(agent, start.state)
    try:
        async with asyncio.TaskGroup() as group:
            _on_signals(agent)
            group.create_task(control.run(), name="control")
            group.create_task(uplink.run(), name="uplink")
            if (paired := start.hub.paired) is not None:
                agent.on_places = paired.told
                group.create_task(paired.keep(), name="where the hub is")
            if console is not None:
                group.create_task(console.run(agent, lambda: uplink.trouble), name="console")
            group.create_task(_look_at_radios(start.wanted), name="radio checks")
            group.create_task(sign_of_life(), name="sign of life")
            notify(READY)
            await agent.run()
            raise _Ended
    except* _Ended:
        notify(STOPPING)
        log.info("everything is stopped")


async def _look_at_radios(wanted: RadioChoice) -> None:
    """Say at the start, not at the first scan, that a radio cannot be used."""
    found = await asyncio.to_thread(lambda: list(run_checks(examine.radio_checks(wanted))))
    for finding in found:
        if finding.mark is Mark.BAD:
            log.warning("%s", finding.text)


class _Ended(Exception):
    """The agent has ended, so the rest may."""


def _on_signals(agent: Agent) -> None:
    """Interrupt and termination end the relay; the user signals are for buttons and scripts."""
    loop = asyncio.get_running_loop()
    wanted: dict[str, Callable[[], None]] = {
        "SIGINT": agent.close,
        "SIGTERM": agent.close,
        "SIGHUP": agent.close,
        "SIGUSR1": agent.pause,
        "SIGUSR2": agent.resume,
    }
    for name, act in wanted.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:
            # Windows: the loop knows no signals; the handler runs between two byte codes.
            signal.signal(number, lambda *_, act=act: loop.call_soon_threadsafe(act))
