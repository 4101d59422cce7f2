"""`forwarder doctor`: tries everything, and says what is in the way and what to do about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import msgspec

from forwarder import config_file
from forwarder.api.documents.model import StatusView
from forwarder.commands.api_client import ApiClient, HubRefused, NoHub
from forwarder.commands.base import FAILED, FINE, Subcommand, add_state, config_of
from forwarder.config import Config
from forwarder.errors import ConfigError, ForwarderError
from forwarder.switches import Switches
from relay.checks.bundle import Leak, write_bundle
from relay.checks.findings import bad, failed, lines, run_checks
from relay.command_line import file_path


def _add(parser: argparse.ArgumentParser) -> None:
    add_state(parser)
    parser.add_argument(
        "--bundle",
        type=file_path,
        metavar="FILE",
        help="also write it to FILE, without addresses, names and keys, for somebody who helps",
    )


def _run(options: argparse.Namespace) -> int:
    # It makes all that a hub is made of.
    from forwarder.checks.examine import doctor_checks

    findings = []
    try:
        config = config_of(options)
        try:
            config = _switched(options, config)
        except ConfigError as error:
            findings.append(bad(str(error)))
    except ConfigError as error:
        # With what is built in the rest can be looked at nevertheless.
        config = Config(state=options.state)
        findings.append(bad(str(error)))
    findings += run_checks(doctor_checks(config))
    print("\n".join(lines(findings)))
    if options.bundle is not None:
        try:
            secrets = list(_secrets(config))
            write_bundle(options.bundle, "forwarder doctor", findings, config.state_dir, secrets)
        except Leak:
            raise ForwarderError(
                "The bundle was not written: something in it looks like an address or a key. Copy"
                " by hand what may be seen."
            ) from None
        except OSError as error:
            raise ForwarderError(f"{options.bundle} cannot be written: {error.strerror}.") from None
        print(f"{options.bundle} is written: read it before you pass it on.", file=sys.stderr)
    return FAILED if failed(findings) else FINE


def _switched(options: argparse.Namespace, config: Config) -> Config:
    """The configuration with what was switched on the dashboard. Raises ConfigError."""
    switches = Switches(config.state_dir, config_file.read(options.config))
    return msgspec.structs.replace(switches.config(), state=config.state)


def _secrets(config: Config) -> Iterator[tuple[str, str]]:
    """Names that people have given, here and to their relays, apps and toys."""
    yield str(config.state_dir), "<state>"
    yield config.name, "<hub>"
    for number, upstream in enumerate(config.upstream, 1):
        yield upstream.name, f"<upstream {number}>"
    try:
        status = ApiClient(config.state_dir).get("/status", StatusView)
    except (NoHub, HubRefused):
        return
    for number, relay in enumerate(status.relays, 1):
        yield relay.name, f"<relay {number}>"
    for number, device in enumerate(status.devices, 1):
        yield device.name, f"<device {number}>"


COMMANDS = {
    "doctor": Subcommand(_add, _run),
}
