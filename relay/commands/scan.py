"""`relay scan`: which devices are in range."""

from __future__ import annotations

import argparse
import asyncio
import sys

from relay.command_line import Subcommand
from relay.commands.base import add_radio, wanted_radios
from relay.config import FileConfig
from relay.errors import RelayError
from relay.link.messages import Advertisement, ErrorCode
from relay.link.names import neutralise
from relay.link.tasks.event_loop import new_event_loop
from relay.radio.base import Radio, RadioError, watch
from relay.radio.choice import open_radio
from relay.radio.simulated.catalogue import model_of

SCAN_S = 10.0
MOST_SCAN_S = 3600.0


def _add_scan(parser: argparse.ArgumentParser) -> None:
    add_radio(parser)
    parser.add_argument("--seconds", type=_seconds, default=SCAN_S, help="how long (default: 10)")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0 < seconds <= MOST_SCAN_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is too short or too long: write up to {MOST_SCAN_S:g}"
        )
    return seconds


def _scan(options: argparse.Namespace) -> int:
    radio = open_radio(wanted_radios(options, FileConfig()))
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
        model = model_of(advertisement.name or "")
        told = f"{name}  ({model or 'unknown model'})" if name else "(no name)"
        print(f"{advertisement.address}  {advertisement.rssi:4} dBm  {told}", flush=True)

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(watch(radio))
            group.create_task(radio.scan(sighted))
    except TimeoutError:
        pass
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        info = radio.info
        await radio.close()
    if not seen and not info.on:
        raise RadioError(ErrorCode.RADIO, info.text)
    if info.text:
        # Of several radios, or of one that found something all the same.
        print(info.text, file=sys.stderr)
    return len(seen)


COMMANDS = {"scan": Subcommand(_add_scan, _scan)}
