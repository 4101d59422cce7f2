"""What the vectors cannot show: misuse, forged messages, limits, rekey. See test_noise_vectors."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.link.security.noise import (
    MAX_MESSAGE_BYTES,
    CipherState,
    HandshakeState,
    KeyPair,
    NoiseError,
    Token,
    pattern,
)
from tests.relay.link.noise_patterns import ALL

_PSK = bytes(range(32))


def _pair(name: str, psks: tuple[bytes, ...] = ()) -> tuple[HandshakeState, HandshakeState]:
    chosen = pattern(name, ALL)
    a, b = KeyPair.generate(), KeyPair.generate()
    return (
        HandshakeState(
            name,
            initiator=True,
            s=a,
            rs=b.public if chosen.responder_known else None,
            psks=psks,
            table=ALL,
        ),
        HandshakeState(
            name,
            initiator=False,
            s=b,
            rs=a.public if chosen.initiator_known else None,
            psks=psks,
            table=ALL,
        ),
    )


def _finish(initiator: HandshakeState, responder: HandshakeState) -> None:
    writer, reader = initiator, responder
    while not initiator.finished:
        assert reader.read_message(writer.write_message(b"payload")) == b"payload"
        writer, reader = reader, writer


@pytest.mark.parametrize("name", ["XXpsk0", "NNpsk0+psk2", "IKpsk0+psk1+psk2", "X1X1psk4"])
def test_modifiers_that_have_no_public_vector_work_between_two_ends(name: str) -> None:
    psks = tuple(bytes([number]) * 32 for number in range(pattern(name, ALL).psks))
    initiator, responder = _pair(name, psks)
    _finish(initiator, responder)
    assert initiator.handshake_hash == responder.handshake_hash
    sending, _ = initiator.split()
    _, receiving = responder.split()
    assert receiving.decrypt(b"", sending.encrypt(b"", b"hello")) == b"hello"


def test_psk0_comes_first_and_pskn_last_in_its_message() -> None:
    assert pattern("XXpsk0").messages[0] == (Token.PSK, Token.E)
    assert pattern("XXpsk3").messages[2] == (Token.S, Token.SE, Token.PSK)


@pytest.mark.parametrize(
    "name", ["", "ZZ", "NN", "XXpsk", "XXpsk4", "XXpsk1psk2", "N1", "xx", "XXfallback"]
)
def test_an_unknown_pattern_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        pattern(name)


def test_keys_that_the_pattern_does_not_want_or_lacks_are_refused() -> None:
    key = KeyPair.generate()
    with pytest.raises(ValueError, match="needs a static key"):
        HandshakeState("XX", initiator=True)
    with pytest.raises(ValueError, match="needs a static key"):
        HandshakeState("NK", initiator=False, table=ALL)
    with pytest.raises(ValueError, match="known before"):
        HandshakeState("IK", initiator=True, s=key)
    with pytest.raises(ValueError, match="known before"):
        HandshakeState("XX", initiator=True, s=key, rs=key.public)
    with pytest.raises(ValueError, match="takes 1 keys"):
        HandshakeState("XXpsk0", initiator=True, s=key)
    with pytest.raises(ValueError, match="takes 1 keys"):
        HandshakeState("XXpsk0", initiator=True, s=key, psks=[b"short"])


def test_out_of_turn_is_the_callers_mistake() -> None:
    initiator, responder = _pair("XX")
    assert initiator.my_turn
    assert not responder.my_turn
    with pytest.raises(ValueError, match="turn to write"):
        responder.write_message()
    with pytest.raises(ValueError, match="turn to read"):
        initiator.read_message(b"")
    with pytest.raises(ValueError, match="not finished"):
        initiator.split()
    _finish(initiator, responder)
    assert not initiator.my_turn
    with pytest.raises(ValueError, match="turn to write"):
        initiator.write_message()


@pytest.mark.parametrize("name", ["IK", "XXpsk0"])
def test_no_message_survives_a_changed_bit_or_a_missing_end(name: str) -> None:
    psks = (_PSK,) * pattern(name).psks
    for number in range(len(pattern(name).messages)):
        for damage in range(12):
            initiator, responder = _pair(name, psks)
            writer, reader = initiator, responder
            for _ in range(number):
                reader.read_message(writer.write_message())
                writer, reader = reader, writer
            message = bytearray(writer.write_message(b"payload"))
            if damage == 0:
                message = message[:-1]
            elif damage == 1:
                message = message[:10]
            elif damage == 2:
                message = bytearray()
            else:
                message[damage * 7 % len(message)] ^= 1 << damage % 8
            with pytest.raises(NoiseError):
                reader.read_message(bytes(message))


def test_other_prologues_psks_and_keys_do_not_meet() -> None:
    key, other = KeyPair.generate(), KeyPair.generate()
    message = HandshakeState("IK", initiator=True, s=other, rs=key.public).write_message()
    with pytest.raises(NoiseError):
        HandshakeState("IK", initiator=False, s=key, prologue=b"x").read_message(message)
    with pytest.raises(NoiseError):
        HandshakeState("IK", initiator=False, s=other).read_message(message)
    message = HandshakeState("NNpsk0", initiator=True, psks=[_PSK], table=ALL).write_message()
    with pytest.raises(NoiseError):
        HandshakeState("NNpsk0", initiator=False, psks=[bytes(32)], table=ALL).read_message(message)


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31)])
def test_keys_of_low_order_are_refused(public: bytes) -> None:
    responder = HandshakeState("NN", initiator=False, table=ALL)
    responder.read_message(public)
    with pytest.raises(NoiseError, match="not usable"):
        responder.write_message()


def test_lengths_are_bounded() -> None:
    initiator, responder = _pair("XX")
    with pytest.raises(ValueError, match="longer"):
        initiator.write_message(bytes(MAX_MESSAGE_BYTES))
    with pytest.raises(NoiseError, match="longer"):
        responder.read_message(bytes(MAX_MESSAGE_BYTES + 1))


def test_a_failed_decryption_leaves_the_nonce_alone() -> None:
    sealer, opener = CipherState(_PSK), CipherState(_PSK)
    frame = sealer.encrypt(b"", b"first")
    with pytest.raises(NoiseError):
        opener.decrypt(b"", frame[:-1] + b"\0")
    with pytest.raises(NoiseError, match="too short"):
        opener.decrypt(b"", b"short")
    assert opener.n == 0
    assert opener.decrypt(b"", frame) == b"first"
    with pytest.raises(NoiseError):
        opener.decrypt(b"", frame)


def test_rekey_is_that_of_the_specification() -> None:
    cipher = CipherState(_PSK)
    cipher.encrypt(b"", b"")
    cipher.rekey()
    assert cipher.n == 1
    key = AESGCM(_PSK).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
    expected = AESGCM(key).encrypt((1).to_bytes(12, "big"), b"text", b"ad")
    assert cipher.encrypt(b"ad", b"text") == expected
    with pytest.raises(ValueError, match="no key"):
        CipherState().rekey()


def test_the_last_nonce_is_never_used() -> None:
    cipher = CipherState(_PSK)
    cipher.n = 2**64 - 1
    with pytest.raises(NoiseError, match="all the messages"):
        cipher.encrypt(b"", b"")


def test_without_a_key_text_passes_as_it_is() -> None:
    cipher = CipherState()
    assert not cipher.has_key
    assert cipher.encrypt(b"", b"text") == cipher.decrypt(b"", b"text") == b"text"


def test_a_key_pair_does_not_show_its_secret() -> None:
    key = KeyPair(_PSK)
    assert key.private_bytes() == _PSK
    assert _PSK.hex()[:8] not in repr(key)
    assert repr(key) == f"<KeyPair {key.public.hex()[:16]}>"
