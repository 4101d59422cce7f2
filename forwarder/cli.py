"""The command line of the hub: options → configuration → what to do. Commands stand in a table."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from forwarder import config as configuration
from forwarder import log as logs
from forwarder.app import App
from forwarder.config import Config
from forwarder.console import Console
from forwarder.errors import ConfigError, ForwarderError

try:
    from uvloop import new_event_loop
except ImportError:  # Windows, and Pythons for which nobody has built it
    from asyncio import new_event_loop  # type: ignore[assignment]  # both make event loops

FINE, FAILED, USAGE = 0, 1, 2

log = logging.getLogger(__name__)

Command = Callable[[argparse.Namespace], int]


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line; returns the exit status. Errors are one line on standard error."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:  # argparse has said why
        return leave.code if isinstance(leave.code, int) else USAGE
    logs.set_up(options.log)
    command: Command = options.command
    try:
        return command(options)
    except ConfigError as error:
        print(f"forwarder: {error}", file=sys.stderr)
        return USAGE
    except ForwarderError as error:
        print(f"forwarder: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forwarder", description="One Buttplug server for radios that are somewhere else."
    )
    parser.add_argument(
        "--log", choices=("debug", "info", "warning", "error"), default="warning", help="how much"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _run_options(commands.add_parser("run", help="run the hub until Ctrl-C"))
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, metavar="DIR", help="where keys and indexes live")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML configuration file")


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run)
    _common(parser)
    parser.add_argument(
        "--simulate", metavar="NAMES", help='toys to simulate, like "Lovense Hush,Lovense Edge"'
    )
    parser.add_argument("--local-radio", action="store_true", help="use this machine's Bluetooth")
    parser.add_argument("--port", type=_port, metavar="N", help="where Buttplug clients connect")
    parser.add_argument(
        "--link-port", type=_port, metavar="N", help="where relays, dashboard and API connect"
    )
    parser.add_argument("--lan", action="store_true", help="let paired relays connect from outside")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write each radio operation as a JSON line"
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return port


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
    if options.lan:
        config = replace(config, link=replace(config.link, lan=True))
    if options.simulate is not None:
        names = tuple(name.strip() for name in options.simulate.split(",") if name.strip())
        if not names:
            raise ConfigError('--simulate wants names of toys, like "Lovense Hush,Lovense Edge".')
        config = replace(config, radio=replace(config.radio, simulate=names))
    if options.local_radio:
        config = replace(config, radio=replace(config.radio, local=True))
    return config


def _run(options: argparse.Namespace) -> int:
    app = App(merged(options))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(app))


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
        await app.run()
        console.cancel()
    return FINE
