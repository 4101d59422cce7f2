"""What the transcripts do not show of v4; old versions have their own tests."""

from __future__ import annotations

import pytest

from forwarder.buttplug.codec import encode
from forwarder.buttplug.dialect import V4Dialect, answer
from forwarder.buttplug.legacy.dialects import dialect
from forwarder.buttplug.messages import DeviceList, Ok, Ping, ScanningFinished, stop_named
from tests.forwarder.buttplug.devices import nora


def test_what_was_told_is_a_copy() -> None:
    devices = {0: nora()}
    dialect = V4Dialect({})
    (told,) = dialect.changes(devices)
    devices.clear()
    assert encode(told) == encode(DeviceList(id=0, devices={0: nora()}))
    assert len(dialect.changes(devices)) == 1


def test_answer_is_ok_or_the_outcome_under_the_requests_id() -> None:
    assert answer(5, None) == Ok(id=5)
    assert answer(5, Ok(id=1)) == Ok(id=5)
    assert answer(5, ScanningFinished()) == ScanningFinished(id=5)


def test_only_what_is_in_the_vocabulary_is_understood() -> None:
    with pytest.raises(AssertionError, match="Ping"):
        V4Dialect({}).understand(Ping(id=1), dict)


@pytest.mark.parametrize("version", range(5))
def test_no_message_of_a_vocabulary_is_a_stop(version: int) -> None:
    """So a session looks for stops only in what its vocabulary does not have."""
    names = dialect(version).vocabulary.readers
    assert names
    assert not [name for name in names if stop_named(name) is not None]
