"""`forwarder meet`: a meeting point, for anyone with a public host."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from forwarder.access.tls import users_certificate
from forwarder.commands.base import FINE, Subcommand, port_number
from forwarder.commands.collector import keep, tidy
from forwarder.config import MEETING_PORT
from forwarder.connectors.listener import EVERYWHERE
from forwarder.errors import ConfigError
from forwarder.meet.bounds import DEFAULT, with_descriptors
from forwarder.meet.proxies import Proxies
from forwarder.meet.server import MeetingServer
from relay.command_line import file_path
from relay.link.names import neutralise
from relay.link.security.meeting import MeetingAddressError, is_id, meeting_origin, websocket_of
from relay.link.tasks.event_loop import new_event_loop


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port_number, default=MEETING_PORT, metavar="N",
        help=f"where it listens (default: {MEETING_PORT})",
    )  # fmt: skip
    parser.add_argument(
        "--host", action="append", metavar="ADDRESS",
        help="an address to listen on, such as 127.0.0.1 behind a proxy (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--public-url", metavar="URL",
        help="what hubs, relays and browsers call it, such as https://meet.example.org"
        " (default: this machine, at --port)",
    )  # fmt: skip
    parser.add_argument(
        "--certificate", type=file_path, metavar="FILE",
        help="serve https with this certificate (PEM); without it a proxy has to",
    )  # fmt: skip
    parser.add_argument("--key", type=file_path, metavar="FILE", help="the certificate's key (PEM)")
    parser.add_argument(
        "--only", type=file_path, metavar="FILE",
        help="ids of the hubs that may register, one a line; # begins a remark",
    )  # fmt: skip
    parser.add_argument(
        "--proxy", action="append", default=[], metavar="NETWORK",
        help="believe X-Forwarded-For of proxies there too, not of this machine alone",
    )  # fmt: skip
    parser.add_argument(
        "--nats", metavar="URL",
        help="be one of several behind the same name, which meet by this NATS server, such as"
        " nats://127.0.0.1:4222; several with commas",
    )  # fmt: skip
    parser.add_argument(
        "--owner", default="", metavar="TEXT", help="who serves it, for its first page"
    )


def allowed(path: Path) -> frozenset[str]:
    """The ids in a file of `--only`. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"--only: {path} cannot be read ({error.strerror}): correct its name."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--only: {path} is not UTF-8 text: save it as UTF-8.") from error
    ids = []
    for number, line in enumerate(lines, 1):
        id = line.partition("#")[0].strip()
        if id and not is_id(id):
            raise ConfigError(f"{path}, line {number}: an id has 26 characters, a-z and 2-7.")
        ids += [id] if id else []
    return frozenset(ids)


def server(options: argparse.Namespace) -> MeetingServer:
    """What the options describe. Raises ConfigError."""
    tls = None
    if (options.certificate is None) != (options.key is None):
        raise ConfigError("--certificate and --key belong together: give both, or none.")
    if options.certificate is not None:
        tls = users_certificate(options.certificate, options.key).server_context()
    scheme = "http" if tls is None else "https"
    try:
        origin = meeting_origin(options.public_url or f"{scheme}://localhost:{options.port}")
    except MeetingAddressError as error:
        raise ConfigError(f"--public-url: {error}.") from error
    ids = None if options.only is None else allowed(options.only)
    return MeetingServer(
        port=options.port,
        hosts=tuple(options.host) if options.host else EVERYWHERE,
        origin=origin,
        tls=tls,
        bounds=with_descriptors(DEFAULT),
        only=lambda id: ids is None or id in ids,
        proxies=Proxies(options.proxy),
        owner=neutralise(options.owner),
        nats=options.nats,
    )


def _run(options: argparse.Namespace) -> int:
    meeting = server(options)
    meeting.bind()
    keep()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(meeting))


async def _serve(meeting: MeetingServer) -> int:
    def ready() -> None:
        address = websocket_of(meeting.origin)
        print(f"Meeting point at {meeting.origin}")
        print(f"A hub meets its relays here with: forwarder run --meet {address}", flush=True)

    stop = asyncio.Event()
    _on_signals(stop.set)
    serving = asyncio.ensure_future(meeting.run(ready))
    stopping = asyncio.ensure_future(stop.wait())
    tidying = asyncio.ensure_future(tidy(lambda: True))  # nothing moves here
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        tidying.cancel()
        if not serving.done():
            serving.cancel()
        await asyncio.wait((serving,))
    if not serving.cancelled():
        serving.result()
    return FINE


def _on_signals(act: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # Windows: its loop has none, the interpreter's must do
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))


COMMANDS = {
    "meet": Subcommand(_add, _run),
}
