"""How a relay and a hub come to trust a channel: both ends, sans-I/O. README.md is normative.

Rules of this file: time is an argument; a frame goes in, at most one frame comes out; whatever a
peer sends ends in the next state of the table below, in Refused, or in LinkViolation, and after
the latter two the object is done. Nothing is kept of a peer but one Noise state and a code id.

    relay   PAIR    AWAIT_HUB -> AWAIT_FILED -> OPEN       KNOWN   AWAIT_HUB -> OPEN
    hub             AWAIT_FIRST -> AWAIT_KEY (PAIR) | AWAIT_PROOF (KNOWN) -> OPEN
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Final, Protocol

from relay.link.errors import LinkRefused, LinkViolation
from relay.link.messages import Bye
from relay.link.names import neutralise
from relay.link.security.noise import HandshakeState, KeyPair, NoiseError
from relay.link.security.payloads import Greeting, bounded, bye_text, greeting, packed
from relay.link.security.transport import Transport

SUITE: Final = 0x01  # version 1: Noise 25519 AESGCM SHA256
LABEL: Final = b"bpforward link 1"
ANSWER: Final = 0x00  # the hub's first byte before a Noise message; anything else is a Refusal
CODE_ID_BYTES: Final = 8
SECRET_BYTES: Final = 32


PAIR_PATTERN: Final = "XXpsk0"
KNOWN_PATTERN: Final = "IK"


class HandshakeMode(IntEnum):
    """Second byte of the first frame."""

    PAIR = 0x01
    KNOWN = 0x02
    COMPARE = 0x03  # compare.py


class RefusalCode(IntEnum):
    """What a hub answers in place of a Noise message: one byte, not authenticated."""

    CODE_SPENT = 0x10
    WRONG_CODE = 0x11
    WRONG_HUB = 0x12
    BUSY = 0x13
    VERSION = 0x14
    NOT_COMPARING = 0x15


REVOKED: Final = "revoked by the hub"
_TEXTS: Final = {
    RefusalCode.CODE_SPENT: "code expired or already used; ask the hub for a new one",
    RefusalCode.WRONG_CODE: "wrong pairing code; copy the whole link that the hub shows now",
    RefusalCode.WRONG_HUB: "this hub is not the one you paired with; pair again if you replaced it",
    RefusalCode.BUSY: "the hub has too many connections to greet just now; try again in a minute",
    RefusalCode.VERSION: "hub and relay speak different versions of the link; update the older one",
    RefusalCode.NOT_COMPARING: "nobody at the hub waits for a code to compare: choose Pair, Another"
    " computer on its dashboard, or run `forwarder pair --code`; a hub takes one try a minute",
}


class HandshakeRefused(LinkRefused):
    """The handshake ended in a refusal; the text says which and what to do.

    `refusal` is None for a revocation. `certain`: the hub proved who it is before it refused, or
    a person waits for the answer. An uncertain refusal may come from anyone on the way, so a
    relay that has paired shows it and keeps trying, slowly.
    """

    def __init__(
        self, refusal: RefusalCode | None, text: str = "", *, certain: bool = False
    ) -> None:
        super().__init__(text or (REVOKED if refusal is None else _TEXTS[refusal]))
        self.refusal = refusal
        self.certain = certain


@dataclass(frozen=True, slots=True)
class FinishedHandshake:
    """A finished handshake. `name`: the other end's, neutralised. `session`: the handshake hash.
    `code`: mode COMPARE only; nothing is trusted before people have compared it."""

    transport: Transport
    remote_key: bytes
    name: str
    mode: HandshakeMode
    session: bytes
    code: str = ""


@dataclass(frozen=True, slots=True)
class HandshakeStep:
    """What to do after a frame: send `frame` if there is one; then, if `refused`, close; if
    `opened`, the channel is open.
    """

    frame: bytes | None = None
    opened: FinishedHandshake | None = None
    refused: HandshakeRefused | None = None


class Trust(Protocol):
    """What a hub knows, as the handshake asks for it. `now`: monotonic seconds."""

    @property
    def key(self) -> KeyPair: ...

    @property
    def hub_name(self) -> str: ...

    def offer(self, code_id: bytes, now: float) -> bytes | RefusalCode:
        """Return the secret of a live pairing code, or why there is none. Counts an attempt."""
        ...

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        """Spend the code and store the relay; return the name it got. Raises Refused."""
        ...

    def known(self, relay_key: bytes) -> str | None:
        """Return the name of a relay that may come in, None for any other."""
        ...


def code_id(secret: bytes) -> bytes:
    """Return what names a pairing code on the wire without giving any of it away."""
    return hashlib.sha256(b"bpforward code id" + secret).digest()[:CODE_ID_BYTES]


class _HandshakeState(Enum):
    AWAIT_HUB = auto()
    AWAIT_FILED = auto()
    AWAIT_FIRST = auto()
    AWAIT_KEY = auto()
    AWAIT_PROOF = auto()
    DONE = auto()


class RelayHandshake:
    """The relay's end. `hub_key` for a hub it has paired with, else `secret` from the link.

    `ephemeral` is for test vectors only.
    """

    def __init__(
        self,
        key: KeyPair,
        *,
        hub_key: bytes | None = None,
        secret: bytes | None = None,
        name: str = "",
        ephemeral: KeyPair | None = None,
    ) -> None:
        if (hub_key is None) == (secret is None):
            raise ValueError("either the hub's key or a pairing secret")
        self._name = neutralise(name)
        self._hub_name = ""
        self._mode = HandshakeMode.KNOWN if secret is None else HandshakeMode.PAIR
        self._head = bytes([SUITE, self._mode]) + (b"" if secret is None else code_id(secret))
        self._noise = HandshakeState(
            KNOWN_PATTERN if secret is None else PAIR_PATTERN,
            initiator=True,
            prologue=LABEL + self._head,
            s=key,
            rs=hub_key,
            e=ephemeral,
            psks=() if secret is None else (secret,),
        )
        self._transport: Transport | None = None
        self._state = _HandshakeState.AWAIT_HUB

    def start(self) -> bytes:
        """Return the first frame."""
        return self._head + self._noise.write_message()

    def receive(self, frame: bytes | str) -> HandshakeStep:
        """Take the hub's next frame. Raises LinkViolation for what no hub sends."""
        state, self._state = self._state, _HandshakeState.DONE
        data = bounded(frame)
        match state:
            case _HandshakeState.AWAIT_HUB:
                return self._answer(data)
            case _HandshakeState.AWAIT_FILED:
                return self._filed(data)
            case _:
                raise LinkViolation("a frame came after the handshake had ended")

    def _answer(self, data: bytes) -> HandshakeStep:
        pairing = self._mode is HandshakeMode.PAIR
        if data[0] != ANSWER:
            return HandshakeStep(refused=refusal(data, certain=pairing))
        try:
            payload = self._noise.read_message(data[1:])
        except NoiseError:
            # Who answers has not got the secret, or not the key, that this relay was given.
            wrong = RefusalCode.WRONG_CODE if pairing else RefusalCode.WRONG_HUB
            return HandshakeStep(refused=HandshakeRefused(wrong, certain=pairing))
        if not pairing:
            self._transport = Transport(*self._noise.split())
            if payload:
                return HandshakeStep(refused=_bye(payload))
            return HandshakeStep(self._transport.seal(b""), self._opened())
        self._hub_name = greeting(payload)
        frame = self._noise.write_message(packed(Greeting(self._name)))
        self._transport = Transport(*self._noise.split())
        self._state = _HandshakeState.AWAIT_FILED
        return HandshakeStep(frame)

    def _filed(self, data: bytes) -> HandshakeStep:
        assert self._transport is not None
        payload = self._transport.open(data)
        if payload:
            return HandshakeStep(refused=_bye(payload))
        return HandshakeStep(opened=self._opened())

    def _opened(self) -> FinishedHandshake:
        assert self._transport is not None
        hub_key = self._noise.remote_static
        assert hub_key is not None
        session = self._noise.handshake_hash
        return FinishedHandshake(self._transport, hub_key, self._hub_name, self._mode, session)


class HubHandshake:
    """The hub's end, for one peer nobody knows yet. `ephemeral` is for test vectors only."""

    def __init__(self, trust: Trust, *, ephemeral: KeyPair | None = None) -> None:
        self._trust = trust
        self._ephemeral = ephemeral
        self._noise: HandshakeState | None = None
        self._code = b""
        self._name = ""
        self._state = _HandshakeState.AWAIT_FIRST

    def receive(self, frame: bytes | str, now: float) -> HandshakeStep:
        """Take the peer's next frame. Raises LinkViolation for what no relay sends."""
        state, self._state = self._state, _HandshakeState.DONE
        data = bounded(frame)
        match state:
            case _HandshakeState.AWAIT_FIRST:
                return self._first(data, now)
            case _HandshakeState.AWAIT_KEY:
                return self._key(data, now)
            case _HandshakeState.AWAIT_PROOF:
                return self._proof(data)
            case _:
                raise LinkViolation("a frame came after the handshake had ended")

    def _first(self, data: bytes, now: float) -> HandshakeStep:
        if data[0] != SUITE:
            return _refuse(RefusalCode.VERSION)
        mode = data[1] if len(data) > 1 else None
        if mode == HandshakeMode.PAIR:
            return self._first_of_pairing(data, now)
        if mode == HandshakeMode.KNOWN:
            return self._first_of_known(data)
        return _refuse(RefusalCode.VERSION)

    def _first_of_pairing(self, data: bytes, now: float) -> HandshakeStep:
        head, message = data[: 2 + CODE_ID_BYTES], data[2 + CODE_ID_BYTES :]
        self._code = head[2:]
        secret = self._trust.offer(self._code, now)
        if isinstance(secret, RefusalCode):
            return _refuse(secret)
        self._noise = noise = HandshakeState(
            PAIR_PATTERN,
            initiator=False,
            prologue=LABEL + head,
            s=self._trust.key,
            e=self._ephemeral,
            psks=(secret,),
        )
        try:
            noise.read_message(message)
        except NoiseError:
            return _refuse(RefusalCode.WRONG_CODE)
        self._state = _HandshakeState.AWAIT_KEY
        own = packed(Greeting(neutralise(self._trust.hub_name)))
        return HandshakeStep(bytes([ANSWER]) + noise.write_message(own))

    def _first_of_known(self, data: bytes) -> HandshakeStep:
        head, message = data[:2], data[2:]
        self._noise = noise = HandshakeState(
            KNOWN_PATTERN,
            initiator=False,
            prologue=LABEL + head,
            s=self._trust.key,
            e=self._ephemeral,
        )
        try:
            noise.read_message(message)
        except NoiseError:
            return _refuse(RefusalCode.WRONG_HUB)
        assert noise.remote_static is not None
        name = self._trust.known(noise.remote_static)
        if name is None:
            # Told inside the handshake, so that nobody but this hub can send a relay away.
            bye = noise.write_message(packed(Bye(REVOKED, retry=False)))
            return HandshakeStep(bytes([ANSWER]) + bye, None, HandshakeRefused(None, certain=True))
        self._name = name
        self._state = _HandshakeState.AWAIT_PROOF
        return HandshakeStep(bytes([ANSWER]) + noise.write_message())

    def _key(self, data: bytes, now: float) -> HandshakeStep:
        noise = self._noise
        assert noise is not None
        name = greeting(noise.read_message(data))
        assert noise.remote_static is not None
        transport = Transport(*noise.split())
        try:
            self._name = self._trust.file(self._code, noise.remote_static, name, now)
        except HandshakeRefused as refused:
            refused.certain = True
            return HandshakeStep(
                transport.seal(packed(Bye(str(refused), retry=False))), None, refused
            )
        return HandshakeStep(transport.seal(b""), self._opened(transport, HandshakeMode.PAIR))

    def _proof(self, data: bytes) -> HandshakeStep:
        # The first message of IK can be a recording. Only this shows that its sender is here now.
        noise = self._noise
        assert noise is not None
        assert noise.remote_static is not None
        transport = Transport(*noise.split())  # not before: ciphers are most of what a peer costs
        if transport.open(data):
            raise LinkViolation("the first frame after the handshake was not empty")
        if self._trust.known(noise.remote_static) is None:  # revoked a moment ago
            bye = transport.seal(packed(Bye(REVOKED, retry=False)))
            return HandshakeStep(bye, None, HandshakeRefused(None, certain=True))
        return HandshakeStep(opened=self._opened(transport, HandshakeMode.KNOWN))

    def _opened(self, transport: Transport, mode: HandshakeMode) -> FinishedHandshake:
        noise = self._noise
        assert noise is not None
        assert noise.remote_static is not None
        return FinishedHandshake(
            transport, noise.remote_static, self._name, mode, noise.handshake_hash
        )


def _refuse(refusal: RefusalCode) -> HandshakeStep:
    return HandshakeStep(bytes([refusal]), refused=HandshakeRefused(refusal))


def refusal(data: bytes, *, certain: bool) -> HandshakeRefused:
    """The hub's refusal in place of a Noise message. Raises LinkViolation if it is none."""
    try:
        code = RefusalCode(data[0])
    except ValueError as error:
        raise LinkViolation(f"the hub refused with an unknown code 0x{data[0]:02x}") from error
    if len(data) != 1:
        raise LinkViolation("the hub's refusal is longer than a refusal")
    return HandshakeRefused(code, certain=certain and code is not RefusalCode.BUSY)


def _bye(payload: bytes) -> HandshakeRefused:
    text = bye_text(payload)
    known = next((r for r in RefusalCode if _TEXTS[r] == text), None)
    return HandshakeRefused(known, text, certain=True)
