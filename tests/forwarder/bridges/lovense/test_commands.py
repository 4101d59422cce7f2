"""Requests as the vendor documents them, and as lovensepy sends them."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.bridges.lovense import commands as api
from forwarder.bridges.lovense.commands import Misunderstood, read


def say(**body: object) -> api.LovenseCommand:
    return read(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("action", "levels"),
    [
        ("Vibrate:16", {"Vibrate": 0.8}),
        ("Vibrate:2,Rotate:3,Pump:3", {"Vibrate": 0.1, "Rotate": 0.15, "Pump": 1.0}),
        ("Vibrate1:7,Vibrate2:20", {"Vibrate1": 0.35, "Vibrate2": 1.0}),
        ("All:10", {"All": 0.5}),
        ("Vibrate:99", {"Vibrate": 1.0}),
        (" Vibrate:20 , ", {"Vibrate": 1.0}),
    ],
)
def test_levels_are_shares_of_each_actions_range(action: str, levels: dict[str, float]) -> None:
    read_ = say(command="Function", action=action, timeSec=3.0, apiVer=1)
    assert isinstance(read_, api.FunctionCommand)
    assert read_.levels == levels
    assert (read_.seconds, read_.toys, read_.alone) == (3.0, (), True)


def test_times_loops_and_toys_are_read_as_apps_send_them() -> None:
    read_ = say(
        command="Function", action="Stroke:0-20,Thrusting:10", timeSec="0", loopRunningSec=9,
        loopPauseSec=4, toy=["AABB", "ccdd"], stopPrevious=0,
    )  # fmt: skip
    assert read_ == api.FunctionCommand(
        ("aabb", "ccdd"), {"Thrusting": 0.5}, (0.0, 0.2), None, 9.0, 4.0, alone=False
    )


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({"command": "GetToys"}, api.GetToys()),
        ({"command": "GetToyName"}, api.GetToyName()),
        ({"command": "GetToyNames"}, api.GetToyName()),
        ({"command": "Function", "action": "Stop", "timeSec": 0, "apiVer": 1}, api.Halt(())),
        ({"command": "PatternV2", "type": "Stop", "toy": "a"}, api.Halt(("a",))),
        ({"command": "Preset", "name": "wave", "timeSec": 9}, api.Preset((), "wave", 9.0)),
        ({"command": "Position", "value": "38"}, api.Position((), 0.38)),
        (
            {"command": "Pattern", "rule": "V:1;F:v,r;S:1000#", "strength": "20;20;5;0",
             "timeSec": 9, "apiVer": 2},
            api.PatternCommand((), ("Vibrate", "Rotate"), (1.0, 1.0, 0.25, 0.0), 1.0, 9.0),
        ),
        (
            {"command": "Pattern", "rule": "V:1;F:;S:100#", "strength": "0;10", "timeSec": 3.0},
            api.PatternCommand((), (), (0.0, 0.5), 0.1, 3.0),
        ),
        (
            {"command": "PatternV2", "type": "Setup", "actions": [{"ts": 0, "pos": 10},
             {"ts": 500, "pos": 100}]},
            api.Setup(((0.0, 0.1), (0.5, 1.0))),
        ),
        (
            {"command": "PatternV2", "type": "Play", "startTime": 100, "offsetTime": 300,
             "timeMs": 5000},
            api.Play((), None, 0.1, 0.3, 5.0, alone=True),
        ),
        ({"command": "PatternV2", "type": "SyncTime"}, api.SyncTime()),
    ],
    ids=lambda each: str(each)[:40],
)  # fmt: skip
def test_each_request_is_understood(body: dict[str, object], request_: api.LovenseCommand) -> None:
    assert say(**body) == request_


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"nothing", 400, "no JSON"),
        (b"[]", 400, "no JSON object"),
        (b"[" * 100_000, 400, "no JSON"),
        (b'{"command":"Dance"}', 400, "'Dance' is no command"),
        (b'{"command":"Function"}', 404, "action is missing"),
        (b'{"command":"Function","action":"Jump:3","timeSec":1}', 404, "'Jump' is no action"),
        (b'{"command":"Function","action":"Vibrate:x","timeSec":1}', 404, "has no level"),
        (b'{"command":"Function","action":"Vibrate:-3","timeSec":1}', 404, "has no level"),
        (b'{"command":"Function","action":"Stroke:50-20,Thrusting:3"}', 404, "no range"),
        (b'{"command":"Function","action":"Vibrate:3","timeSec":-1}', 404, "timeSec is a number"),
        (b'{"command":"Function","action":"Vibrate:3","timeSec":1e999}', 400, "no JSON"),
        (b'{"command":"Function","action":"Vibrate:3","timeSec":true}', 404, "timeSec"),
        (b'{"command":"Function","action":"Vibrate:3","toy":7}', 404, "toy is an id"),
        (b'{"command":"Pattern","rule":"V:1;F:v;S:50#","strength":"1"}', 404, "at least 100 ms"),
        (b'{"command":"Pattern","rule":"V:1;F:q;S:500#","strength":"1"}', 404, "'q' is no letter"),
        (b'{"command":"Pattern","rule":"V:1;F:v;S:500#","strength":""}', 404, "1 to 50 levels"),
        (b'{"command":"Preset","name":"storm"}', 404, "a preset is one of pulse"),
        (b'{"command":"Position","value":"101"}', 404, "value is a number, 0 to 100"),
        (b'{"command":"Position","value":1%b}' % (b"0" * 400), 404, "value is a number"),
        (b'{"command":"Function","action":"Vibrate:1","timeSec":1%b}' % (b"0" * 400), 404,
         "timeSec is a number"),
        (b'{"command":"PatternV2","type":"Setup","actions":[]}', 404, "a list of 1"),
        (b'{"command":"PatternV2","type":"Setup","actions":[{"ts":5,"pos":1},{"ts":5,"pos":1}]}',
         404, "rise"),
        (b'{"command":"PatternV2","type":"Rewind"}', 404, "no type of a pattern"),
    ],
    ids=lambda each: str(each)[:50],
)  # fmt: skip
def test_what_is_wrong_has_a_code_and_words(body: bytes, code: int, words: str) -> None:
    with pytest.raises(Misunderstood, match=words) as error:
        read(body)
    assert error.value.code == code


KEYS = ["command", "action", "timeSec", "rule", "strength", "toy", "type", "value"]
WORDS = ["Function", "Pattern", "PatternV2", "Play", "Vibrate:1", "V:1;F:;S:999#"]
ANYTHING = (
    st.sampled_from(WORDS)
    | st.none()
    | st.floats()
    | st.integers()
    | st.just(10**400)
    | st.text(max_size=9)
    | st.lists(st.integers(), max_size=3)
)


@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_nothing_that_is_json_ends_in_another_error(body: dict[str, object]) -> None:
    with contextlib.suppress(Misunderstood):
        read(json.dumps(body).encode())
