"""Writes vectors/*.json: whole conversations with fixed keys, for relays in other languages.

Run as `python -m tests.relay.link.make_vectors`, and only when the link itself changes: what is
in the repository is what other implementations were checked against.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

from relay.link.codec import encode
from relay.link.messages import VERSION, Beat, Echo, FromHub, FromRelay, Hello, Welcome
from relay.link.security.compare import HubComparison, RelayComparison
from relay.link.security.handshake import (
    LABEL,
    FinishedHandshake,
    HandshakeMode,
    HandshakeRefused,
    HubHandshake,
    RefusalCode,
    RelayHandshake,
    code_id,
)
from relay.link.security.noise import CipherState, KeyPair
from relay.link.security.transport import Transport

FOLDER: Final = Path(__file__).with_name("vectors")
Role = Literal["relay", "hub"]


class Frame(msgspec.Struct, frozen=True, rename={"sender": "from"}, omit_defaults=True):
    sender: Role
    frame: str
    plaintext: str | None = None


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """Byte strings are hexadecimal; README.md, section 10, explains each key."""

    name: str
    mode: str
    relay_static: str
    relay_ephemeral: str
    hub_static: str
    hub_ephemeral: str
    hub_name: str
    prologue: str
    frames: tuple[Frame, ...]
    outcome: str
    relay_name: str | None = None
    secret: str | None = None
    relay_knows: str | None = None
    handshake_hash: str | None = None


class Record(msgspec.Struct, frozen=True):
    n: int
    plaintext: str
    frame: str


class TransportVector(msgspec.Struct, frozen=True):
    key: str
    rekey_after: int
    records: tuple[Record, ...]


def seed(label: str) -> bytes:
    return hashlib.sha256(b"bpforward vector " + label.encode()).digest()


class FixedTrust:
    """A hub whose answers are decided beforehand."""

    hub_name = "desk"

    def __init__(
        self,
        key: KeyPair,
        *,
        secret: bytes | RefusalCode = RefusalCode.WRONG_CODE,
        name: str | None = None,
        refused: HandshakeRefused | None = None,
    ) -> None:
        self.key = key
        self._secret, self._name, self._refused = secret, name, refused

    def offer(self, code_id: bytes, now: float) -> bytes | RefusalCode:
        return self._secret

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        if self._refused is not None:
            raise self._refused
        return name

    def known(self, relay_key: bytes) -> str | None:
        return self._name


def converse(relay: RelayHandshake, hub: HubHandshake) -> tuple[list[Frame], str, bytes | None]:
    """Run both ends to the end; return the frames, the outcome, and the handshake hash."""
    frames: list[Frame] = []
    at_relay: FinishedHandshake | None = None
    at_hub: FinishedHandshake | None = None
    refused: HandshakeRefused | None = None
    frame: bytes | None = relay.start()
    sender: Role = "relay"
    while frame is not None and refused is None:
        frames.append(Frame(sender, frame.hex()))
        if sender == "relay":
            step, sender = hub.receive(frame, 0.0), "hub"
            at_hub = step.opened or at_hub
        else:
            step, sender = relay.receive(frame), "relay"
            at_relay = step.opened or at_relay
            refused = step.refused
        frame = step.frame
    if refused is not None:
        outcome = "revoked" if refused.refusal is None else f"0x{refused.refusal:02x}"
        return frames, outcome, None
    assert at_relay is not None
    assert at_hub is not None
    assert at_relay.session == at_hub.session
    frames += _talk(at_relay.transport, at_hub.transport)
    return frames, "open", at_relay.session


def _talk(relay: Transport, hub: Transport) -> list[Frame]:
    frames: list[Frame] = []
    said: list[tuple[Role, FromRelay | FromHub]] = [
        ("relay", Hello(VERSION, "attic", "example 1.0", capabilities=("scan",))),
        ("hub", Welcome(VERSION, "desk")),
        ("hub", Beat(1, 1_000_000, {3: 900})),
        ("relay", Echo(1, 1_000_000, 5_000_000)),
    ]
    for sender, message in said:
        plaintext = encode(message)
        sealer, opener = (relay, hub) if sender == "relay" else (hub, relay)
        frame = sealer.seal(plaintext)
        assert opener.open(frame) == plaintext
        frames.append(Frame(sender, frame.hex(), plaintext.hex()))
    return frames


def sessions() -> list[Session]:
    spent = HandshakeRefused(RefusalCode.CODE_SPENT)
    hub = KeyPair(seed("hub static"))
    secret = seed("pairing secret")
    return [
        _session("pairing", HandshakeMode.PAIR, FixedTrust(hub, secret=secret)),
        _session(
            "pairing, finished after the code was used", HandshakeMode.PAIR,
            FixedTrust(hub, secret=secret, refused=spent),
        ),
        _session(
            "pairing with a code that has expired", HandshakeMode.PAIR,
            FixedTrust(hub, secret=RefusalCode.CODE_SPENT),
        ),
        _session("pairing with an unknown code", HandshakeMode.PAIR, FixedTrust(hub)),
        _session(
            "pairing with another secret",
            HandshakeMode.PAIR,
            FixedTrust(hub, secret=seed("other secret")),
        ),
        _session("known relay", HandshakeMode.KNOWN, FixedTrust(hub, name="attic")),
        _session("revoked relay", HandshakeMode.KNOWN, FixedTrust(hub)),
        _session(
            "known relay at another hub", HandshakeMode.KNOWN,
            FixedTrust(KeyPair(seed("other hub static")), name="attic"),
        ),
    ]  # fmt: skip


def _session(name: str, mode: HandshakeMode, trust: FixedTrust) -> Session:
    pairing = mode is HandshakeMode.PAIR
    known = None if pairing else KeyPair(seed("hub static")).public
    secret = seed("pairing secret") if pairing else None
    relay = RelayHandshake(
        KeyPair(seed("relay static")),
        hub_key=known,
        secret=secret,
        name="attic",
        ephemeral=KeyPair(seed(f"relay ephemeral, {name}")),
    )
    hub = HubHandshake(trust, ephemeral=KeyPair(seed(f"hub ephemeral, {name}")))
    frames, outcome, session = converse(relay, hub)
    head = bytes([1, mode]) + (b"" if secret is None else code_id(secret))
    return Session(
        name=name,
        mode=mode.name.lower(),
        relay_static=seed("relay static").hex(),
        relay_ephemeral=seed(f"relay ephemeral, {name}").hex(),
        hub_static=trust.key.private_bytes().hex(),
        hub_ephemeral=seed(f"hub ephemeral, {name}").hex(),
        hub_name=trust.hub_name,
        prologue=(LABEL + head).hex(),
        frames=tuple(frames),
        outcome=outcome,
        relay_name="attic" if pairing else None,
        secret=None if secret is None else secret.hex(),
        relay_knows=None if known is None else known.hex(),
        handshake_hash=None if session is None else session.hex(),
    )


class Compared(msgspec.Struct, frozen=True):
    """A whole conversation in which both screens come to show `code`."""

    name: str
    relay_static: str
    relay_ephemeral: str
    relay_name: str
    hub_static: str
    hub_ephemeral: str
    hub_name: str
    frames: tuple[str, ...]
    handshake_hash: str
    code: str


def comparisons() -> list[Compared]:
    return [_compared("comparing", "attic", "desk"), _compared("without names", "", "")]


def _compared(name: str, relay_name: str, hub_name: str) -> Compared:
    static = {who: KeyPair(seed(f"{who} static")) for who in ("relay", "hub")}
    fresh = {who: KeyPair(seed(f"{who} ephemeral, {name}")) for who in ("relay", "hub")}
    relay = RelayComparison(static["relay"], relay_name, ephemeral=fresh["relay"])
    hub = HubComparison(static["hub"], hub_name, ephemeral=fresh["hub"])
    frames, ended = [relay.start()], None
    while ended is None:
        step = hub.receive(frames[-1]) if len(frames) % 2 else relay.receive(frames[-1])
        if step.frame is not None:
            frames.append(step.frame)
        ended = step.opened if len(frames) == 5 and step.frame is None else None
    return Compared(
        name,
        static["relay"].private_bytes().hex(),
        fresh["relay"].private_bytes().hex(),
        relay_name,
        static["hub"].private_bytes().hex(),
        fresh["hub"].private_bytes().hex(),
        hub_name,
        tuple(frame.hex() for frame in frames),
        ended.session.hex(),
        ended.code,
    )


def transport() -> TransportVector:
    key = seed("transport key")
    wanted = {0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073}
    sealer = Transport(CipherState(key), CipherState(key))
    records = []
    for n in range(max(wanted) + 1):
        plaintext = f"message {n}".encode()
        frame = sealer.seal(plaintext)
        if n in wanted:
            records.append(Record(n, plaintext.hex(), frame.hex()))
    return TransportVector(key.hex(), 65_536, tuple(records))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, content in (
        ("sessions", sessions()), ("compare", comparisons()), ("transport", transport()),
    ):  # fmt: skip
        text = msgspec.json.format(msgspec.json.encode(content), indent=1)
        (FOLDER / f"{name}.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
