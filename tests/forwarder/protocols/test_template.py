"""The interpreter on small files of its own: rules, memory, slots, counters, clock, inputs."""

from __future__ import annotations

import pytest

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions.check import numbered, opening_of
from forwarder.definitions.loader import load
from forwarder.protocols.base import (
    ProtocolError,
    ReadStep,
    StepFailed,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.connecting import MAX_NOTIFICATIONS
from forwarder.protocols.template import TemplateProtocol, merge
from relay.link.messages import Counter, Packet

VIBRATE = OutputType.VIBRATE
OSCILLATE = OutputType.OSCILLATE
MOVE = OutputType.HW_POSITION_WITH_DURATION
TX = numbered(("rx", "rxblebattery", "tx"))["tx"]
FEATURES = "[{ vibrate = [0, 20] }, { oscillate = [0, 20] }, { battery = 'read' }]"
TAIL = """
[[match]]
ble = { names = ["T"] }
[match.services.0000ffe0-0000-1000-8000-00805f9b34fb]
tx = "0000ffe1-0000-1000-8000-00805f9b34fb"
rx = "0000ffe2-0000-1000-8000-00805f9b34fb"
rxblebattery = "00002a19-0000-1000-8000-00805f9b34fb"
"""


def toy(body: str, features: str = FEATURES) -> TemplateProtocol:
    text = f'protocol = "toy"\nfeature = {features}\n{body}\n{TAIL}'
    loaded = load(text, "toy.toml", {})
    assert loaded.default is not None
    return TemplateProtocol(loaded.behaviour, opening_of(loaded, loaded.default))


def data(packets: tuple[Packet, ...]) -> list[str]:
    return [packet.data.hex(" ") for packet in packets]


def test_the_first_rule_that_matches_wins() -> None:
    protocol = toy("""
        output = [{ on = "vibrate", when = "v==0", bytes = "00" },
                  { on = ["vibrate", "oscillate"], when = "i==0", bytes = "01 {v}" },
                  { on = "oscillate", bytes = "02 {v}" }]""")
    assert data(protocol.output(0, VIBRATE, 0)) == ["00"]
    assert data(protocol.output(0, VIBRATE, 5)) == ["01 05"]
    assert data(protocol.output(1, OSCILLATE, 5)) == ["02 05"]


def test_without_a_rule_or_a_feature_it_says_so_and_remembers_nothing() -> None:
    protocol = toy("""
        output = [{ on = "vibrate", when = "v<10", bytes = "{s[0]}" },
                  { on = "oscillate", bytes = "{s[0]}" }]""")
    protocol.output(0, VIBRATE, 7)
    with pytest.raises(ProtocolError, match="no rule of the protocol's file covers it"):
        protocol.output(0, VIBRATE, 12)
    assert data(protocol.output(1, OSCILLATE, 1)) == ["07"]
    with pytest.raises(ProtocolError, match="feature 2 has no Vibrate"):
        protocol.output(2, VIBRATE, 1)


def test_a_fault_of_an_expression_names_device_and_value() -> None:
    protocol = toy('output = [{ on = ["vibrate", "oscillate"], bytes = "{100 // v}" }]')
    with pytest.raises(ProtocolError, match="toy: Vibrate 0 cannot be encoded"):
        protocol.output(0, VIBRATE, 0)


def test_packets_with_other_values_share_a_slot_and_others_have_their_own() -> None:
    protocol = toy("""
        output = [{ on = "vibrate", bytes = "{s[0]} {s[1]}" },
                  { on = "oscillate", send = [{ bytes = "05 {v}" }, { bytes = "06", key = "x" },
                                              { after_ms = 300, bytes = "07", key = ["x", "y"] }]}]
        """)
    assert [p.keys for p in protocol.output(0, VIBRATE, 1)] == [(0,)]
    packets = protocol.output(1, OSCILLATE, 1)
    assert [(p.keys, p.after_ms) for p in packets] == [
        ((1,), 0),
        ((2,), 0),
        ((2, 3), 300),
    ]
    assert protocol.shares_packets(0)
    assert protocol.shares_packets(1)


def test_what_is_not_to_be_remembered_does_not_leak_into_other_packets() -> None:
    protocol = toy("""
        output = [{ on = "vibrate", bytes = "{s[0]} {s[1]}" },
                  { on = "oscillate", remember = false, bytes = "05 {v}" }]""")
    protocol.output(1, OSCILLATE, 9)
    assert data(protocol.output(0, VIBRATE, 1)) == ["01 00"]


def test_the_running_number_counts_packets_and_can_be_patched_by_others() -> None:
    protocol = toy('output = [{ on = ["vibrate", "oscillate"], bytes = "{seq} {v} {xor(0)}" }]')
    assert data(protocol.output(0, VIBRATE, 4)) == ["00 04 04"]
    (packet,) = protocol.output(1, OSCILLATE, 4)
    assert packet == Packet(TX, b"\1\4\5", keys=(1,), counter=Counter(0, 2))
    assert data(protocol.armed() or ()) == ["02 00 02", "03 00 03"]
    assert data(protocol.output(0, VIBRATE, 4)) == ["02 04 06"]


def test_a_stop_is_every_feature_at_zero_merged_and_resets_only_what_it_stops() -> None:
    protocol = toy('output = [{ on = ["vibrate", "oscillate"], bytes = "{s[0]} {s[1]}" }]')
    protocol.output(0, VIBRATE, 3)
    protocol.output(1, OSCILLATE, 4)
    assert data(protocol.stop([0])) == ["00 04"]
    assert data(protocol.stop(None)) == ["00 00"]
    assert data(protocol.stop([2])) == []


def test_a_feature_whose_stop_cannot_be_encoded_does_not_keep_the_others_running() -> None:
    protocol = toy("""
        output = [{ on = "vibrate", bytes = "{100 // v}" }, { on = "oscillate", bytes = "{v}" }]
        """)
    assert data(protocol.stop(None)) == ["00"]
    with pytest.raises(ProtocolError, match="Vibrate 0 cannot be encoded"):
        protocol.stop([0])


def test_newer_packets_replace_older_ones_of_their_slots_but_never_their_own() -> None:
    one = (Packet(1, b"1", keys=(0,)), Packet(1, b"2", keys=(1,)))
    two = (Packet(1, b"3", keys=(1,)), Packet(1, b"4", keys=(1,)))
    assert [p.data for p in merge([one, two])] == [b"1", b"3", b"4"]


def test_a_stroker_is_told_to_stop_where_its_file_knows_how_and_keeps_its_place() -> None:
    stroker = "{ hw_position_with_duration = [0, 99], duration = [0, 5000] }"
    protocol = toy(
        """
        output = [{ on = "hw_position_with_duration", bytes = "{v} {abs(v-prev)}" },
                  { on = "oscillate", bytes = "{v}" }]
        stop = [{ on = "hw_position_with_duration", text = "DSTOP" }]""",
        FEATURES.replace("{ vibrate = [0, 20] }", stroker),
    )
    protocol.output(0, MOVE, 90, 100)
    assert [p.data for p in protocol.stop(None)] == [b"\0", b"DSTOP"]
    assert data(protocol.output(0, MOVE, 80, 100)) == ["50 0a"]


def test_a_battery_without_a_rule_is_bluetooths_own() -> None:
    protocol = toy('output = [{ on = ["vibrate", "oscillate"], bytes = "{v}" }]')
    steps = protocol.read(2, InputType.BATTERY)
    assert next(steps) == ReadStep("rxblebattery")
    with pytest.raises(StopIteration) as end:
        steps.send(b"\x37")
    assert end.value.value == 55


BATTERY = """
output = [{ on = ["vibrate", "oscillate"], bytes = "{v}" }]
[[input]]
on = "battery"
ask = { text = "B;" }
from = "rx"
match = '^b([0-9]+)'
value = "int(g[1])"
"""


def test_a_question_passes_over_what_is_no_answer() -> None:
    steps = toy(BATTERY).read(2, InputType.BATTERY)
    assert next(steps) == WriteStep("tx", b"B;")
    assert steps.send(None) == WaitStep("rx", 2000)
    assert steps.send(b"OK;") == WaitStep("rx", 2000)
    with pytest.raises(StopIteration) as end:
        steps.send(b"b42;")
    assert end.value.value == 42


def test_silence_and_chatter_end_a_question() -> None:
    steps = toy(BATTERY).read(2, InputType.BATTERY)
    next(steps)
    steps.send(None)
    with pytest.raises(ProtocolError, match="Battery could not be read"):
        steps.throw(StepFailed("no answer"))
    steps = toy(BATTERY).read(2, InputType.BATTERY)
    next(steps)
    for _ in range(MAX_NOTIFICATIONS):
        steps.send(b"OK;")
    with pytest.raises(ProtocolError, match="makes no sense"):
        steps.send(b"OK;")


def test_a_reading_too_short_for_its_expression_is_no_reading() -> None:
    protocol = toy("""
        output = [{ on = ["vibrate", "oscillate"], bytes = "{v}" }]
        input = [{ on = "battery", read = "rx", value = "r[5]" }]""")
    assert protocol.reading(2, InputType.BATTERY, b"\1") is None
    assert protocol.reading(2, InputType.BATTERY, bytes(range(9))) == 5
