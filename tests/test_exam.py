"""What the reference server sends to every model of its configuration, against what we send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.device_cases.case import BadCase
from tests.device_cases.exam.judge import differences
from tests.device_cases.exam.play import Done, Played, Player
from tests.device_cases.exam.run import Result, Verdict, files, report, run, run_all
from tests.device_cases.exam.scenario import scenarios
from tests.shared import shared

TX, SERVICE = "0000ffe1-0000-1000-8000-00805f9b34fb", "0000ffe3-0000-1000-8000-00805f9b34fb"


def scenario(tmp_path: Path, **changes: Any) -> Path:
    """An AMN NEO that is told 5 and then stopped, as a file of one line."""
    tree: dict[str, Any] = {
        "id": "hgod",
        "protocol": "hgod",
        "toy": {
            "name": "AMN NEO",
            "address": "C0:00:00:00:00:01",
            "services": [[SERVICE, [[TX, "W"]]]],
        },
        "settle_ms": 50,
        "steps": [{"out": [[0, "Vibrate", 5]]}],
        "expect": {
            "device": {
                "name": "Hgod Device",
                "features": {"0": {"output": {"Vibrate": {"Value": [0, 10]}}}},
            },
            "connect": [],
            "steps": [{"reply": ["Ok"], "ops": [f"W {TX} 550400000005"]}],
        },
    }
    for path, value in changes.items():
        *keys, last = path.split("__")
        place = tree
        for key in keys:
            place = place[key]
        place[last] = value
    found = tmp_path / "one.jsonl"
    found.write_text(json.dumps(tree) + "\n")
    return found


def play(path: Path) -> Result:
    (one,) = scenarios(path)
    return run(one, Player())


def test_every_scenario_passes() -> None:
    results = list(run_all(files(shared("data", "exam")), "", None))
    assert [str(one) for one in results if one.verdict is not Verdict.PASSED] == []
    assert len(results) >= 517


def test_what_is_the_same_passes(tmp_path: Path) -> None:
    assert play(scenario(tmp_path)) == Result("hgod", Verdict.PASSED)


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"expect__device__name": "Hgod"}, "name", "is called 'Hgod Device', not 'Hgod'"),
        ({"expect__device__features": {}}, "features", "feature 0 is"),
        ({"expect__connect": [f"W {TX} 00"]}, "connect", "got nothing"),
        ({"expect__steps": [{"reply": ["Error 4"], "ops": []}]}, "reply", "answered ['Ok']"),
        ({"expect__steps": [{"reply": ["Ok"], "ops": [f"W {TX} 06"]}]}, "bytes", "550400000005"),
        ({"expect__steps": [{"reply": ["Ok"], "count": 9}]}, "repeats", "1 writes"),
    ],
)
def test_each_kind_of_difference_is_found(
    tmp_path: Path, changes: dict[str, Any], kind: str, text: str
) -> None:
    result = play(scenario(tmp_path, **changes))
    assert result.verdict is Verdict.FAILED
    assert any(found[0] == kind and text in found[1] for found in result.found), result.found


@pytest.mark.parametrize(("value", "kinds"), [(5, []), (0, ["reply"])])
def test_a_reading_may_be_refused_while_something_runs_and_not_at_rest(
    tmp_path: Path, value: int, kinds: list[str]
) -> None:
    steps = [{"out": [[0, "Vibrate", value]]}, {"read": [1, "Battery"]}]
    told = [{"reply": ["Ok"]}, {"reply": [{"Battery": 85}]}]
    (one,) = scenarios(scenario(tmp_path, steps=steps, expect__steps=told))
    shown = {"FeatureIndex": 0, "Output": {"Vibrate": {"Value": [0, 10]}}}
    entry = {"DeviceName": "Hgod Device", "DeviceFeatures": {"0": shown}}
    answers = [Done(("Ok",), (), ()), Done(("Error 4",), (), ())]
    played = Played(known=True, device=entry, steps=answers)
    assert [kind for kind, _ in differences(one, played)] == kinds


def test_a_disputed_step_is_played_and_not_compared(tmp_path: Path) -> None:
    told = {"reply": ["Ok"], "ops": [f"W {TX} 06"], "disputed": "the reference is wrong"}
    assert play(scenario(tmp_path, expect__steps=[told])).verdict is Verdict.PASSED


def test_the_stop_that_the_relay_holds_may_be_said_after_connecting_and_at_a_stop(
    tmp_path: Path,
) -> None:
    """Every fresh connection is stopped, whatever the reference does; other bytes are not rest."""
    uuid = "0000ff01-0000-1000-8000-00805f9b34fb"
    toy = {
        "toy__name": "Massage Demo",
        "toy__services": [["0000ff00-0000-1000-8000-00805f9b34fb", [[uuid, "W"]]]],
        "steps": [],
        "expect__device": {
            "name": "Aneros Vivi",
            "features": {
                "0": {
                    "output": {"Vibrate": {"Value": [0, 127]}},
                    "description": "Perineum Vibrator",
                },
                "1": {
                    "output": {"Vibrate": {"Value": [0, 127]}},
                    "description": "Internal Vibrator",
                },
            },
        },
        "expect__steps": [],
    }
    assert play(scenario(tmp_path, **toy)) == Result("hgod", Verdict.PASSED)
    wrong = toy | {"expect__connect": [f"W {uuid} f17f"]}
    assert play(scenario(tmp_path, **wrong)).verdict is Verdict.FAILED


def test_a_toy_that_nobody_knows_counts_as_such_unless_a_users_file_leads_to_it(
    tmp_path: Path,
) -> None:
    stranger = {"toy__name": "Nobody-123"}
    assert play(scenario(tmp_path, **stranger)).verdict is Verdict.UNKNOWN
    extra = [{"btle": {"names": ["Nobody-*"], "services": {SERVICE: {"tx": TX}}}}]
    assert play(scenario(tmp_path, **stranger, extra=extra)).verdict is Verdict.PASSED


def test_a_line_that_is_no_scenario_is_named(tmp_path: Path) -> None:
    path = scenario(tmp_path)
    path.write_text(path.read_text() + '{"id": 3}\n')
    with pytest.raises(BadCase, match=r"^one\.jsonl:2: "):
        list(scenarios(path))


def test_the_report_closes_with_the_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    details = tmp_path / "details"
    found = Result("b", Verdict.FAILED, (("bytes", "one"), ("name", "two")))
    counts = report([Result("a", Verdict.PASSED), found, Result("c", Verdict.UNKNOWN)], details)
    assert counts == {Verdict.PASSED: 1, Verdict.FAILED: 1, Verdict.UNKNOWN: 1}
    assert capsys.readouterr().out.splitlines() == [
        "b: bytes: one (and 1 more)",
        "c: unknown device",
        "1 passed, 1 failed, 1 unknown device",
    ]
    assert len(details.read_text().splitlines()) == 3
