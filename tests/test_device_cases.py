"""The reference's device cases over the whole stack, for every spec version."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device_cases.case import BadCase, read
from tests.device_cases.run import VERSIONS, Verdict, run_case
from tests.shared import shared

# The reference itself has these switched off: they contradict its present configuration.
STALE = {
    "test_cowgirl_cone_protocol": "expects steps of 0..100, the configuration says 0..128",
    "test_fredorch_protocol": "expects steps of a 0..150 scale, the configuration says 0..15",
    "test_honeyplaybox_protocol": "expects two stop packets where one says it all",
}
# Its packets carry a counter that scalar commands advance, and versions below 3 have no scalars.
COUNTS_SCALARS = {"test_tryfun_blackhole_protocol"}


def cases() -> list[Path]:
    return sorted(shared("data", "device-cases").glob("*.yaml"))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_case_that_a_version_can_express_passes(version: int) -> None:
    failed = {}
    passed = 0
    for path in cases():
        if path.stem in STALE or (version < 3 and path.stem in COUNTS_SCALARS):
            continue
        result = run_case(read(path), version)
        if result.verdict is Verdict.PASSED:
            passed += 1
        elif version >= 3 or result.verdict is not Verdict.NOT_APPLICABLE:
            failed[result.case] = f"{result.verdict}: {result.text}"
    assert not failed
    assert passed >= {4: 69, 3: 69, 2: 54, 1: 54, 0: 40}[version]


def test_a_wrong_byte_is_noticed(tmp_path: Path) -> None:
    path = shared("data", "device-cases", "test_aneros_protocol.yaml")
    text = path.read_text()
    assert "0xf1" in text.lower() or "0xF1" in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("0xF1", "0xF3", 1).replace("0xf1", "0xf3", 1))
    result = run_case(read(wrong), 4)
    assert result.verdict is Verdict.FAILED
    assert "expected Write tx f3" in result.text


@pytest.mark.parametrize("text", ["", "devices: 1", "devices: []\ndevice_commands:\n  - !Odd {}"])
def test_what_is_no_case_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(BadCase, match=r"odd\.yaml"):
        read(path)


def test_a_toy_that_nobody_knows_counts_as_such(tmp_path: Path) -> None:
    path = tmp_path / "unknown.yaml"
    path.write_text("devices:\n  - identifier:\n      name: Nobody-123\ndevice_commands: []\n")
    assert run_case(read(path), 4).verdict is Verdict.UNKNOWN
