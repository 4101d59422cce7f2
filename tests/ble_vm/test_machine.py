"""The genuine Bluetooth stack as one test, for those who ask for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ble_vm.__main__ import GUEST, TIMEOUT_S, WANTED
from tests.ble_vm.machine import (
    AGAIN,
    SUITES,
    CannotBuild,
    Crashed,
    crashed,
    is_built,
    requirements,
    run,
)
from tests.needs import missing

# Building takes as long again.
LIMIT_S = 2 * TIMEOUT_S


# Where the machine is built already: what no double can show, in half a minute.
SHORT = (
    f"{GUEST}/test_radio.py",
    *(
        f"{GUEST}/test_relay.py::test_{name}"
        for name in (
            "a_client_finds_drives_reads_and_stops_a_toy",
            "a_killed_relay_leaves_no_connection_and_its_successor_finds_the_toy",
            "what_relay_and_supervisor_left_running_the_next_start_stops",
        )
    ),
)


@pytest.mark.timeout(LIMIT_S)
def test_the_relay_on_a_genuine_stack(tmp_path: Path) -> None:
    whole = os.environ.get(WANTED, "") not in ("", "0")
    if not whole and not is_built(SUITES[0]):
        # Also where everything must be there: nobody wants to wait for a kernel.
        pytest.skip(f"the machine is not built, which takes minutes: make ble-vm, or {WANTED}=1")
    options = ["-p", "no:cacheprovider", "--confcutdir", "tests/ble_vm", "-q"]
    command = ["python3", "-m", "pytest", *options, *([GUEST] if whole else SHORT)]
    try:
        assert run(command, SUITES[0], tmp_path, TIMEOUT_S) == 0
    except CannotBuild as error:
        missing(f"cannot build the machine: {error}")


def test_only_a_panic_in_l2cap_is_the_crash_that_is_known() -> None:
    panic = b"Kernel panic - not syncing: Kernel mode fault at addr 0x8, ip 0x600a1b2c\nTrace:\n"
    inside = b" [<600a1b2c>] l2cap_conn_del+0x5c/0x1f0\n"
    elsewhere = b" [<600a1b2c>] hci_event_packet+0x5c/0x1f0\n"
    assert crashed(panic + elsewhere + inside)
    assert not crashed(panic + elsewhere)
    assert not crashed(inside)
    assert not crashed(inside + panic)


@pytest.mark.parametrize(("crashes", "ends"), [(0, 0), (1, 0), (2, None)])
def test_after_that_crash_it_starts_anew_once_and_says_so(
    crashes: int, ends: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def machine(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) <= crashes:
            raise Crashed("in L2CAP")
        return 0

    if ends is None:
        with pytest.raises(Crashed):
            run(["true"], SUITES[0], tmp_path, 1.0, machine)
    else:
        assert run(["true"], SUITES[0], tmp_path, 1.0, machine) == ends
    assert len(calls) == min(crashes, AGAIN) + 1
    assert ("L2CAP layer: 1," in capsys.readouterr().out) is bool(crashes)


def test_the_machine_has_what_the_project_needs_but_no_tools() -> None:
    names = [text.partition(">")[0] for text in requirements()]
    assert {"bleak", "aiohttp", "pytest", "pyee", "evdev-binary", "serialx"} <= set(names)
    assert not {"mypy", "ruff", "bumble"} & set(names)
