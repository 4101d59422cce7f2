"""`relay doctor`: tries everything, and says what is in the way and what to do about it."""

from __future__ import annotations

import argparse
import sys

from relay.checks import examine
from relay.checks.bundle import Leak, write_bundle
from relay.checks.findings import bad, failed, lines, run_checks
from relay.command_line import Subcommand, file_path
from relay.commands.base import add_radio, add_state, wanted_radios
from relay.config import FileConfig, default_state, load
from relay.errors import RelayError


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hub", metavar="URL", help="where the hub is: ws://HOST:12346")
    parser.add_argument(
        "--config", type=file_path, metavar="FILE", help="a TOML file, see the README"
    )
    text = "also write it to FILE, without addresses, names and keys, for somebody who helps"
    parser.add_argument("--bundle", type=file_path, metavar="FILE", help=text)
    add_radio(parser)
    add_state(parser)


def _doctor(options: argparse.Namespace) -> int:
    state = options.state or default_state()
    findings = []
    file = FileConfig()
    try:
        file = load(options.config) if options.config else file
    except RelayError as error:
        findings.append(bad(str(error)))
    checks = examine.doctor_checks(file, options.hub, state, wanted_radios(options, file))
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


COMMANDS = {"doctor": Subcommand(_add_doctor, _doctor)}
