"""Position functions, codecs and tickers, by their own figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.protocols import codecs
from forwarder.protocols.positions import fredorch_speed, launch_speed, piston_speed, serveu_speed
from forwarder.protocols.tickers import LovenseStroker

DISTANCE = st.floats(0, 1)
MS = st.integers(0, 100_000)


@given(DISTANCE, MS)
def test_speeds_stay_within_what_devices_take(distance: float, ms: int) -> None:
    assert 0 <= launch_speed(distance, ms) <= 99
    assert 0 <= piston_speed(distance * 200, ms) <= 100
    assert 0 <= serveu_speed(distance * 100, ms) <= 250
    assert 0 <= fredorch_speed(distance * 15, ms) <= 20


@given(st.floats(0.01, 1), st.integers(1, 50_000), st.integers(1, 50_000))
def test_less_time_never_means_less_speed(distance: float, ms: int, other: int) -> None:
    fast, slow = sorted((ms, other))
    assert launch_speed(distance, fast) >= launch_speed(distance, slow)
    assert serveu_speed(distance * 100, fast) >= serveu_speed(distance * 100, slow)
    assert fredorch_speed(distance * 15, fast) >= fredorch_speed(distance * 15, slow)


@pytest.mark.parametrize(("distance", "ms", "speed"), [(1, 500, 40), (0.5, 500, 19), (0, 500, 0)])
def test_launch_speed_follows_its_curve(distance: float, ms: int, speed: int) -> None:
    # 99 · 250 · (0.9 · 500)^-1.05 = 40.5…
    assert launch_speed(distance, ms) == speed


@pytest.mark.parametrize(
    ("distance", "ms", "speed"), [(100, 2000, 25), (100, 1000, 38), (100, 100, 210), (100, 0, 250)]
)
def test_serveu_speed_follows_its_pieces(distance: float, ms: int, speed: int) -> None:
    assert serveu_speed(distance, ms) == speed


@given(st.binary(min_size=1, max_size=40))
def test_what_the_aes_codecs_encode_they_decode(data: bytes) -> None:
    for codec in (codecs.fluffer, codecs.vibcrafter):
        assert codec.decode(codec(data)) == data


def test_galaku_mixes_each_byte_with_a_key_chosen_by_the_one_before() -> None:
    # 23, then ((45 ^ 23 ^ 5a) + 45) … by hand for the first two bytes.
    out = codecs.galaku(bytes((0x5A,) + (0,) * 9))
    assert len(out) == 12
    assert out[0] == 0x23
    assert out[1] == ((0xC5 ^ 0x23 ^ 0x5A) + 0xC5) & 0xFF
    with pytest.raises(ValueError, match="10 bytes"):
        codecs.galaku(b"\0")


def test_a_stroker_arrives_in_time_by_steps_that_do_not_stall() -> None:
    ticker = LovenseStroker()
    ticker.go(10, 1000)
    sent = []
    while ticker.active:
        sent.append(ticker.tick())
    assert sent == [f"FSetSite:{n};".encode() for n in range(1, 11)]
    # One step of a hundredth per tick, which the reference would round down to none.
    ticker.go(13, 30_000)
    ticks = 0
    while ticker.active:
        ticker.tick()
        ticks += 1
    assert 299 <= ticks <= 301


def test_a_halted_stroker_stays_where_it_is() -> None:
    ticker = LovenseStroker()
    ticker.go(100, 1000)
    ticker.tick()
    ticker.halt()
    assert not ticker.active
    ticker.go(10, 0)
    assert ticker.tick() == b"FSetSite:10;"
    assert not ticker.active
