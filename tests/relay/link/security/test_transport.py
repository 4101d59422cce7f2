from __future__ import annotations

import msgspec
import pytest

from relay.link.bounds import REKEY_AFTER
from relay.link.security.noise import CipherState, NoiseError
from relay.link.security.transport import MAX_PLAINTEXT_BYTES, Transport
from tests.relay.link.make_vectors import FOLDER, TransportVector

_KEYS = bytes(32), b"\x01" * 32


def _ends() -> tuple[Transport, Transport]:
    one, two = _KEYS
    return (
        Transport(CipherState(one), CipherState(two)),
        Transport(CipherState(two), CipherState(one)),
    )


def test_each_direction_carries_its_own_frames() -> None:
    a, b = _ends()
    assert b.open(a.seal(b"there")) == b"there"
    assert a.open(b.seal(b"back")) == b"back"
    with pytest.raises(NoiseError):
        a.open(a.seal(b"to myself"))


def test_frames_around_a_rekey_are_those_of_the_vectors() -> None:
    data = (FOLDER / "transport.json").read_bytes()
    vector = msgspec.json.decode(data, type=TransportVector)
    assert vector.rekey_after == REKEY_AFTER
    key = bytes.fromhex(vector.key)
    sealer, opener = (Transport(CipherState(key), CipherState(key)) for _ in range(2))
    expected = {record.n: record for record in vector.records}
    for n in range(max(expected) + 1):
        record = expected.get(n)
        plaintext = f"message {n}".encode() if record is None else bytes.fromhex(record.plaintext)
        frame = sealer.seal(plaintext)
        assert opener.open(frame) == plaintext
        assert record is None or frame.hex() == record.frame


def test_the_key_of_before_a_rekey_does_not_open_what_comes_after() -> None:
    a, _ = _ends()
    old = CipherState(_KEYS[0])
    for _ in range(REKEY_AFTER):
        old.decrypt(b"", a.seal(b""))
    with pytest.raises(NoiseError):
        old.decrypt(b"", a.seal(b""))


def test_frames_are_as_long_as_noise_allows_and_no_longer() -> None:
    a, b = _ends()
    assert len(b.open(a.seal(bytes(MAX_PLAINTEXT_BYTES)))) == MAX_PLAINTEXT_BYTES == 65_519
    with pytest.raises(ValueError, match="a frame holds"):
        a.seal(bytes(MAX_PLAINTEXT_BYTES + 1))
    with pytest.raises(NoiseError, match="longer"):
        b.open(bytes(MAX_PLAINTEXT_BYTES + 17))


def test_a_rest_changes_nothing_but_what_is_kept() -> None:
    here, there = (
        Transport(CipherState(_KEYS[0]), CipherState(_KEYS[1])),
        Transport(CipherState(_KEYS[1]), CipherState(_KEYS[0])),
    )
    for number in range(4):
        assert there.open(here.seal(b"%d" % number)) == b"%d" % number
        assert here.open(there.seal(b"back")) == b"back"
        here.rest()
        if number % 2:
            there.rest()
