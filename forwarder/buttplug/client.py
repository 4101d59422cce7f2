"""ClientSession: what a client of another Buttplug server says and hears, in v4 words; no I/O.

It asks for the devices by itself, pings when the server wants that, and gives up on a request that
stays without an answer: many servers say nothing at all to what they cannot read. A server that
speaks only v3 is reached by dialing again with `version=3`; nothing else changes for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Final

import msgspec

from forwarder.buttplug.codec import Envelope, Unreadable, encode, one_line, open_frame
from forwarder.buttplug.legacy.upstream import V3Translator
from forwarder.buttplug.messages import (
    MAX_U32,
    ClientMessage,
    DeviceInfo,
    DeviceList,
    Error,
    InputReading,
    InputType,
    Ping,
    RequestDeviceList,
    ServerInfo,
    ServerMessage,
    StopCmd,
)
from forwarder.buttplug.messages import ScanningFinished as ScanningFinishedMessage
from forwarder.buttplug.translator import Translator, V4Translator
from forwarder.errors import Code, ForwarderError, HandshakeError

# The reference server answers a handshake at once or, if it cannot read it, never.
HANDSHAKE_TIMEOUT: Final = 5.0
# Reads may go over a slow radio; the official Python client waits 30 s, and we must be done before.
REPLY_TIMEOUT: Final = 10.0
# Twice per MaxPingTime: one Ping may be late by half without harm.
PINGS_PER_LIMIT: Final = 2
MAX_PENDING: Final = 1024  # requests without an answer; a server that far behind is not served on


class ClientState(Enum):
    NEW = auto()
    GREETING = auto()
    READY = auto()
    CLOSED = auto()


class ClientStep(Enum):
    HELLO = auto()
    WELCOME = auto()
    REFUSED = auto()
    REQUEST = auto()
    NEWS = auto()
    END = auto()


# What is absent is out of place: raised if we did it, Ignored if the server did.
TRANSITIONS: Final = {
    (ClientState.NEW, ClientStep.HELLO): ClientState.GREETING,
    (ClientState.GREETING, ClientStep.WELCOME): ClientState.READY,
    (ClientState.GREETING, ClientStep.REFUSED): ClientState.CLOSED,
    (ClientState.READY, ClientStep.REQUEST): ClientState.READY,
    (ClientState.READY, ClientStep.NEWS): ClientState.READY,
    **{(state, ClientStep.END): ClientState.CLOSED for state in ClientState},
}


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is done. `version`: of the spec spoken now; `max_ping_ms`: 0 for no pings."""

    server_name: str
    version: int
    max_ping_ms: int


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """The handshake failed, by an Error or by silence. Dial again, with version 3 if this was 4."""

    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class DevicesListed:
    """All devices that the server has now, by index, as v4 describes them."""

    devices: Mapping[int, DeviceInfo]


@dataclass(frozen=True, slots=True)
class RequestReply:
    """The one answer to a request; an Error of our own (code 0) if none came in time."""

    request_id: int
    message: ServerMessage


@dataclass(frozen=True, slots=True)
class InputValue:
    """One value of an input that was subscribed to."""

    device_index: int
    feature_index: int
    kind: InputType
    value: int


@dataclass(frozen=True, slots=True)
class ScanEnded:
    pass


@dataclass(frozen=True, slots=True)
class ServerError:
    """What went wrong at the server without being an answer to us."""

    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that could not be used, for the log."""

    text: str


ClientEvent = (
    Ready
    | HandshakeFailed
    | DevicesListed
    | RequestReply
    | InputValue
    | ScanEnded
    | ServerError
    | Ignored
)
ClientAction = str | ClientEvent


@dataclass(slots=True)
class _Pending:
    deadline: float
    ours: bool
    """Asked by the session itself: no Reply for the caller."""


class ClientSession:
    """One connection to a server. Times are seconds of one monotonic clock, given by the caller.

    The driver sends the frame of `hello`, then each `str` that `receive` and `tick` return, and
    calls `tick` when `deadline` has come.
    """

    def __init__(
        self, client_name: str, *, version: int = 4, reply_timeout: float = REPLY_TIMEOUT
    ) -> None:
        """`version` is 4 or 3; `reply_timeout` in seconds."""
        self.state = ClientState.NEW
        self.version = version
        self.server_name = ""
        self.devices: Mapping[int, DeviceInfo] = {}
        self._client_name = client_name
        self._reply_timeout = reply_timeout
        self._translator: Translator = V4Translator() if version == 4 else V3Translator()
        self._last_id = 0
        self._pending: dict[int, _Pending] = {}  # in order of asking, hence of deadline
        self._greeting_deadline: float | None = None
        self._ping_every: float | None = None
        self._ping_due: float | None = None

    def __repr__(self) -> str:
        return f"<ClientSession {self.state.name} {self.server_name!r} v{self.version}>"

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called next; None if there is nothing to wait for."""
        times = [self._greeting_deadline, self._ping_due]
        times.extend(pending.deadline for pending in islice(self._pending.values(), 1))
        return min((time for time in times if time is not None), default=None)

    # --- to the server ---------------------------------------------------------------------------

    def hello(self, now: float) -> str:
        """The first frame. Raises HandshakeError when called twice."""
        self._step(ClientStep.HELLO)
        self._greeting_deadline = now + HANDSHAKE_TIMEOUT
        id = self._next_id()
        return encode(self._translator.hello(id, self._client_name))

    def request(
        self, message: ClientMessage, now: float, *, urgent: bool = False
    ) -> tuple[int, str]:
        """The frame that asks for `message` (its own Id does not matter), and the Id to wait for.

        Exactly one Reply with that Id will come out of `receive` or `tick`, unless `forget` is
        called. Raises HandshakeError before Ready; Unsupported, OutOfRange or UnknownDevice for
        what cannot be said in the server's version; ForwarderError if too much is unanswered,
        though never for what is urgent: what stops something, whose number is its sender's care.
        """
        self._step(ClientStep.REQUEST)
        return self._ask(message, now, ours=False, urgent=urgent)

    def forget(self, request_id: int) -> None:
        """No longer wait for an answer; one that still comes is Ignored."""
        self._pending.pop(request_id, None)

    def end(self, text: str) -> list[ClientAction]:
        """The channel is gone, says `text`: every open request fails now. May be called again."""
        self._step(ClientStep.END)
        self._greeting_deadline = self._ping_due = None
        open_requests, self._pending = self._pending, {}
        return [
            RequestReply(id, _own_error(id, text))
            for id, pending in open_requests.items()
            if not pending.ours
        ]

    def _ask(
        self, message: ClientMessage, now: float, *, ours: bool, urgent: bool = False
    ) -> tuple[int, str]:
        exempt = urgent or isinstance(message, StopCmd)
        if len(self._pending) >= MAX_PENDING and not exempt:
            raise ForwarderError(f"{self.server_name} leaves {MAX_PENDING} requests unanswered.")
        id = self._next_id()
        asked = self._translator.ask(msgspec.structs.replace(message, id=id))
        self._pending[id] = _Pending(now + self._reply_timeout, ours)
        return id, encode(asked)

    def _next_id(self) -> int:
        self._last_id = self._last_id % MAX_U32 + 1
        return self._last_id

    # --- from the server -------------------------------------------------------------------------

    def receive(self, frame: str | bytes, now: float) -> list[ClientAction]:
        """Take one frame; returns frames to send and what happened, in order. Never raises."""
        actions: list[ClientAction] = []
        for item in open_frame(frame):
            actions.extend(self.take(item, now))
        return actions

    def take(self, item: Envelope | Unreadable, now: float) -> list[ClientAction]:
        """Take one object of a frame that `open_frame` has opened, for whoever cannot take a long
        one at once."""
        message = item if isinstance(item, Unreadable) else self._translator.read(item)
        if isinstance(message, Unreadable):
            return self._unreadable(message)
        return self._heard(message, now)

    def _heard(self, message: ServerMessage, now: float) -> list[ClientAction]:
        if self.state is ClientState.GREETING:
            return self._greeted(message, now)
        if (self.state, ClientStep.NEWS) not in TRANSITIONS:
            return [Ignored(f"{type(message).__name__} out of place in {self.state.name}.")]
        actions = self._event(message)
        if message.id == 0:
            return actions
        pending = self._pending.pop(message.id, None)
        if pending is None:
            return [*actions, Ignored(f"{type(message).__name__} answers nothing that is open.")]
        if not pending.ours:
            actions.append(RequestReply(message.id, message))
        elif isinstance(message, Error):
            actions.append(_server_error(message))
        return actions

    def _greeted(self, message: ServerMessage, now: float) -> list[ClientAction]:
        match message:
            case ServerInfo(protocol_version_major=version) if version != self.version:
                text = f"{message.server_name} speaks spec v{version}, not v{self.version}."
                return self._refused(Code.INIT, text)
            case ServerInfo():
                self._step(ClientStep.WELCOME)
                self._greeting_deadline = None
                self.server_name = one_line(message.server_name)
                if message.max_ping_time:
                    self._ping_every = message.max_ping_time / 1000 / PINGS_PER_LIMIT
                    self._ping_due = now + self._ping_every
                _, frame = self._ask(RequestDeviceList(id=1), now, ours=True)
                return [Ready(self.server_name, self.version, message.max_ping_time), frame]
            case Error():
                error = _server_error(message)
                return self._refused(error.code, error.text)
        return [Ignored(f"{type(message).__name__} before ServerInfo.")]

    def _refused(self, code: Code, text: str) -> list[ClientAction]:
        self._step(ClientStep.REFUSED)
        self._greeting_deadline = None
        return [HandshakeFailed(code, text)]

    def _event(self, message: ServerMessage) -> list[ClientAction]:
        """What a message means apart from being an answer."""
        match message:
            case DeviceList(devices=devices):
                self.devices = devices
                return [DevicesListed(devices)]
            case InputReading(id=0, device_index=device, feature_index=feature, reading=reading):
                return [
                    InputValue(device, feature, kind, value.value)
                    for kind, value in reading.items()
                ]
            case ScanningFinishedMessage():
                return [ScanEnded()]
            case Error(id=0):
                return [_server_error(message)]
        return []

    def _unreadable(self, what: Unreadable) -> list[ClientAction]:
        """An answer that cannot be read is still an answer."""
        pending = self._pending.pop(what.id, None)
        if pending is None or pending.ours:
            return [Ignored(what.text)]
        text = f"The answer of {self.server_name} cannot be read: {what.text}"
        return [RequestReply(what.id, _own_error(what.id, text))]

    # --- time ------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[ClientAction]:
        """Call when `deadline` has come: pings, and gives up on what had no answer."""
        actions: list[ClientAction] = []
        if self._greeting_deadline is not None and now >= self._greeting_deadline:
            text = f"No answer to the handshake within {HANDSHAKE_TIMEOUT:g} s."
            return self._refused(Code.INIT, text)
        while self._pending:
            id, oldest = next(iter(self._pending.items()))
            if now < oldest.deadline:
                break
            del self._pending[id]
            text = f"{self.server_name} gave no answer within {self._reply_timeout:g} s."
            if oldest.ours:
                actions.append(ServerError(Code.UNKNOWN, text))
            else:
                actions.append(RequestReply(id, _own_error(id, text)))
        if self._ping_due is not None and self._ping_every is not None and now >= self._ping_due:
            self._ping_due = now + self._ping_every
            if len(self._pending) < MAX_PENDING:
                actions.append(self._ask(Ping(id=1), now, ours=True)[1])
        return actions

    def _step(self, event: ClientStep) -> None:
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            raise HandshakeError(f"{event.name} is out of place in {self.state.name}.")
        self.state = state


def _server_error(message: Error) -> ServerError:
    known = message.error_code in Code.__members__.values()
    code = Code(message.error_code) if known else Code.UNKNOWN
    return ServerError(code, one_line(message.error_message))


def _own_error(id: int, text: str) -> Error:
    return Error(id=id, error_code=int(Code.UNKNOWN), error_message=one_line(text))
