"""The genuine Bluetooth stack as one test, for those who ask for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ble_vm.__main__ import GUEST, TIMEOUT_S, WANTED
from tests.ble_vm.machine import SUITES, CannotBuild, requirements, run
from tests.needs import missing

# Building takes as long again.
LIMIT_S = 2 * TIMEOUT_S


@pytest.mark.timeout(LIMIT_S)
def test_the_relay_on_a_genuine_stack(tmp_path: Path) -> None:
    if os.environ.get(WANTED, "") in ("", "0"):
        pytest.skip(f"takes minutes: make ble-vm, or {WANTED}=1")
    command = [
        "python3",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--confcutdir",
        "tests/ble_vm",
        "-q",
        GUEST,
    ]
    try:
        assert run(command, SUITES[0], tmp_path, TIMEOUT_S) == 0
    except CannotBuild as error:
        missing(f"cannot build the machine: {error}")


def test_the_machine_has_what_the_project_needs_but_no_tools() -> None:
    names = [text.partition(">")[0] for text in requirements()]
    assert {"bleak", "aiohttp", "pytest", "pyee"} <= set(names)
    assert not {"mypy", "ruff", "bumble"} & set(names)
