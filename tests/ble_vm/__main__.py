"""`python -m tests.ble_vm [--suite NAME] [--out FOLDER] [pytest's arguments]`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ble_vm.machine import SUITES, CannotBuild, run
from tests.needs import NEED_ALL

# Four times what it takes on two cores that others use as well.
TIMEOUT_S = 1200.0
GUEST = "tests/ble_vm/guest"
# Without what is set up for all tests: its library is for developers, and not in the machine.
PYTEST = ("python3", "-m", "pytest", "-p", "no:cacheprovider", "--confcutdir", "tests/ble_vm")
# Asks for this test, which is no part of the whole suite. With NEED_ALL, it must be possible.
WANTED = "FORWARDER_BLE_VM"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ble_vm", allow_abbrev=False)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0], help="which Debian's BlueZ")
    parser.add_argument("--out", type=Path, help="where logs go (default: a new folder)")
    options, more = parser.parse_known_args()
    # So that the machine ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    out = (options.out or Path(tempfile.mkdtemp(prefix="ble-vm-"))).resolve()
    out.mkdir(parents=True, exist_ok=True)
    chosen = [] if any(GUEST in one for one in more) else [GUEST]
    command = [
        "python3",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--confcutdir",
        "tests/ble_vm",
        *chosen,
        *more,
    ]
    try:
        code = run(command, options.suite, out, TIMEOUT_S)
    except CannotBuild as error:
        print(f"skipped, cannot build the machine: {error}", file=sys.stderr)
        return int(all(os.environ.get(name, "") not in ("", "0") for name in (NEED_ALL, WANTED)))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"logs in {out}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
