"""`forwarder run`: the hub itself, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
from collections.abc import Iterable
from pathlib import Path

import msgspec

from forwarder import config as configuration
from forwarder.app import App
from forwarder.checks.examine import start_checks
from forwarder.checks.settings import settings
from forwarder.commands.base import FINE, Subcommand, add_state
from forwarder.config import Config
from forwarder.console import Console
from forwarder.errors import ConfigError
from relay.checks.findings import Finding, Mark, run_checks
from relay.link.event_loop import new_event_loop
from relay.link.names import quoted
from relay.wanted import add_radio_options, on_command_line

log = logging.getLogger(__name__)


def _add(parser: argparse.ArgumentParser) -> None:
    add_state(parser)
    parser.add_argument(
        "--simulate", metavar="NAMES", help='toys to simulate, like "Lovense Hush,Lovense Edge"'
    )
    parser.add_argument("--local-radio", action="store_true", help="use this machine's Bluetooth")
    add_radio_options(parser)
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="where Buttplug clients connect"
    )
    parser.add_argument(
        "--link-port", type=port_number, metavar="N", help="where relays, dashboard and API connect"
    )
    parser.add_argument(
        "--https-port",
        type=port_number,
        metavar="N",
        help="where phones get their page; 0: nowhere",
    )
    parser.add_argument("--lan", action="store_true", help="let paired relays connect from outside")
    parser.add_argument(
        "--meet",
        action="append",
        metavar="URL",
        help="a meeting point for relays elsewhere, such as wss://meet.example.org",
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write each radio operation as a JSON line"
    )


def port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no port: write a number up to 65535")
    return int(text)


def merged(options: argparse.Namespace) -> Config:
    """The configuration file with the command line's word on top. Raises ConfigError."""
    config = configuration.load(options.config)
    replace = msgspec.structs.replace
    if options.state is not None:
        config = replace(config, state=options.state)
    if options.trace is not None:
        config = replace(config, trace=options.trace)
    if options.port is not None:
        config = replace(config, clients=replace(config.clients, port=options.port))
    if options.link_port is not None:
        config = replace(config, link=replace(config.link, port=options.link_port))
    if options.https_port is not None:
        config = replace(config, link=replace(config.link, https_port=options.https_port))
    if options.lan:
        config = replace(config, link=replace(config.link, lan=True))
    if options.meet:
        meet = tuple(dict.fromkeys((*options.meet, *config.link.meet)))
        config = replace(config, link=replace(config.link, meet=meet))
    if options.simulate is not None:
        names = tuple(name.strip() for name in options.simulate.split(",") if name.strip())
        if not names:
            raise ConfigError('--simulate wants names of toys, like "Lovense Hush,Lovense Edge".')
        config = replace(config, radio=replace(config.radio, simulate=names))
    if options.local_radio:
        config = replace(config, radio=replace(config.radio, local=True))
    return replace(config, radio=replace(config.radio, **on_command_line(options)))


def keep() -> None:
    """What was loaded stays loaded: the collector would go through all of it again and again, 30 ms
    each time, in which nobody is served (`make hostile`: 52 ms at worst with it, 10 without)."""
    gc.collect()
    gc.freeze()
    # What is left to go through is little. aiohttp leaves 12 KiB in circles for each websocket that
    # a stranger opened: by default a thousand of them are waited for, before they are taken away.
    gc.set_threshold(700, 10, 3)


def _run(options: argparse.Namespace) -> int:
    config = merged(options)
    _refuse(settings(config))
    app = App(config)
    keep()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(app))


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


async def _serve(app: App) -> int:
    # Ports first: a taken one is said in a line, before anything has started.
    app.bind()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, app.stop)
        except NotImplementedError:  # Windows: its loop has none, the interpreter's must do
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(app.stop))
    async with asyncio.TaskGroup() as tasks:
        console = tasks.create_task(Console(app).run(), name="console")
        around = tasks.create_task(_look_around(app), name="checks")
        await app.run()
        console.cancel()
        around.cancel()
    return FINE


COMMANDS = (Subcommand("run", "run the hub until Ctrl-C", _add, _run),)
