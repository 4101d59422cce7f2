"""Long frames opened in steps: what is in them is what `open_frame` finds, and no step is long."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.buttplug.codec import MAX_ANONYMOUS_ERRORS, Envelope, Unreadable, open_frame, parsed
from forwarder.buttplug.long_frames import LongFrame, TooLong

PIECES = st.sampled_from(
    ["[", "]", "{", "}", ",", ":", '"', "\\", "1", "-", "true", "[]", "{}", " ", "\n", "é",
     "\ufeff", '"a"', '"\\""', "9999", '{"Ping":{"Id":1}}', '{"StopCmd":{"Id":2}}',
     '{"a":{"Id":3},"b":[1,2]}', '[{"Ping":{"Id":1}},{"Ping":{"Id":2}}]']
)  # fmt: skip


def opened(frame: str | bytes, step: int = 16, most: int = 1 << 20) -> list[Envelope | Unreadable]:
    opening = LongFrame(frame, step=step, most=most)
    for _ in opening.steps():
        pass
    return opening.items


def shown(items: list[Envelope | Unreadable]) -> list[object]:
    return [
        (item.name, json.dumps(parsed(item.body)), item.complaint)
        if isinstance(item, Envelope)
        else item
        for item in items
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.integers(1, 30))
def test_in_steps_there_is_in_a_frame_what_there_is_at_once(text: str, step: int) -> None:
    for frame in (text, f"[{text}]"):
        assert shown(opened(frame, step)) == shown(open_frame(frame))


@pytest.mark.parametrize("wrong", ["", "]]", ',{"Ping"', "},{", ',""', ',{"a":1]'])
def test_a_frame_that_is_broken_far_behind_is_broken_as_a_whole(wrong: str) -> None:
    frame = "[" + ",".join(['{"StopCmd":{"Id":1}}'] * 100) + wrong
    assert shown(opened(frame)) == shown(open_frame(frame))


def test_bytes_and_text_are_one() -> None:
    frame = json.dumps([{"Ping": {"Id": 1}}, "\u00e9\U0001f600"], ensure_ascii=False)
    assert shown(opened(frame)) == shown(opened(frame.encode()))


@pytest.mark.parametrize("item", ['{"Ping":{"Id":1}}', "{}", "1", "[{}]", '{"a":{"Id":1},"b":2}'])
@pytest.mark.parametrize("between", [",", " "])
def test_there_is_a_turn_for_others_after_each_step(item: str, between: str) -> None:
    frame = between.join([item] * 2000)
    if between == ",":
        frame = f"[{frame}]"
    opening = LongFrame(frame, step=1000)
    had = [len(opening.items) for _ in opening.steps()]
    # A step begun in the middle of a message ends behind it.
    assert len(had) >= len(frame) / (1000 + len(item)) - 1


def test_rubbish_in_many_pieces_is_not_answered_without_end() -> None:
    frame = json.dumps([0] * 10_000 + [{"Ping": {"Id": 1}}])
    items = opened(frame, step=1000)
    assert len(items) == MAX_ANONYMOUS_ERRORS + 1
    assert isinstance(items[-1], Envelope)


@pytest.mark.parametrize(
    "frame",
    [
        '[{"Ping":{"Id":1}},["%s"]]' % ("a" * 2000),
        '[{"Ping":{"Id":1}},[%s]]' % ("[]," * 700),
        '{"Ping":{"Id":[%s]}}' % ("1," * 1000),
        "[" * 2000,
        '["' + "\\a" * 1000,
    ],
)
def test_a_message_that_is_too_long_is_not_looked_at_to_its_end(frame: str) -> None:
    opening = LongFrame(frame, step=100, most=1000)
    with pytest.raises(TooLong):
        for _ in opening.steps():
            pass
