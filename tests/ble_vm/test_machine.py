"""The genuine Bluetooth stack as one test, for those who ask for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ble_vm.__main__ import DEMANDED, GUEST, TIMEOUT_S
from tests.ble_vm.machine import SUITES, CannotBuild, requirements, run

# Building takes as long again.
LIMIT_S = 2 * TIMEOUT_S


@pytest.mark.timeout(LIMIT_S)
def test_the_relay_on_a_genuine_stack(tmp_path: Path) -> None:
    demand_all, asked_for = (bool(os.environ.get(name)) for name in DEMANDED)
    if not asked_for:
        pytest.skip("takes minutes: make ble-vm, or FORWARDER_BLE_VM=1")
    command = ["python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", GUEST]
    try:
        assert run(command, SUITES[0], tmp_path, TIMEOUT_S) == 0
    except CannotBuild as error:
        missing = pytest.fail if demand_all else pytest.skip
        missing(f"cannot build the machine: {error}")


def test_the_machine_has_what_the_project_needs_but_no_tools() -> None:
    names = [text.partition(">")[0] for text in requirements()]
    assert {"bleak", "aiohttp", "pytest", "pyee"} <= set(names)
    assert not {"mypy", "ruff", "bumble"} & set(names)
