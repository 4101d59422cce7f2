"""Two ends and an adversary on the wire who changes, repeats, reorders, cuts, drops and invents.

Whatever it does, each end takes a prefix of what the other really sent, and everything else ends
in a refusal or a LinkViolation.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.link.errors import LinkViolation
from relay.link.security.handshake import (
    FinishedHandshake,
    HandshakeRefused,
    HandshakeStep,
    HubHandshake,
    RefusalCode,
    RelayHandshake,
)
from relay.link.security.noise import KeyPair

_SECRET = bytes(range(32))
_RELAY, _HUB = KeyPair(b"r" * 32), KeyPair(b"h" * 32)


class _Trust:
    key = _HUB
    hub_name = "desk"

    def __init__(self) -> None:
        self.filed: list[bytes] = []

    def offer(self, code_id: bytes, now: float) -> bytes | RefusalCode:
        return _SECRET

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        if self.filed:
            raise HandshakeRefused(RefusalCode.CODE_SPENT)
        self.filed.append(relay_key)
        return name

    def known(self, relay_key: bytes) -> str | None:
        return "attic" if relay_key == _RELAY.public else None


@dataclass
class _End:
    """One end: what it sent in the open state, what it took, and how it ended."""

    handshake: RelayHandshake | HubHandshake
    outbox: deque[bytes] = field(default_factory=deque)
    opened: FinishedHandshake | None = None
    over: bool = False
    sent: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    def receive(self, frame: bytes) -> None:
        if self.over:
            return
        try:
            if self.opened is not None:
                self.taken.append(self.opened.transport.open(frame))
                return
            step = self._step(frame)
        except LinkViolation:
            self.over = True
            return
        if step.frame is not None:
            self.outbox.append(step.frame)
        self.over = step.refused is not None
        self.opened = step.opened

    def _step(self, frame: bytes) -> HandshakeStep:
        if isinstance(self.handshake, HubHandshake):
            return self.handshake.receive(frame, 0.0)
        return self.handshake.receive(frame)

    def say(self, text: bytes) -> None:
        if self.opened is not None and not self.over:
            self.outbox.append(self.opened.transport.seal(text))
            self.sent.append(text)


@st.composite
def _attacks(draw: st.DrawFn) -> tuple[str, bool, int, int, bytes]:
    kind = draw(
        st.sampled_from(
            ["pass", "pass", "pass", "flip", "cut", "drop", "repeat", "swap", "old", "invent"]
        )
    )
    return (
        kind,
        draw(st.booleans()),
        draw(st.integers(0, 1023)),
        draw(st.integers(0, 7)),
        draw(st.binary(max_size=100)) if kind == "invent" else b"",
    )


@settings(max_examples=400, deadline=None)
@given(st.booleans(), st.lists(_attacks(), max_size=24))
def test_nothing_gets_through_but_what_was_sent(
    pairing: bool, attacks: list[tuple[str, bool, int, int, bytes]]
) -> None:
    trust = _Trust()
    relay = _End(
        RelayHandshake(
            _RELAY,
            hub_key=None if pairing else _HUB.public,
            secret=_SECRET if pairing else None,
            name="attic",
        )
    )
    hub = _End(HubHandshake(trust))
    assert isinstance(relay.handshake, RelayHandshake)
    relay.outbox.append(relay.handshake.start())
    recorded: list[bytes] = []
    touched = False
    for number, (kind, from_relay, place, bit, made_up) in enumerate(attacks):
        relay.say(b"relay %d" % number)
        hub.say(b"hub %d" % number)
        source, target = (relay, hub) if from_relay else (hub, relay)
        touched |= kind != "pass"
        match kind:
            case "invent":
                target.receive(made_up)
                continue
            case "old" if recorded:
                target.receive(recorded[place % len(recorded)])
                continue
        if not source.outbox:
            continue
        frame = source.outbox.popleft()
        recorded.append(frame)
        changed = bytearray(frame)
        match kind:
            case "flip":
                changed[place % len(frame)] ^= 1 << bit
                target.receive(bytes(changed))
            case "cut":
                target.receive(frame[: place % len(frame)])
            case "drop":
                pass
            case "repeat":
                target.receive(frame)
                target.receive(frame)
            case "swap" if source.outbox:
                target.receive(source.outbox[0])
                target.receive(frame)
            case _:
                target.receive(frame)
    assert relay.sent[: len(hub.taken)] == hub.taken
    assert hub.sent[: len(relay.taken)] == relay.taken
    assert trust.filed in ([], [_RELAY.public])
    if relay.opened is not None:
        assert relay.opened.remote_key == _HUB.public
    if hub.opened is not None:
        assert hub.opened.remote_key == _RELAY.public
    if relay.opened is not None and hub.opened is not None:
        assert relay.opened.session == hub.opened.session
    if not touched:
        assert not relay.over
        assert not hub.over


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([b"", b"\1\1", b"\1\2"]))
def test_bytes_from_nowhere_open_nothing(frames: list[bytes], head: bytes) -> None:
    trust = _Trust()
    dialing = RelayHandshake(_RELAY, secret=_SECRET)
    dialing.start()
    hub, relay = _End(HubHandshake(trust)), _End(dialing)
    for frame in frames:
        hub.receive(head + frame)
        relay.receive(head + frame)
    assert hub.opened is relay.opened is None
    assert trust.filed == []
