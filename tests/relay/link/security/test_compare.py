"""Two screens show the same code, or somebody stands between: both ends, and those who try."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.link.errors import LinkViolation
from relay.link.security.compare import (
    COMPARE_HEAD,
    HubComparison,
    RelayComparison,
    commitment,
    short_code,
)
from relay.link.security.handshake import (
    FinishedHandshake,
    HandshakeMode,
    HandshakeStep,
    RefusalCode,
)
from relay.link.security.noise import KeyPair

VECTORS = Path(__file__).parents[1] / "vectors" / "compare.json"


def keys(label: str) -> KeyPair:
    """The same each time, so that a chance of 2^-30 is none."""
    return KeyPair(hashlib.sha256(label.encode()).digest())


RELAY, HUB, OTHER = keys("relay"), keys("hub"), keys("somebody else")


def both(
    relay: RelayComparison, hub: HubComparison
) -> tuple[FinishedHandshake, FinishedHandshake, list[bytes]]:
    """Run to the end: how it ended at the relay and at the hub, and the frames."""
    frames = [relay.start()]
    at_relay: FinishedHandshake | None = None
    while True:
        step = hub.receive(frames[-1])
        if step.opened is not None:
            assert at_relay is not None
            return at_relay, step.opened, frames
        assert step.frame is not None
        frames.append(step.frame)
        step = relay.receive(frames[-1])
        assert step.frame is not None
        at_relay = step.opened or at_relay
        frames.append(step.frame)


def frame(step: HandshakeStep) -> bytes:
    assert step.frame is not None
    return step.frame


def test_both_screens_show_one_code_and_each_end_has_the_others_key_and_name() -> None:
    at_relay, at_hub, frames = both(RelayComparison(RELAY, "Attic"), HubComparison(HUB, "Desk"))
    assert at_relay.code == at_hub.code
    assert at_relay.session == at_hub.session
    assert (at_relay.remote_key, at_relay.name) == (HUB.public, "Desk")
    assert (at_hub.remote_key, at_hub.name) == (RELAY.public, "Attic")
    assert at_relay.mode is at_hub.mode is HandshakeMode.COMPARE
    assert len(frames) == 5
    assert at_relay.transport.open(at_hub.transport.seal(b"kept")) == b"kept"
    # Who listens learns neither names nor static keys.
    heard = b"".join(frames)
    for secret in (b"Attic", b"Desk", RELAY.public, HUB.public):
        assert secret not in heard


def test_no_two_meetings_have_the_same_code() -> None:
    codes = {both(RelayComparison(RELAY, ""), HubComparison(HUB, ""))[0].code for _ in range(16)}
    assert len(codes) == 16


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ("00000000", "000-000"),
        ("00000003", "000-000"),  # the last two bits are not shown
        ("00000004", "000-001"),
        ("ffffffff", "ZZZ-ZZZ"),
        ("08421084", "111-111"),
        ("84653a54", "GHJ-KMN"),
    ],
)
def test_a_code_is_thirty_bits_in_letters_that_are_not_taken_for_others(
    first: str, code: str
) -> None:
    assert short_code(bytes.fromhex(first) + bytes(28)) == code
    assert not set(code) & set("ILOU")


def between(seed: int) -> tuple[str, str]:
    """A man in the middle, who has a handshake with each: the codes at the relay and at the hub."""
    relay = RelayComparison(RELAY, "Attic", ephemeral=keys(f"relay {seed}"))
    hub = HubComparison(HUB, "Desk", ephemeral=keys(f"hub {seed}"))
    to_relay = HubComparison(OTHER, "Desk", ephemeral=keys(f"as hub {seed}"))
    to_hub = RelayComparison(OTHER, "Attic", ephemeral=keys(f"as relay {seed}"))
    at_relay, _, _ = both(relay, to_relay)
    _, at_hub, _ = both(to_hub, hub)
    return at_relay.code, at_hub.code


def test_somebody_between_is_seen_in_the_codes() -> None:
    pairs = [between(seed) for seed in range(256)]
    assert [one for one, other in pairs if one == other] == []
    # As rare as chance has it, symbol by symbol: of the first, one in 32 is alike.
    alike = sum(one[0] == other[0] for one, other in pairs)
    assert 1 <= alike <= 20


def test_whoever_is_between_cannot_move_a_code_once_it_has_heard_the_other_key() -> None:
    """All that is still open then (static keys, names) is no part of the code."""
    codes = set()
    for static, name in ((OTHER, ""), (keys("another"), "x" * 64), (RELAY, "Attic")):
        relay = RelayComparison(static, name, ephemeral=keys("between"))
        hub = HubComparison(static, name, ephemeral=keys("hub"))
        codes.add(both(relay, hub)[1].code)
    assert len(codes) == 1


def test_a_relay_cannot_show_another_key_than_it_committed_to() -> None:
    relay, hub = RelayComparison(OTHER, ""), HubComparison(HUB, "Desk")
    answer = frame(hub.receive(relay.start()))
    # It knows the hub's key now, and would like another one of its own.
    another = RelayComparison(OTHER, "")
    another.start()
    message = frame(another.receive(answer))
    with pytest.raises(LinkViolation, match="committed to"):
        hub.receive(message)


def test_a_hub_cannot_use_another_key_than_it_named() -> None:
    relay = RelayComparison(RELAY, "Attic")
    hub = HubComparison(OTHER, "Desk")
    first = relay.start()
    frame(hub.receive(first))
    named = bytes([0]) + keys("named before").public
    message = frame(relay.receive(named))
    # Its own answer is to another prologue, too; what is looked at first is the key.
    answer = frame(hub.receive(message))
    with pytest.raises(LinkViolation, match="ephemeral key than the one it named"):
        relay.receive(answer)


def test_a_recording_of_a_relay_gets_no_code() -> None:
    _, _, frames = both(RelayComparison(RELAY, "Attic"), HubComparison(HUB, "Desk"))
    hub = HubComparison(HUB, "Desk")
    hub.receive(frames[0])
    hub.receive(frames[2])
    with pytest.raises(LinkViolation):
        hub.receive(frames[4])


def test_a_recording_of_a_hub_gets_no_code() -> None:
    _, _, frames = both(RelayComparison(RELAY, "Attic"), HubComparison(HUB, "Desk"))
    relay = RelayComparison(RELAY, "Attic")
    relay.start()
    relay.receive(frames[1])
    with pytest.raises(LinkViolation):
        relay.receive(frames[3])


@pytest.mark.parametrize("refusal", [RefusalCode.NOT_COMPARING, RefusalCode.VERSION])
def test_a_refusal_says_what_to_do(refusal: RefusalCode) -> None:
    relay = RelayComparison(RELAY, "Attic")
    relay.start()
    step = relay.receive(bytes([refusal]))
    assert step.refused is not None
    assert step.refused.refusal is refusal
    assert str(step.refused)


BENDS: list[tuple[str, Callable[[bytes], bytes | str]]] = [
    ("cut", lambda sent: sent[:-1]),
    ("longer", lambda sent: sent + b"\0"),
    ("text", lambda sent: "text"),
    ("empty", lambda sent: b""),
    ("huge", lambda sent: sent + bytes(5000)),
    ("last bit", lambda sent: sent[:-1] + bytes([sent[-1] ^ 1])),
    ("first bit", lambda sent: bytes([sent[0] ^ 0x40]) + sent[1:]),
]


def meet(bend: Callable[[bytes], bytes | str], number: int, codes: list[str]) -> None:
    """Both ends, with frame `number` bent on the way, until somebody objects."""
    relay, hub = RelayComparison(RELAY, "Attic"), HubComparison(HUB, "Desk")
    sent = relay.start()
    for at in range(6):
        came = bend(sent) if at == number else sent
        step = relay.receive(came) if at % 2 else hub.receive(came)
        if step.opened is not None:
            codes.append("relay" if at % 2 else "hub")
        sent = frame(step)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("bend", [bend for _, bend in BENDS], ids=[name for name, _ in BENDS])
def test_whatever_is_bent_on_the_way_ends_in_a_violation_and_the_hub_shows_nothing(
    number: int, bend: Callable[[bytes], bytes | str]
) -> None:
    codes: list[str] = []
    with pytest.raises(LinkViolation):
        meet(bend, number, codes)
    # The relay may have a code before its last frame arrives.
    assert codes == (["relay"] if number == 4 else [])


def test_nothing_comes_after_the_end() -> None:
    relay, hub = RelayComparison(RELAY, "Attic"), HubComparison(HUB, "Desk")
    _, _, frames = both(relay, hub)
    for end in (relay, hub):
        with pytest.raises(LinkViolation, match="after the handshake had ended"):
            end.receive(frames[-1])


def test_what_other_implementations_are_checked_against() -> None:
    """relay/link/README.md, section 10: whole conversations with fixed keys."""
    for vector in json.loads(VECTORS.read_text()):
        ends = [
            (
                KeyPair(bytes.fromhex(vector[f"{who}_static"])),
                vector[f"{who}_name"],
                KeyPair(bytes.fromhex(vector[f"{who}_ephemeral"])),
            )
            for who in ("relay", "hub")
        ]
        relay = RelayComparison(ends[0][0], ends[0][1], ephemeral=ends[0][2])
        hub = HubComparison(ends[1][0], ends[1][1], ephemeral=ends[1][2])
        at_relay, at_hub, frames = both(relay, hub)
        assert [frame.hex() for frame in frames] == vector["frames"]
        assert at_relay.session.hex() == vector["handshake_hash"]
        assert at_relay.code == at_hub.code == vector["code"]
        assert frames[0] == COMPARE_HEAD + commitment(ends[0][2].public)
