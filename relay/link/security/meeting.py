"""Meeting points: addresses, the id of a hub, and how a hub proves that an id is its own. Sans-I/O.

A meeting point joins two websockets and sees ciphertext only. What is inside is the handshake of
the link, unchanged.

    hub             FIRST -> AWAIT_ANSWER -> DONE
    meeting point   AWAIT_FIRST -> AWAIT_PROOF -> DONE

The proof is a Noise XN handshake with the meeting point's address in the prologue: only who holds
the private key can finish it, it is good for this connection alone (both ends' ephemeral keys are
in it), and at another address than the one that the hub dialed it does not decrypt.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from relay.link.bounds import REGISTRATION_FRAME_BYTES
from relay.link.errors import LinkError, LinkViolation
from relay.link.security.noise import HandshakeState, KeyPair, NoiseError
from relay.link.security.transport import Transport

LABEL: Final = b"bpforward meeting 1"
PATTERN: Final = "XN"
# 128 bits: nobody finds a second key with the same id, and nobody guesses one.
_ID_BYTES: Final = 16
# As many: nobody who has an id finds the key's other ones.
SEED_BYTES: Final = 16
_ID: Final = re.compile(r"[a-z2-7]{26}")
VISIT_PATH: Final = "/at/"
HUB_PATH: Final = "/hub"
JOIN_PATH: Final = "/join/"
_PORTS: Final = {"http": 80, "https": 443}
_SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")


class MeetingAddressError(LinkError):
    """The text is no address of a meeting point; says what is wrong with it."""


MeetingId = Annotated[str, msgspec.Meta(pattern=r"^[a-z2-7]{26}$")]
Seed = Annotated[bytes, msgspec.Meta(min_length=SEED_BYTES, max_length=SEED_BYTES)]


class Visitor(msgspec.Struct, frozen=True, tag=True):
    """Somebody asks for `id`. `ticket`: where to join them. `address`: where the meeting point
    says that they come from."""

    ticket: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    address: Annotated[str, msgspec.Meta(max_length=64)]
    id: MeetingId


class Registered(msgspec.Struct, frozen=True, tag=True):
    """The proof was good: visitors of `id` will be told."""

    id: MeetingId


class Unanswered(msgspec.Struct, frozen=True, tag=True):
    """Nobody will be told of the visitors of `id`, which the hub asked for; why, for people."""

    id: MeetingId
    text: Annotated[str, msgspec.Meta(max_length=128)]


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The hub answers to the id of its key and `seed` too, from now on."""

    seed: Seed


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The hub does not answer to that id any more."""

    seed: Seed


News = Registered | Visitor | Unanswered
HubWish = Answer | Ended
_NEWS: Final = msgspec.msgpack.Decoder(News)
_WISHES: Final = msgspec.msgpack.Decoder(HubWish)


def hub_id(key: bytes) -> str:
    """What a hub is called at a meeting point: 26 characters, from its public key."""
    return _id(b"bpforward meeting id" + key)


def derived_id(key: bytes, seed: bytes) -> str:
    """Another id of the hub with the public key `key`, which leads to no other of its ids. `seed`:
    SEED_BYTES random bytes. Only who proves the key can answer to it."""
    assert len(seed) == SEED_BYTES
    return _id(b"bpforward meeting derived id" + key + seed)


def _id(text: bytes) -> str:
    digest = hashlib.sha256(text).digest()[:_ID_BYTES]
    return base64.b32encode(digest).rstrip(b"=").decode().lower()


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def meeting_origin(text: str) -> str:
    """The one way to write an address of a meeting point: https://HOST[:PORT], or http:// on this
    machine. ws and wss mean the same; every loopback name is localhost.

    Raises MeetingAddressError.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise _no_address(text) from None
    scheme = _SCHEMES.get(parts.scheme)
    host = (parts.hostname or "").rstrip(".")
    if scheme is None or not host or "@" in parts.netloc or port == 0:
        raise _no_address(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise MeetingAddressError(f"{_cut(text)}: nothing may follow host and port")
    host = _host(host, text)
    if scheme == "http" and host != "localhost":
        raise MeetingAddressError(
            f"{_cut(text)} is not on this machine: write it with https:// or wss://"
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port in (None, _PORTS[scheme]) else f":{port}")


def _host(host: str, text: str) -> str:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        if _HOST.fullmatch(host) is None:
            raise _no_address(text) from None
        return "localhost" if host.endswith(".localhost") else host
    return "localhost" if ip.is_loopback else ip.compressed


def _no_address(text: str) -> MeetingAddressError:
    return MeetingAddressError(
        f"{_cut(text)} is no address of a meeting point, like wss://meet.example.org"
    )


def _cut(text: str) -> str:
    return ascii(text[:80])


def websocket_of(origin: str) -> str:
    """ws://… or wss://… of what `meeting_origin` returned."""
    return "ws" + origin.removeprefix("http")


def visit_url(origin: str, id: str) -> str:
    """Where to dial for the hub `id`: a place like any other in a pairing link."""
    return f"{websocket_of(origin)}{VISIT_PATH}{id}"


def normal_visit_url(text: str) -> str:
    """`text` as `visit_url` writes it. Raises MeetingAddressError."""
    base, found, id = text.rpartition(VISIT_PATH)
    if not found or not is_id(id):
        raise MeetingAddressError(f"{_cut(text)} names no hub at a meeting point")
    return visit_url(meeting_origin(base), id)


def is_visit_url(url: str) -> bool:
    """Whether a place of a hub is at a meeting point."""
    try:
        return normal_visit_url(url) == url
    except MeetingAddressError:
        return False


def hub_url(origin: str) -> str:
    """Where a hub registers."""
    return f"{websocket_of(origin)}{HUB_PATH}"


def join_url(origin: str, ticket: str) -> str:
    """Where a hub joins a visitor."""
    return f"{websocket_of(origin)}{JOIN_PATH}{ticket}"


class Registering:
    """The hub's end of the proof, for one connection to the meeting point at `origin`."""

    def __init__(self, key: KeyPair, origin: str) -> None:
        self._noise = HandshakeState(
            PATTERN, initiator=True, prologue=LABEL + origin.encode(), s=key
        )
        self._transport: Transport | None = None

    def start(self) -> bytes:
        """The first frame."""
        return self._noise.write_message()

    def receive(self, frame: str | bytes) -> bytes:
        """Take the answer and return the proof. Raises LinkViolation: the meeting point has another
        address than the one that was dialed, or is none."""
        try:
            self._noise.read_message(_bounded(frame))
        except NoiseError as error:
            raise LinkViolation(
                "the meeting point goes by another address than this one (its --public-url), or"
                " something stands between"
            ) from error
        proof = self._noise.write_message()
        self._transport = Transport(*self._noise.split())
        return proof

    def news(self, frame: str | bytes) -> News:
        """What the meeting point says after the proof. Raises LinkViolation."""
        assert self._transport is not None
        data = self._transport.open(_bounded(frame))
        try:
            news: News = _NEWS.decode(data)
        except msgspec.MsgspecError as error:
            raise LinkViolation("the meeting point said what none says") from error
        return news

    def say(self, wish: HubWish) -> bytes:
        """The next frame for the meeting point, after the proof."""
        assert self._transport is not None
        return self._transport.seal(msgspec.msgpack.encode(wish))


class Proving:
    """The meeting point's end, for one hub that nobody knows yet."""

    def __init__(self, origin: str) -> None:
        self._noise: HandshakeState | None = HandshakeState(
            PATTERN, initiator=False, prologue=LABEL + origin.encode()
        )
        self._transport: Transport | None = None

    def first(self, frame: str | bytes) -> bytes:
        """Take the first frame and return the answer. Raises LinkViolation."""
        assert self._noise is not None
        self._noise.read_message(_bounded(frame))
        return self._noise.write_message()

    def proof(self, frame: str | bytes) -> bytes:
        """Take the proof and return the hub's public key. Raises LinkViolation."""
        assert self._noise is not None
        self._noise.read_message(_bounded(frame))
        key = self._noise.remote_static
        assert key is not None
        self._transport = Transport(*self._noise.split())
        self._noise = None  # ten thousand hubs keep none of it
        return key

    def say(self, news: News) -> bytes:
        """The next frame for the hub."""
        assert self._transport is not None
        sealed = self._transport.seal(msgspec.msgpack.encode(news))
        self._transport.rest()
        return sealed

    def wish(self, frame: str | bytes) -> HubWish:
        """What a hub says after its proof. Raises LinkViolation."""
        assert self._transport is not None
        data = self._transport.open(_bounded(frame))
        self._transport.rest()
        try:
            wish: HubWish = _WISHES.decode(data)
        except msgspec.MsgspecError as error:
            raise LinkViolation("the hub said what none says") from error
        return wish


def _bounded(frame: str | bytes) -> bytes:
    if isinstance(frame, str):
        raise LinkViolation("a text frame came where only binary ones do")
    if len(frame) > REGISTRATION_FRAME_BYTES:
        raise LinkViolation(f"a frame of {len(frame)} bytes came while a hub registered")
    return frame
