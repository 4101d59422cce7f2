from __future__ import annotations

import msgspec
import pytest

from forwarder.buttplug.messages import (
    ClientId,
    InputType,
    OutputType,
    OutputValue,
    Ping,
    ScanningFinished,
    StopCmd,
)


def test_fields_are_pascal_case_and_absent_ones_are_not_written() -> None:
    assert msgspec.json.encode(StopCmd(id=1, feature_index=2)) == b'{"Id":1,"FeatureIndex":2}'
    assert msgspec.json.encode(OutputValue(value=3)) == b'{"Value":3}'
    assert msgspec.json.encode(ScanningFinished()) == b'{"Id":0}'


def test_only_places_to_go_are_positions() -> None:
    assert [kind for kind in OutputType if kind.is_position] == [
        OutputType.POSITION,
        OutputType.HW_POSITION_WITH_DURATION,
    ]


@pytest.mark.parametrize("text", ["0", "-1", "4294967296", "true", '"1"', "null"])
def test_client_ids_are_positive_32_bit(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=ClientId)


def test_a_request_has_no_other_fields() -> None:
    with pytest.raises(msgspec.ValidationError, match="Other"):
        msgspec.json.decode('{"Id":1,"Other":2}', type=Ping)


def test_rssi_is_spelt_as_clients_spell_it() -> None:
    assert InputType.RSSI == "RSSI"
