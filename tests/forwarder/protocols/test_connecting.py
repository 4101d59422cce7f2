"""Identification and connect steps: what is tried, in which order, and how it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.definitions.check import opening_of
from forwarder.definitions.loader import LoadedProtocol, load
from forwarder.protocols.base import (
    ProtocolError,
    ReadStep,
    SleepStep,
    Step,
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.classes.honeyplaybox import frame, split
from forwarder.protocols.connecting import MAX_NOTIFICATIONS, Seen, identify, redirected
from forwarder.protocols.template import TemplateProtocol
from tests.forwarder.protocols.test_template import FEATURES, TAIL

T = TypeVar("T")
RULES = 'output = [{ on = ["vibrate", "oscillate"], bytes = "{v}" }]\n'


def protocol(body: str) -> LoadedProtocol:
    text = f'protocol = "toy"\nfeature = {FEATURES}\n{RULES}{body}\n{TAIL}'
    return load(text, "toy.toml", {})


def play(steps: Steps[T], answers: Sequence[bytes | None]) -> tuple[list[Step], T]:
    """Every read and wait takes the next answer; None makes it fail."""
    seen: list[Step] = []
    queue = list(answers)
    try:
        step = next(steps)
        while True:
            seen.append(step)
            if not isinstance(step, (ReadStep, WaitStep)):
                step = steps.send(None)
            elif (answer := queue.pop(0)) is None:
                step = steps.throw(StepFailed("no answer"))
            else:
                step = steps.send(answer)
    except StopIteration as end:
        assert not queue
        return seen, end.value


def identified(loaded: LoadedProtocol, seen: Seen, *answers: bytes | None) -> str | None:
    steps = identify(loaded.behaviour, seen, loaded.companies)
    return play(steps, answers)[1]


ASKS = """
[[identify]]
subscribe = "rx"
ask = { text = "Who;" }
on = "rx"
match = "^([A-Z]+):([0-9]+)"
rename = "'NEW' if int(g[2])>=3 else g[1]"
tries = 2
[[identify]]
read = "rxblebattery"
as = "hex"
[[identify]]
name = "^T-([0-9]+)"
[redirect]
when = "ident not in ('A','NEW')"
protocol = "elsewhere"
"""


def test_without_steps_the_name_tells() -> None:
    assert identified(protocol(""), Seen("T-1")) == "T-1"
    assert identified(protocol(""), Seen("")) is None


def test_the_first_way_that_brings_an_identifier_is_taken() -> None:
    loaded = protocol(ASKS)
    assert identified(loaded, Seen("T-7"), b"noise", b"A:2;") == "A"
    assert identified(loaded, Seen("T-7"), b"A:3;") == "NEW"
    assert identified(loaded, Seen("T-7"), None, b"A:2;") == "A"
    assert identified(loaded, Seen("T-7"), None, None, b"\x10\x01") == "1001"
    assert identified(loaded, Seen("T-7"), None, None, None) == "7"
    assert identified(loaded, Seen("X"), None, None, b"") is None


def test_a_device_that_talks_on_and_on_is_given_up() -> None:
    chatter = [b"noise"] * MAX_NOTIFICATIONS
    assert identified(protocol(ASKS), Seen("T-7"), *chatter, *chatter, b"\1") == "01"


def test_an_identifier_may_belong_to_another_protocol() -> None:
    behaviour = protocol(ASKS).behaviour
    assert redirected(behaviour, "A", Seen()) == "toy"
    assert redirected(behaviour, "1001", Seen()) == "elsewhere"
    assert redirected(behaviour, None, Seen()) == "elsewhere"


def handshake(body: str, *answers: bytes | None) -> list[Step]:
    loaded = protocol(body)
    assert loaded.default is not None
    opened = TemplateProtocol(loaded.behaviour, opening_of(loaded, loaded.default))
    return play(opened.handshake(), answers)[0]


CONNECTS = """
init = [
  { subscribe = "rx" },
  { read = "rxblebattery", as = "c", let = { low = "c[0] & 15" } },
  { when = "low > 2", write = "01 {low} {c[1:3]:bytes}", response = true },
  { write = "02", wait = "rx", match = "^ok", timeout_ms = 300 },
  { wait = "rx", on_timeout = "continue", timeout_ms = 100 },
  { sleep_ms = 50 },
]
"""


def test_connect_steps_capture_test_and_wait() -> None:
    assert handshake(CONNECTS, b"\x37\xaa\xbb", b"no", b"ok", None) == [
        SubscribeStep("rx"),
        ReadStep("rxblebattery"),
        WriteStep("tx", b"\x01\x07\xaa\xbb", response=True),
        WriteStep("tx", b"\x02"),
        WaitStep("rx", 300),
        WaitStep("rx", 300),
        WaitStep("rx", 100),
        SleepStep(50),
    ]
    assert WriteStep("tx", b"\x01\x01") not in handshake(CONNECTS, b"\x31", b"ok", None)


def test_a_step_that_fails_names_the_device_and_the_step() -> None:
    with pytest.raises(ProtocolError, match="toy: connect step 4 failed: no answer"):
        handshake(CONNECTS, b"\x37", None)
    with pytest.raises(ProtocolError, match="toy: connect step 2 failed: index out of range"):
        handshake(CONNECTS, b"")
    wrong = [b"no"] * MAX_NOTIFICATIONS
    with pytest.raises(ProtocolError, match="not what was waited for"):
        handshake(CONNECTS, b"\x37", *wrong)


@given(st.lists(st.binary(max_size=40), max_size=8), st.binary(min_size=18, max_size=18))
def test_a_frame_is_found_in_whatever_pieces_and_noise_it_comes(
    noise: list[bytes], payload: bytes
) -> None:
    head = bytes.fromhex("02a55a55aaf0")
    stream = b"".join(piece.replace(head[:1], b"") for piece in noise) + frame(1, payload, 7)
    found: list[bytes] = []
    pending = b""
    for at in range(0, len(stream), 20):
        frames, pending = split(pending + stream[at : at + 20])
        found += frames
    assert found == [payload]
    assert pending == b""
