"""Both ends wired together: what each outcome is, that texts are told apart, that nothing leaks."""

from __future__ import annotations

import msgpack
import msgspec
import pytest

from relay.link.bounds import HANDSHAKE_FRAME_BYTES
from relay.link.errors import LinkViolation
from relay.link.security.handshake import (
    FinishedHandshake,
    HandshakeMode,
    HandshakeRefused,
    HandshakeStep,
    HubHandshake,
    RefusalCode,
    RelayHandshake,
    code_id,
)
from relay.link.security.noise import HandshakeState, KeyPair, NoiseError
from tests.relay.link.make_vectors import FOLDER, Session, converse, sessions

_SECRET = bytes(range(32))
_RELAY = KeyPair.generate()


class Hub:
    """A trust that remembers what it was asked."""

    def __init__(self) -> None:
        self.key = KeyPair.generate()
        self.hub_name = "desk"
        self.secret: bytes | RefusalCode = _SECRET
        self.relays: dict[bytes, str] = {}
        self.asked: list[bytes] = []
        self.filed: list[tuple[bytes, bytes, str, float]] = []
        self.refuses: HandshakeRefused | None = None

    def offer(self, code_id: bytes, now: float) -> bytes | RefusalCode:
        self.asked.append(code_id)
        return self.secret

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        if self.refuses is not None:
            raise self.refuses
        self.filed.append((code_id, relay_key, name, now))
        self.relays[relay_key] = name
        return name

    def known(self, relay_key: bytes) -> str | None:
        return self.relays.get(relay_key)


def _meet(relay: RelayHandshake, hub: HubHandshake) -> tuple[HandshakeStep, HandshakeStep]:
    """Run to the end; return the last step of the relay and of the hub."""
    at_relay, at_hub, frame = HandshakeStep(), HandshakeStep(), relay.start()
    while True:
        at_hub = hub.receive(frame, 7.0)
        if at_hub.frame is None:
            return at_relay, at_hub
        at_relay = relay.receive(at_hub.frame)
        if at_relay.frame is None:
            return at_relay, at_hub
        frame = at_relay.frame


def _refusal(step: HandshakeStep) -> HandshakeRefused:
    assert step.opened is None
    assert step.refused is not None
    return step.refused


def test_a_pairing_leaves_each_end_with_the_others_key_and_name() -> None:
    hub = Hub()
    at_relay, at_hub = _meet(
        RelayHandshake(_RELAY, secret=_SECRET, name="attic"), HubHandshake(hub)
    )
    assert hub.asked == [code_id(_SECRET)]
    assert hub.filed == [(code_id(_SECRET), _RELAY.public, "attic", 7.0)]
    relay, opened = at_relay.opened, at_hub.opened
    assert relay is not None
    assert opened is not None
    assert (relay.remote_key, relay.name, relay.mode) == (
        hub.key.public,
        "desk",
        HandshakeMode.PAIR,
    )
    assert (opened.remote_key, opened.name, opened.mode) == (
        _RELAY.public,
        "attic",
        HandshakeMode.PAIR,
    )
    assert relay.session == opened.session
    assert opened.transport.open(relay.transport.seal(b"hello")) == b"hello"


def test_a_relay_that_has_paired_comes_in_by_its_key() -> None:
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    at_relay, at_hub = _meet(RelayHandshake(_RELAY, hub_key=hub.key.public), HubHandshake(hub))
    assert at_relay.opened is not None
    assert at_hub.opened is not None
    assert (at_hub.opened.name, at_hub.opened.mode) == ("attic", HandshakeMode.KNOWN)
    assert at_hub.opened.session == at_relay.opened.session


def test_names_are_neutralised_before_anyone_sees_them() -> None:
    hub = Hub()
    hub.hub_name = "desk\x1b[31m"
    at_relay, _ = _meet(
        RelayHandshake(_RELAY, secret=_SECRET, name="a\nb\u202e"), HubHandshake(hub)
    )
    assert at_relay.opened is not None
    assert at_relay.opened.name == "desk�[31m"
    assert hub.filed[0][2] == "a b�"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (RefusalCode.CODE_SPENT, "code expired or already used"),
        (RefusalCode.WRONG_CODE, "wrong pairing code"),
        (bytes(32), "wrong pairing code"),
    ],
)
def test_a_code_that_is_no_good_is_refused_with_its_reason(
    answer: bytes | RefusalCode, text: str
) -> None:
    hub = Hub()
    hub.secret = answer
    at_relay, at_hub = _meet(RelayHandshake(_RELAY, secret=_SECRET), HubHandshake(hub))
    assert str(_refusal(at_relay)).startswith(text)
    assert _refusal(at_relay).certain
    assert not _refusal(at_hub).certain
    assert at_hub.frame is not None
    assert len(at_hub.frame) == 1
    assert hub.filed == []


def test_a_hub_with_another_key_is_not_the_one_paired_with() -> None:
    relay = RelayHandshake(_RELAY, hub_key=KeyPair.generate().public)
    at_relay, at_hub = _meet(relay, HubHandshake(Hub()))
    assert str(_refusal(at_relay)).startswith("this hub is not the one you paired with")
    assert at_hub.frame == bytes([RefusalCode.WRONG_HUB])
    # Anybody on the way could have said so.
    assert not _refusal(at_relay).certain


def test_an_impostor_that_answers_without_the_key_is_not_the_hub() -> None:
    relay = RelayHandshake(_RELAY, hub_key=KeyPair.generate().public)
    relay.start()
    refused = _refusal(relay.receive(b"\0" + bytes(48)))
    assert refused.refusal is RefusalCode.WRONG_HUB
    relay = RelayHandshake(_RELAY, secret=_SECRET)
    relay.start()
    assert _refusal(relay.receive(b"\0" + bytes(96))).refusal is RefusalCode.WRONG_CODE


def test_a_revoked_relay_is_told_by_the_hub_itself() -> None:
    hub = Hub()
    at_relay, at_hub = _meet(RelayHandshake(_RELAY, hub_key=hub.key.public), HubHandshake(hub))
    for step in (at_relay, at_hub):
        assert str(_refusal(step)) == "revoked by the hub"
        assert _refusal(step).certain
        assert _refusal(step).refusal is None
    assert at_hub.frame is not None
    assert b"revoked" not in at_hub.frame


def test_a_revocation_during_the_handshake_counts() -> None:
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    relay, end = RelayHandshake(_RELAY, hub_key=hub.key.public), HubHandshake(hub)
    answer = end.receive(relay.start(), 0.0).frame
    assert answer is not None
    step = relay.receive(answer)
    assert step.frame is not None
    assert step.opened is not None
    hub.relays.clear()
    last = end.receive(step.frame, 0.0)
    assert str(_refusal(last)) == "revoked by the hub"
    assert last.frame is not None
    assert _refusal(last).certain
    # The relay is in its session by then and reads it as a message there.
    bye = msgpack.unpackb(step.opened.transport.open(last.frame))
    assert (bye["t"], bye["retry"]) == ("Bye", False)


def test_a_code_used_up_meanwhile_is_refused_at_the_end() -> None:
    hub = Hub()
    hub.refuses = HandshakeRefused(RefusalCode.CODE_SPENT)
    at_relay, at_hub = _meet(RelayHandshake(_RELAY, secret=_SECRET), HubHandshake(hub))
    assert str(_refusal(at_relay)).startswith("code expired or already used")
    assert _refusal(at_relay).refusal is RefusalCode.CODE_SPENT
    assert _refusal(at_hub).certain


def test_a_hub_that_cannot_store_the_relay_says_why() -> None:
    hub = Hub()
    hub.refuses = HandshakeRefused(None, "the disk of the hub is full")
    at_relay, _ = _meet(RelayHandshake(_RELAY, secret=_SECRET), HubHandshake(hub))
    assert str(_refusal(at_relay)) == "the disk of the hub is full"


@pytest.mark.parametrize("head", [b"\x02\x01", b"\x01\x03", b"\x01", b"\xff", b"G", b"\x01\x00"])
def test_other_suites_and_modes_are_refused(head: bytes) -> None:
    step = HubHandshake(Hub()).receive(head + bytes(90), 0.0)
    if head == b"\x01":
        step = HubHandshake(Hub()).receive(head, 0.0)
    assert step.frame == bytes([RefusalCode.VERSION])
    assert "different versions" in str(_refusal(step))


def test_the_mode_cannot_be_changed_on_the_way() -> None:
    # A downgrade: what stands before the Noise message is part of its prologue.
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    first = RelayHandshake(_RELAY, hub_key=hub.key.public).start()
    step = HubHandshake(hub).receive(b"\x01\x01" + code_id(_SECRET) + first[2:], 0.0)
    assert _refusal(step).refusal is RefusalCode.WRONG_CODE
    first = RelayHandshake(_RELAY, secret=_SECRET).start()
    other = bytes([first[2] ^ 1])  # the code id is bound as well
    step = HubHandshake(hub).receive(first[:2] + other + first[3:], 0.0)
    assert _refusal(step).refusal is RefusalCode.WRONG_CODE


def test_a_recording_of_the_first_frame_opens_nothing() -> None:
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    relay = RelayHandshake(_RELAY, hub_key=hub.key.public)
    first = relay.start()
    genuine, replayed = HubHandshake(hub), HubHandshake(hub)
    answer, other = genuine.receive(first, 0.0), replayed.receive(first, 0.0)
    assert answer.opened is other.opened is None
    assert answer.frame is not None
    proof = relay.receive(answer.frame).frame
    assert proof is not None
    with pytest.raises(NoiseError):
        replayed.receive(proof, 0.0)
    assert genuine.receive(proof, 0.0).opened is not None


def test_a_proof_that_says_something_is_a_violation() -> None:
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    noise = HandshakeState(
        "IK", initiator=True, prologue=b"bpforward link 1\1\2", s=_RELAY, rs=hub.key.public
    )
    end = HubHandshake(hub)
    answer = end.receive(b"\1\2" + noise.write_message(), 0.0).frame
    assert answer is not None
    noise.read_message(answer[1:])
    sending, _ = noise.split()
    with pytest.raises(LinkViolation, match="not empty"):
        end.receive(sending.encrypt(b"", b"x"), 0.0)


@pytest.mark.parametrize("frame", ["text", b"", bytes(HANDSHAKE_FRAME_BYTES + 1)])
def test_frames_that_no_handshake_has_are_violations(frame: str | bytes) -> None:
    with pytest.raises(LinkViolation):
        HubHandshake(Hub()).receive(frame, 0.0)
    with pytest.raises(LinkViolation):
        RelayHandshake(_RELAY, secret=_SECRET).receive(frame)


def test_the_longest_frame_and_the_shortest_head_are_looked_at() -> None:
    longest = HubHandshake(Hub()).receive(b"\x09" * HANDSHAKE_FRAME_BYTES, 0.0)
    assert _refusal(longest).refusal is RefusalCode.VERSION
    shortest = HubHandshake(Hub()).receive(bytes([1, HandshakeMode.KNOWN]), 0.0)
    assert _refusal(shortest).refusal is RefusalCode.WRONG_HUB


@pytest.mark.parametrize("payload", [b"\xc1", b"\x90", b"\x81\xa4text\x01"])
def test_a_farewell_that_is_none_is_a_violation(payload: bytes) -> None:
    hub = Hub()
    relay = RelayHandshake(_RELAY, hub_key=hub.key.public)
    first = relay.start()
    noise = HandshakeState(
        "IK", initiator=False, prologue=b"bpforward link 1" + first[:2], s=hub.key
    )
    noise.read_message(first[2:])
    with pytest.raises(LinkViolation, match="payload"):
        relay.receive(b"\0" + noise.write_message(payload))


def test_a_farewell_without_a_text_is_a_revocation() -> None:
    hub = Hub()
    hub.refuses = HandshakeRefused(None, "")
    at_relay, _ = _meet(RelayHandshake(_RELAY, secret=_SECRET), HubHandshake(hub))
    assert str(_refusal(at_relay)) == "revoked by the hub"
    assert _refusal(at_relay).refusal is None


def test_a_finished_handshake_takes_no_more_frames() -> None:
    hub = HubHandshake(Hub())
    hub.receive(b"\x09", 0.0)
    with pytest.raises(LinkViolation, match="ended"):
        hub.receive(b"\x09", 0.0)
    relay = RelayHandshake(_RELAY, secret=_SECRET)
    relay.receive(bytes([RefusalCode.BUSY]))
    with pytest.raises(LinkViolation, match="ended"):
        relay.receive(bytes([RefusalCode.BUSY]))


@pytest.mark.parametrize("frame", [b"\x42", b"\x10\x10", b"\x16"])
def test_a_refusal_that_is_none_is_a_violation(frame: bytes) -> None:
    with pytest.raises(LinkViolation):
        RelayHandshake(_RELAY, secret=_SECRET).receive(frame)


def test_a_busy_hub_is_worth_another_try_in_either_mode() -> None:
    for relay in (
        RelayHandshake(_RELAY, secret=_SECRET),
        RelayHandshake(_RELAY, hub_key=_RELAY.public),
    ):
        refused = _refusal(relay.receive(bytes([RefusalCode.BUSY])))
        assert not refused.certain
        assert "try again" in str(refused)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x90", b"\x81\xa4name\x01", b"\x81\xa4name\xd9\x81" + b"x" * 129]
)
def test_a_greeting_that_is_none_is_a_violation(payload: bytes) -> None:
    hub = Hub()
    relay = RelayHandshake(_RELAY, secret=_SECRET)
    first = relay.start()
    noise = HandshakeState(
        "XXpsk0",
        initiator=False,
        prologue=b"bpforward link 1" + first[:10],
        s=hub.key,
        psks=[_SECRET],
    )
    noise.read_message(first[10:])
    with pytest.raises(LinkViolation, match="payload"):
        relay.receive(b"\0" + noise.write_message(payload))


def test_the_relay_takes_either_a_key_or_a_secret() -> None:
    with pytest.raises(ValueError, match="either the hub's key or"):
        RelayHandshake(_RELAY)
    with pytest.raises(ValueError, match="either the hub's key or"):
        RelayHandshake(_RELAY, hub_key=bytes(32), secret=bytes(32))


def test_the_vectors_are_what_both_ends_say() -> None:
    stored = msgspec.json.decode((FOLDER / "sessions.json").read_bytes(), type=list[Session])
    assert {session.outcome for session in stored} == {"open", "revoked", "0x10", "0x11", "0x12"}
    assert stored == sessions()


def test_the_text_of_every_refusal_is_its_own() -> None:
    texts = {str(HandshakeRefused(refusal)) for refusal in (*RefusalCode, None)}
    assert len(texts) == len(RefusalCode) + 1
    assert all("\n" not in text for text in texts)


def test_a_conversation_names_nobody_in_clear() -> None:
    hub = Hub()
    frames, _, _ = converse(
        RelayHandshake(_RELAY, secret=_SECRET, name="attic-of-ann"), HubHandshake(hub)
    )
    known, _, _ = converse(RelayHandshake(_RELAY, hub_key=hub.key.public), HubHandshake(hub))
    seen = b"".join(bytes.fromhex(frame.frame) for frame in frames + known)
    secrets = (_SECRET, _RELAY.public, hub.key.public, b"attic", b"desk")
    assert [secret for secret in secrets if secret in seen] == []


def test_opened_keeps_the_session_apart_from_every_other() -> None:
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    seen: list[FinishedHandshake] = []
    for _ in range(2):
        step, _ = _meet(RelayHandshake(_RELAY, hub_key=hub.key.public), HubHandshake(hub))
        assert step.opened is not None
        seen.append(step.opened)
    assert seen[0].session != seen[1].session
