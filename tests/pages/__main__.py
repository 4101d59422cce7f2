"""`python -m tests.pages [--write]`: installs the package anew, carries out the page of each
scenario with what was installed, and prints what each way costs; `--write` puts the table into
docs/first-minute.md. Needs root (network namespaces) and a network (packages)."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.deploy.test_windows7_door import DOOR, python38
from tests.pages.install import Installed, by_make, by_uv, checkout
from tests.pages.page import Command, steps
from tests.pages.places import one_house
from tests.pages.run import Reader
from tests.pages.scenarios import SCENARIOS, Scenario
from tests.pages.table import PAGE, Cost, cost, written

_RUNS = ("Relays, dashboard  http://127.0.0.1:12346", "relay   simulated toys: connected")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pages", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    options = parser.parse_args()
    costs = []
    with tempfile.TemporaryDirectory(prefix="first-") as name:
        folder = Path(name)
        copy = checkout(folder / "copy")
        made = by_make(copy)
        costs.append(_made_run(made, copy, folder))
        tool = by_uv(copy, folder)
        if tool is not None:
            line = f"install: `{tool.command}`"
            costs.append(Cost(line, 1, 0, 0, len(tool.command), 0, tool.seconds, tool.processor_s))
        programs = (tool or made).programs
        for scenario in SCENARIOS:
            more = by_uv(copy, folder, scenario.extra) if scenario.extra else None
            found = programs if more is None else more.programs
            costs.append(_carried_out(scenario, found, folder / scenario.name))
    page = written(PAGE.read_text(encoding="utf-8"), costs)
    load = os.getloadavg()[0]
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, load {load:.1f}")
    for each in costs:
        print(each.row())
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
    return 0


def _made_run(made: Installed, copy: Path, folder: Path) -> Cost:
    """`make run`, to the hub that runs."""
    with one_house(folder / "made", ("desk",)) as places:
        run = Command(1, "desk", f"make -C {copy} run", _RUNS, stays=True)
        told = Reader(places, made.programs, folder).carry_out([run])
    line = "try it from a checkout: `make run`"
    took = made.seconds + told.seconds
    return Cost(line, 1, 0, 0, len(made.command), 0, took, made.processor_s)


def _carried_out(scenario: Scenario, programs: Path, folder: Path) -> Cost:
    folder.mkdir()
    tools = folder / "bin"
    tools.mkdir()
    for path in (*programs.glob("*forwarder"), *programs.glob("*relay")):
        (tools / path.name).symlink_to(path)
    if scenario.name == "Windows 7":
        (tools / "py").symlink_to(python38())
    found = steps(scenario.path.read_text(encoding="utf-8"))
    with scenario.world(folder, scenario.places) as places:
        if scenario.name == "Windows 7":
            shutil.copy(DOOR, places["hub"].home)
        told = Reader(places, tools, folder).carry_out(found)
    return cost(scenario.way, told)


if __name__ == "__main__":
    sys.exit(main())
