"""The command line: `relay run`, `relay scan`, and what the wearer says to a running relay."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from relay.agent import Agent
from relay.checks import examine
from relay.checks.bundle import Leak, write_bundle
from relay.checks.findings import Mark, bad, failed, lines, run_checks
from relay.command_line import Parser
from relay.config import AgentConfig, FileConfig, agent_config, default_state, load, make_state
from relay.errors import RelayError, UsageError
from relay.hub_link.hubs import Target, pair_with, target, unpair
from relay.hub_link.uplink import Uplink
from relay.link.event_loop import new_event_loop
from relay.link.messages import Advertisement
from relay.link.names import neutralise
from relay.radio.base import Radio, RadioError, toys_run_on
from relay.radio.choice import Wanted, open_radio
from relay.radio.trace import Trace
from relay.wanted import NamedRadios, add_radio_options, on_command_line
from relay.wearer.console import Console, picture
from relay.wearer.control import Command, Control, ask

log = logging.getLogger(__name__)

SCAN_S = 10.0


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One word of the command line. `run` returns the exit code, or raises RelayError."""

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 fine, 2 usage or configuration, 1 else."""
    parser = Parser(prog="relay", description="Lends this machine's radio to a hub.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        command.add(sub)
        sub.set_defaults(run=command.run)
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except RelayError as error:
        print(f"relay: {neutralise(str(error), 500)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 1
    return code


# --- run ---------------------------------------------------------------------------------------


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="where the hub is: ws://HOST:12346")
    parser.add_argument("--name", help="what the hub calls this relay (default: the host's name)")
    _add_radio(parser)
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="note each radio operation there"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file, see the README")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    _add_state(parser)


def _run(options: argparse.Namespace) -> int:
    file = load(options.config) if options.config else FileConfig()
    state = make_state(options.state or default_state())
    hub = target(options.hub or file.hub, state)
    trace = Trace(options.trace) if options.trace else None
    wanted = _wanted(options, file)
    radio = open_radio(wanted, trace)
    console = Console(sys.stderr)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, handlers=[console]
    )
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_relay(radio, file, options.name, state, hub, console, wanted))
    finally:
        if trace is not None:
            trace.close()
    return 0


async def _relay(
    radio: Radio,
    file: FileConfig,
    name: str | None,
    state: Path,
    hub: Target,
    console: Console,
    wanted: Wanted,
) -> None:
    """The whole relay, until a signal ends it. Raises RelayError for what a user can put right."""
    config = agent_config(file, name, state, outlived=toys_run_on(radio))
    agent = Agent(radio, config)
    uplink = Uplink(agent, hub)
    control = Control(agent, state)
    try:
        async with asyncio.TaskGroup() as group:
            _on_signals(agent)
            group.create_task(control.run(), name="control")
            group.create_task(uplink.run(), name="uplink")
            group.create_task(console.run(agent, lambda: uplink.trouble), name="console")
            group.create_task(_look_at_radios(wanted), name="radio checks")
            await agent.run()
            raise _Ended
    except* _Ended:
        log.info("everything is stopped")


async def _look_at_radios(wanted: Wanted) -> None:
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


# --- pairing -----------------------------------------------------------------------------------


def _add_pair(parser: argparse.ArgumentParser) -> None:
    text = "what `forwarder pair` printed, or - to read it from standard input"
    parser.add_argument("link", metavar="LINK", help=text)
    parser.add_argument("--name", help="what the hub calls this relay (default: the host's name)")
    _add_state(parser)


def _pair(options: argparse.Namespace) -> int:
    # A link in the arguments is in the shell's history and the process list, for the two minutes
    # in which it is worth something; whoever minds uses standard input.
    link = sys.stdin.readline() if options.link == "-" else options.link
    state = make_state(options.state or default_state())
    hub = pair_with(link, state, options.name or AgentConfig().name)
    print(f"Paired with {neutralise(hub.name)}. Start this relay with: relay run")
    return 0


def _unpair(options: argparse.Namespace) -> int:
    if not unpair(options.state or default_state()):
        raise RelayError("this relay is not paired with any hub; `relay pair LINK` does that")
    print("Unpaired. The hub still lists this relay until it is revoked there.")
    return 0


# --- doctor ------------------------------------------------------------------------------------


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="where the hub is: ws://HOST:12346")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file, see the README")
    text = "also write it to FILE, without addresses, names and keys, for somebody who helps"
    parser.add_argument("--bundle", type=Path, metavar="FILE", help=text)
    _add_radio(parser)
    _add_state(parser)


def _doctor(options: argparse.Namespace) -> int:
    state = options.state or default_state()
    findings = []
    file = FileConfig()
    try:
        file = load(options.config) if options.config else file
    except RelayError as error:
        findings.append(bad(str(error)))
    checks = examine.doctor_checks(file, options.hub, state, _wanted(options, file))
    findings += run_checks(checks)
    print("\n".join(lines(findings)))
    if options.bundle is not None:
        secrets = [(str(state), "<state>"), *((one, "<name>") for one in [file.name] if one)]
        try:
            write_bundle(options.bundle, "relay doctor", findings, state, secrets)
        except Leak:
            text = "the bundle was not written: something in it looks like an address or a key"
            raise RelayError(text) from None
        except OSError as error:
            raise RelayError(f"{options.bundle} cannot be written: {error.strerror}") from error
        print(f"{options.bundle} is written: read it before you pass it on.", file=sys.stderr)
    return 1 if failed(findings) else 0


# --- scan --------------------------------------------------------------------------------------


def _add_scan(parser: argparse.ArgumentParser) -> None:
    _add_radio(parser)
    parser.add_argument("--seconds", type=float, default=SCAN_S, help="how long (default: 10)")


def _scan(options: argparse.Namespace) -> int:
    radio = open_radio(_wanted(options, FileConfig()))
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            found = runner.run(_look_around(radio, options.seconds))
    except RadioError as error:
        raise RelayError(error.text) from error
    print(f"{found} devices in range" if found != 1 else "1 device in range", file=sys.stderr)
    return 0


async def _look_around(radio: Radio, seconds: float) -> int:
    seen: dict[str, str] = {}

    def sighted(advertisement: Advertisement) -> None:
        name = neutralise(advertisement.name or "")
        if seen.get(advertisement.address, "") in ("", name) and advertisement.address in seen:
            return
        seen[advertisement.address] = name
        print(f"{advertisement.address}  {advertisement.rssi:4} dBm  {name}", flush=True)

    try:
        async with asyncio.timeout(seconds):
            await radio.scan(sighted)
    except TimeoutError:
        return len(seen)
    finally:
        await radio.close()
    return len(seen)


# --- what the wearer says ----------------------------------------------------------------------


def _wearer(do: Command) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        answer = ask(options.state or default_state(), do)
        if answer.status is not None:
            print("\n".join(picture(answer.status, "")))
        if answer.status is not None and answer.status.unkept:
            raise RelayError(answer.status.unkept)
        if answer.stopped is False:
            raise RelayError("a device has not taken its stop; the relay goes on trying")
        if do == "stop" and answer.status is not None and answer.status.debts:
            raise RelayError("a device may be running and is missing; the relay looks for it")
        return 0

    return run


def _add_forget(parser: argparse.ArgumentParser) -> None:
    text = "its address, or its name, as `relay status` shows it"
    parser.add_argument("device", metavar="DEVICE", help=text)
    _add_state(parser)


def _forget(options: argparse.Namespace) -> int:
    ask(options.state or default_state(), "forget", options.device)
    print(f"{neutralise(options.device)} is not looked for any more.")
    return 0


# --- shared ------------------------------------------------------------------------------------


def _add_state(parser: argparse.ArgumentParser) -> None:
    text = "folder for keys, switches and the audit log"
    parser.add_argument("--state", type=Path, metavar="DIR", help=text)


def _add_radio(parser: argparse.ArgumentParser) -> None:
    text = "simulated toys instead of a radio, by device or advertised names, separated by commas"
    parser.add_argument("--simulate", metavar="NAMES", help=text)
    add_radio_options(parser)
    # What it was called when there was only one.
    parser.add_argument("--adapter", dest="bluetooth", action="append", help=argparse.SUPPRESS)


def _wanted(options: argparse.Namespace, file: FileConfig) -> Wanted:
    """The radios that were named; each kind on the command line wins over the file's.

    Raises UsageError.
    """
    said = on_command_line(options)
    if options.simulate is not None:
        if said:
            raise UsageError("simulated toys and radios are two relays: leave one of them out")
        return Wanted(simulate=options.simulate)
    radios: NamedRadios = msgspec.structs.replace(file.radios, **said)
    return Wanted(radios)


COMMANDS: dict[str, Subcommand] = {
    "run": Subcommand("lend this machine's radio to a hub", _add_run, _run),
    "pair": Subcommand("pair with a hub, once", _add_pair, _pair),
    "unpair": Subcommand("forget the hub", _add_state, _unpair),
    "scan": Subcommand("show which devices are in range", _add_scan, _scan),
    "doctor": Subcommand("find out what is in the way", _add_doctor, _doctor),
    "status": Subcommand("show what the running relay does", _add_state, _wearer("status")),
    "pause": Subcommand("stop everything until resume", _add_state, _wearer("pause")),
    "resume": Subcommand("let things run again", _add_state, _wearer("resume")),
    "stop": Subcommand("emergency stop, until resume", _add_state, _wearer("stop")),
    "forget": Subcommand("a missing device is off: look no more", _add_forget, _forget),
}
