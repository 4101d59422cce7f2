"""A handshake in which one end, or the wire between two, does as the fuzzer likes.

The first byte chooses: bytes from nowhere at the hub, at the relay; a peer that has the secret or
the keys and puts anything into its payloads; two honest ends with an adversary between them.
Nothing but a refusal or a LinkViolation may come of it.
"""

from __future__ import annotations

import sys

from tests.fuzz.engine import fuzz, instrumented

with instrumented("relay"):
    from relay.link.errors import LinkViolation
    from relay.link.security.handshake import (
        FinishedHandshake,
        HandshakeStep,
        HubHandshake,
        RefusalCode,
        RelayHandshake,
        code_id,
    )
    from relay.link.security.noise import HandshakeState, KeyPair

_SECRET = bytes(range(32))
_RELAY, _HUB = KeyPair(b"r" * 32), KeyPair(b"h" * 32)
_EPHEMERAL = KeyPair(b"e" * 32), KeyPair(b"f" * 32)


class _Trust:
    key = _HUB
    hub_name = "desk"

    def offer(self, code: bytes, now: float) -> bytes | RefusalCode:
        return _SECRET if code == code_id(_SECRET) else RefusalCode.WRONG_CODE

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        assert len(name) <= 128
        return name

    def known(self, relay_key: bytes) -> str | None:
        return "attic" if relay_key == _RELAY.public else None


def handshake(data: bytes) -> None:
    if not data:
        return
    kind, rest = data[0] % 6, data[1:]
    try:
        if kind < 2:
            _from_nowhere(rest, at_hub=kind == 0)
        elif kind < 4:
            _payload(rest, from_relay=kind == 2)
        else:
            _between(rest, pairing=kind == 4)
    except LinkViolation:
        return


def _relay(*, pairing: bool) -> RelayHandshake:
    return RelayHandshake(
        _RELAY,
        secret=_SECRET if pairing else None,
        hub_key=None if pairing else _HUB.public,
        name="attic",
        ephemeral=_EPHEMERAL[0],
    )


def _from_nowhere(data: bytes, *, at_hub: bool) -> None:
    if at_hub:
        step = HubHandshake(_Trust(), ephemeral=_EPHEMERAL[1]).receive(data, 0.0)
    else:
        relay = _relay(pairing=len(data) % 2 == 0)
        relay.start()
        step = relay.receive(data)
    assert step.opened is None


def _payload(payload: bytes, *, from_relay: bool) -> None:
    """A peer with the secret who says anything under the encryption."""
    head = b"\1\1" + code_id(_SECRET)
    prologue = b"bpforward link 1" + head
    peer = HandshakeState(
        "XXpsk0",
        initiator=from_relay,
        prologue=prologue,
        s=_RELAY if from_relay else _HUB,
        psks=[_SECRET],
    )
    if from_relay:
        hub = HubHandshake(_Trust(), ephemeral=_EPHEMERAL[1])
        answer = hub.receive(head + peer.write_message(payload[:500]), 0.0).frame
        assert answer is not None
        peer.read_message(answer[1:])
        hub.receive(peer.write_message(payload), 0.0)
        return
    relay = _relay(pairing=True)
    peer.read_message(relay.start()[len(head) :])
    step = relay.receive(b"\0" + peer.write_message(payload))
    assert step.frame is not None
    peer.read_message(step.frame)
    relay.receive(peer.split()[0].encrypt(b"", payload))


def _between(script: bytes, *, pairing: bool) -> None:
    """Every three bytes of `script` are one deed: which, where, what."""
    relay, hub = _relay(pairing=pairing), HubHandshake(_Trust(), ephemeral=_EPHEMERAL[1])
    flight, to_hub = relay.start(), True
    opened: dict[bool, FinishedHandshake] = {}
    for place, deed, value in zip(script[::3], script[1::3], script[2::3], strict=False):
        frame = bytearray(flight)
        match deed % 5:
            case 0:
                frame[place % len(frame)] ^= value
            case 1:
                del frame[place % len(frame) :]
            case 2:
                frame += bytes([value]) * place
            case 3:
                frame[place % len(frame) : place % len(frame)] = bytes([value])
        step: HandshakeStep = (
            hub.receive(bytes(frame), 0.0) if to_hub else relay.receive(bytes(frame))
        )
        if step.opened is not None:
            opened[to_hub] = step.opened
        if step.refused is not None or step.frame is None:
            break
        flight, to_hub = step.frame, not to_hub
    if len(opened) == 2:
        assert opened[True].session == opened[False].session
        assert opened[True].remote_key == _RELAY.public
        assert opened[False].remote_key == _HUB.public


SEEDS = (
    b"\0\1\2" + bytes(96),
    b"\1\0" + bytes(107),
    b"\2\x81\xa4name\xa5attic",
    b"\3\x83\xa1t\xa3Bye\xa4text\xa2no\xa5retry\xc2",
    b"\4\0\4\0\0\4\0\0\4\0\0\4\0",
    b"\5\0\4\0\0\4\0\0\4\0",
)

if __name__ == "__main__":
    sys.exit(fuzz(handshake, sys.argv, SEEDS))
