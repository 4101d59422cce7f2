"""What may be asked of a pattern: bounds, and what stands where nothing is said."""

from __future__ import annotations

import msgspec
import pytest

from forwarder.api.documents.plays import PlayBody, PlayChange


def test_nothing_said_is_half_strength_of_a_steady_level_under_a_lease() -> None:
    body = msgspec.json.decode(b"{}", type=PlayBody)
    assert (body.pattern, body.percent, body.for_s, body.stays) == ("steady", 50, None, False)
    assert msgspec.json.decode(b"{}", type=PlayChange) == PlayChange()


@pytest.mark.parametrize(
    "text",
    [
        '{"speed": 5}', '{"speed": 0.2}', '{"turn_s": 0.2}', '{"turn_s": 61}', '{"for_s": 0}',
        '{"low": -1}', '{"high": 101}', '{"points": [NaN]}', '{"outputs": [{}]}',
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(text, type=PlayBody)
