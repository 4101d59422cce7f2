"""For every protocol: whatever was commanded, a stop leaves its memory at rest and says so last."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.check import opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.definitions.model import OutputSpec
from forwarder.protocols.base import DeviceProtocol
from forwarder.protocols.template import merge
from relay.link.messages import Packet

FILES = Files(DATA)
# Their stop says less where nothing runs, or holds what the armed one cannot know.
OWN_TESTS = {"ossm", "thehandy-v3", "umove"}
Output = tuple[int, OutputType, OutputSpec]


@cache
def layouts(name: str) -> list[tuple[object, tuple[Output, ...]]]:
    """One model for each set of outputs that the protocol's models have."""
    loaded = FILES.get(name)
    found: dict[object, tuple[object, tuple[Output, ...]]] = {}
    for entry in loaded.entries():
        outputs = tuple(
            (feature.index, kind, spec)
            for feature in entry.definition.features
            for kind, spec in feature.outputs.items()
        )
        key = (entry.definition.variant, tuple((i, k, s.low, s.high) for i, k, s in outputs))
        found.setdefault(key, (entry, outputs))
    return [one for one in found.values() if one[1]]


def fresh(name: str, entry: object) -> DeviceProtocol:
    loaded = FILES.get(name)
    return open_protocol(loaded, opening_of(loaded, entry))  # type: ignore[arg-type]  # of layouts()


def plain(packets: tuple[Packet, ...]) -> list[tuple[int, bytes]]:
    """Packets without what counts up, each once."""
    found = []
    for packet in packets:
        data = bytearray(packet.data)
        if packet.counter is not None:
            if packet.counter.xor_at is not None:
                data[packet.counter.xor_at] ^= data[packet.counter.at]
            data[packet.counter.at] = 0
        found.append((packet.handle, bytes(data)))
    return found


@pytest.mark.parametrize("name", FILES.names())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(data=st.data())
def test_any_commands_then_a_stop_end_with_the_packets_of_a_device_at_rest(
    name: str, data: st.DataObject
) -> None:
    if not layouts(name):
        return
    entry, outputs = data.draw(st.sampled_from(layouts(name)))
    protocol = fresh(name, entry)
    if (kept := protocol.armed()) is None:
        return  # its stop depends on what it does; see classes/test_fmachine
    armed = plain(kept)
    commands = data.draw(
        st.lists(
            st.tuples(st.sampled_from(outputs), st.floats(0, 1), st.integers(0, 5000)), max_size=12
        )
    )
    for (index, kind, spec), share, duration in commands:
        protocol.output(index, kind, spec.low + round(share * (spec.high - spec.low)), duration)
        protocol.tick()
        # Handing the stop over again must not disturb what runs, nor depend on it.
        if kind is not OutputType.HW_POSITION_WITH_DURATION and name not in OWN_TESTS:
            again = protocol.armed()
            assert again is not None
            assert plain(again) == armed
    stop = protocol.stop(None)
    assert protocol.tick_ms is None
    assert protocol.tick() == ()
    if name not in OWN_TESTS:
        # Slots may hold what the stop of an earlier feature left; the last word is at rest.
        assert plain(stop)[-len(armed) :] == armed or set(armed) <= set(plain(stop))
        assert plain(protocol.stop(None)) == plain(merge([protocol.stop(None)]))
        assert plain(protocol.stop(None)) == armed


@pytest.mark.parametrize("name", FILES.names())
def test_stopping_one_feature_leaves_the_others_running(name: str) -> None:
    for entry, outputs in layouts(name):
        moving = [one for one in outputs if not one[1].is_position]
        if len({index for index, _, _ in moving}) < 2:
            continue
        one, other = fresh(name, entry), fresh(name, entry)
        for protocol in (one, other):
            for index, kind, spec in moving:
                protocol.output(index, kind, spec.high)
        first = moving[0][0]
        one.stop([first])
        for index, kind, _ in moving:
            if index == first:
                other.output(index, kind, 0)
        for index, kind, spec in moving[1:]:
            if index != first:
                expected = other.output(index, kind, spec.high)
                assert plain(one.output(index, kind, spec.high)) == plain(expected)
