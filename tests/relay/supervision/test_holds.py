"""What a supervisor is told fits a packet, whatever a hub has armed."""

from __future__ import annotations

import pytest

from relay.supervision.bounds import MOST_BYTES
from relay.supervision.holds import HeldWrite, StopOrder, decode, fitting


def order(count: int, size: int, copies: int) -> StopOrder:
    writes = [
        HeldWrite(n, bytes([n]) * size, False, 0) for n in range(count) for _ in range(copies)
    ]
    return StopOrder("AA", tuple(writes), cut=False)


@pytest.mark.parametrize(
    ("said", "writes", "cut"),
    [
        (order(2, 20, 1), 2, False),
        (order(2, 20, 3), 6, False),
        (order(32, 512, 3), 32, False),  # the most that a hub may arm, three times over
        (order(32, 2000, 1), 0, True),
    ],
)
def test_an_order_fits_a_packet_without_its_copies_or_cuts_off(
    said: StopOrder, writes: int, cut: bool
) -> None:
    packet = fitting(said)
    assert len(packet) <= MOST_BYTES
    heard = decode(packet)
    assert isinstance(heard, StopOrder)
    assert (len(heard.writes), heard.cut) == (writes, cut)
    assert set(heard.writes) <= set(said.writes)
