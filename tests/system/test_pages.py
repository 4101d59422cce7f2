"""Each page of a scenario, carried out: its commands are typed on machines of its own, and what it
says is seen then.

`make first` does the same with programs that it installs, and makes the table of
docs/first-minute.md.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.deploy.test_windows7_door import DOOR, python38
from tests.pages.page import Answer, Carry, Command, File, steps
from tests.pages.places import one_house
from tests.pages.run import Reader, count, installed
from tests.pages.scenarios import SCENARIOS, Scenario
from tests.pages.table import PAGE, rows


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_what_a_page_says_happens(scenario: Scenario, tmp_path: Path) -> None:
    more = {"py": python38()} if scenario.name == "Windows 7" else None
    programs = installed(tmp_path / "bin", more)
    found = steps(scenario.path.read_text(encoding="utf-8"))
    with scenario.world(tmp_path, scenario.places) as places:
        if scenario.name == "Windows 7":
            shutil.copy(DOOR, places["hub"].home)
        told = Reader(places, programs, tmp_path).carry_out(found)
    print(scenario.name, told)
    assert told.commands >= 1


def test_the_table_in_the_docs_counts_what_the_pages_say() -> None:
    known = rows(PAGE.read_text(encoding="utf-8"))
    for scenario in SCENARIOS:
        told = count(steps(scenario.path.read_text(encoding="utf-8")))
        counted = (told.commands, told.answers, told.by_hand, told.typed)
        assert known[scenario.way] == counted, "make first"


def test_every_page_has_commands_on_its_own_machines() -> None:
    for scenario in SCENARIOS:
        found = steps(scenario.path.read_text(encoding="utf-8"))
        for step in found:
            places = {step.place} if isinstance(step, Command) else set()
            if isinstance(step, Answer | File):
                places = {step.place}
            if isinstance(step, Carry):
                places = {step.source, step.target}
            assert places <= set(scenario.places), f"{scenario.page}, line {step.line}"
        assert count(found).typed > 0, scenario.page


# docs/next-room.md, by the command that pairs and does no more.
_PAIRED = """
<!-- at desk, stays -->

    $ forwarder run --lan
    Buttplug clients   ws://127.0.0.1:12345   (0 connected)
    Relays, dashboard  http://127.0.0.1:12346

<!-- at desk, stays -->

    $ forwarder pair --code
    Say `relay run` at the other computer, and choose this hub. Waiting…

<!-- at room, stays -->

    $ relay pair
    Hubs in this network:
    1 …

<!-- answer y at desk -->
<!-- answer y at room, then -->

    Paired with …
"""


@pytest.mark.timeout(120)
def test_relay_pair_alone_hears_the_hub_in_the_network_and_both_compare_a_code(
    tmp_path: Path,
) -> None:
    programs = installed(tmp_path / "bin")
    with one_house(tmp_path, ("desk", "room")) as places:
        told = Reader(places, programs, tmp_path).carry_out(steps(_PAIRED))
    assert (told.commands, told.answers) == (3, 2)
