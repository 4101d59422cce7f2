"""docs/compatibility.md says what the code does, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from forwarder.buttplug.messages import InputType, OutputType
from tests.forwarder.buttplug.devices import device, nora, output, sensor, sent
from tests.forwarder.buttplug.harness import Served
from tests.forwarder.buttplug.legacy.test_dialects import TABLE
from tests.system.js.packages import NPM_0, NPM_1, NPM_3, NPM_4, NPM_4_FIRST, NPM_5
from tests.system.test_buttplug_py import VERSION as BUTTPLUG_PY

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
VERSIONS = range(5)

Rows = dict[str, tuple[bool, ...]]

# Where the table of test_dialects shows only how they fail.
_V4_FIELDS: dict[str, dict[str, object]] = {
    "OutputCmd": {"DeviceIndex": 0, "FeatureIndex": 0, "Command": {"Vibrate": {"Value": 1}}},
    "InputCmd": {"DeviceIndex": 0, "FeatureIndex": 2, "Type": "Battery", "Command": "Read"},
}
# The code of messages that a version does not have.
_NOT_HERE = 3


def rows_of(heading: str) -> Rows:
    """The table under a heading: message → for each version, whether there is a ✓."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: Rows = {}
    for line in re.findall(r"^\| `(\w+)` \|(.*)\|$", text, flags=re.M):
        name, cells = line[0], [cell.strip() for cell in line[1].split("|")][:5]
        assert set(cells) <= {"✓", "–"}, name
        found[name] = tuple(cell == "✓" for cell in cells)
    return found


def test_what_clients_say() -> None:
    done = {"RequestServerInfo": [True] * 5}
    for name, _, answers in TABLE:
        before = done.setdefault(name, [False] * 5)
        done[name] = [a or b != _NOT_HERE for a, b in zip(before, answers, strict=True)]
    for name, fields in _V4_FIELDS.items():
        done[name] = [
            Served(version).ask(name, Id=7, **fields)[0][0] != "Error" for version in VERSIONS
        ]
    assert rows_of("Messages of clients") == {name: tuple(row) for name, row in done.items()}


def heard(version: int) -> set[str]:
    """The names of all messages that a session of `version` sends in a life with everything."""
    rssi = device(1, "Radio", [sensor(0, InputType.RSSI, low=-100, high=0)])
    served = Served(version, {0: nora(), 1: rssi})
    names = {"ServerInfo"} & {name for frame in served.frames for name in re.findall(r"\w+", frame)}
    fields = {name: body for name, body, _ in reversed(TABLE)}
    for name in rows_of("Messages of clients"):
        if name in ("RequestServerInfo", "Disconnect"):
            continue
        for index in (0, 1):
            asked = fields.get(name, {}) | _V4_FIELDS.get(name, {})
            if "DeviceIndex" in asked:
                asked["DeviceIndex"] = index
            names |= {reply for reply, _ in served.ask(name, Id=7, **asked)}
    served.devices = {0: nora(), 2: device(2, "New", [output(0, OutputType.VIBRATE)])}
    names |= {name for name, _ in sent(served.session.device_list())}
    return names | {name for name, _ in sent(served.session.scanning_finished())}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_hub_says(version: int) -> None:
    page = rows_of("Messages of the hub")
    assert heard(version) == {name for name, row in page.items() if row[version]}


def test_every_test_and_file_that_is_named_exists() -> None:
    files = set(re.findall(r"\]\(\.\./(tests/[\w/]+\.py)\)", PAGE))
    assert files
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        name
        for file in files
        for name in re.findall(r"def (test_\w+)\(", (ROOT / file).read_text(encoding="utf-8"))
    }
    assert named <= there, named - there


def test_every_client_that_is_tested_is_named() -> None:
    crates = (ROOT / "tests" / "system" / "rust" / "Cargo.toml").read_text(encoding="utf-8")
    (crate,) = re.findall(r'^buttplug_client = "=(.*)"$', crates, flags=re.M)
    assert f"crate `buttplug_client` {crate} " in PAGE
    assert f"`buttplug-py` {BUTTPLUG_PY}" in PAGE
    for package in (NPM_5, NPM_4, NPM_4_FIRST, NPM_3, NPM_1, NPM_0):
        assert re.search(
            rf"^\| npm `buttplug` {package}\b[^|]*\| v{package.spec} \|", PAGE, flags=re.M
        ), package
