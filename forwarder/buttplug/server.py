"""ServerSession: what a Buttplug server says to one client, in the client's version; no I/O.

Rules: a message that can be read gets exactly one reply with its Id. A stop is carried out even
if it cannot be read, and then answered with what is wrong with it. Nothing is sent of its own
accord before the handshake. What is wrong with one message of a frame does not touch the others.
A version is taken on only with a handshake that is right as a whole. Only a missed ping, a
version that is too new and the client's own Disconnect end a session from here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import msgspec
from msgspec import UNSET

from forwarder.buttplug.codec import Envelope, Unreadable, encode, one_line, open_frame, salvage_id
from forwarder.buttplug.dialect import ClientRequest as ClientRequest  # part of the contract here
from forwarder.buttplug.dialect import DeviceInfos, Dialect
from forwarder.buttplug.legacy.dialects import dialect
from forwarder.buttplug.legacy.handshake import UnreadableHandshake, UnservedVersion, read_handshake
from forwarder.buttplug.messages import (
    DeviceListText,
    Disconnect,
    Error,
    InputType,
    Ok,
    Ping,
    RequestDeviceList,
    ScanningFinished,
    ServerMessage,
    StopCmd,
)
from forwarder.buttplug.shown_devices import snapshot_of
from forwarder.buttplug.stops import read_stop, within
from forwarder.errors import Code, ForwarderError, HandshakeError, PingTimeout
from relay.link.close_codes import NORMAL_CLOSURE, POLICY_VIOLATION, PROTOCOL_ERROR


class ServerState(Enum):
    AWAITING_HANDSHAKE = auto()
    READY = auto()
    CLOSED = auto()


class ServerEvent(Enum):
    """What happens to a session; a message of the client, but for the last."""

    HANDSHAKE = auto()
    TOO_NEW = auto()
    REQUEST = auto()
    DISCONNECT = auto()
    PING_MISSED = auto()


# What is absent is refused with a HandshakeError and changes nothing.
TRANSITIONS: Final = {
    (ServerState.AWAITING_HANDSHAKE, ServerEvent.HANDSHAKE): ServerState.READY,
    (ServerState.AWAITING_HANDSHAKE, ServerEvent.TOO_NEW): ServerState.CLOSED,
    (ServerState.READY, ServerEvent.REQUEST): ServerState.READY,
    (ServerState.READY, ServerEvent.DISCONNECT): ServerState.CLOSED,
    (ServerState.READY, ServerEvent.PING_MISSED): ServerState.CLOSED,
}


class Closing(msgspec.Struct, frozen=True):
    """Close the channel, after what precedes; and after the reply to `request`, if there is one."""

    code: int
    reason: str
    request: ClientRequest | None = None


ServerAction = str | ClientRequest | Closing


def _short(devices: int, size: int) -> None:
    """Every list can be read."""


class ServerSession:
    """One client. Times are seconds of one monotonic clock, given by the caller.

    The driver sends each `str` as a frame, in order, and stops this client's devices on any end.
    """

    def __init__(
        self,
        server_name: str,
        *,
        max_ping_ms: int = 0,
        devices: Callable[[], DeviceInfos],
        too_long: Callable[[int, int], ForwarderError | None] = _short,
    ) -> None:
        """`max_ping_ms`: longest time between two Pings, 0 for no limit; `devices`: those there
        are at the moment of the call, by index, as v4 shows them; `too_long`: what the client is
        told instead of a list of so many devices and bytes, if it cannot read that."""
        self.state = ServerState.AWAITING_HANDSHAKE
        self.client_name = ""
        self.deadline: float | None = None
        self._server_name = server_name
        self._max_ping_ms = max_ping_ms
        self._devices = devices
        self._too_long = too_long
        # Of the longest list that was sent.
        self.listed_bytes = 0
        self._dialect: Dialect | None = None
        self._closing: Closing | None = None
        self._end: ForwarderError | None = None

    @property
    def version(self) -> int | None:
        """The client's spec version, once it has told."""
        return None if self._dialect is None else self._dialect.version

    def __repr__(self) -> str:
        return f"<ServerSession {self.state.name} {self.client_name!r} v{self.version}>"

    def over(self) -> None:
        """Nobody is served any more, and who listed the devices is forgotten."""
        self._devices, self._too_long = dict, _short

    # --- from the client -------------------------------------------------------------------------

    def receive(self, frame: str | bytes, now: float) -> list[ServerAction]:
        """Take one frame; returns what to send and do, in the client's order. Never raises."""
        actions = [] if self.deadline is None else self._lapse(now)
        for item in open_frame(frame):
            actions.append(self._receive(item, now))
        return actions if self._closing is None else self._ended(actions)

    def take(self, item: Envelope | Unreadable, now: float) -> list[ServerAction]:
        """Take one object of a frame that `open_frame` has opened, for whoever cannot take a long
        one at once. `end_of_frame` follows the last."""
        return [*self._lapse(now), self._receive(item, now)]

    def end_of_frame(self) -> list[ServerAction]:
        return self._ended([])

    def stop_in(self, item: Envelope | Unreadable) -> StopCmd | None:
        """The stop that `item` will be when it is taken; None if it is none."""
        stop = None if isinstance(item, Unreadable) else read_stop(item)
        return None if stop is None else within(stop, self._devices).command

    def tick(self, now: float) -> list[str | Closing]:
        """Call when `deadline` has come; returns the end of the session if no Ping has."""
        actions: list[str | Closing] = []
        for action in self._ended(self._lapse(now)):
            assert not isinstance(action, ClientRequest)  # no client message, no request
            actions.append(action)
        return actions

    def _receive(self, item: Envelope | Unreadable, now: float) -> ServerAction:
        if isinstance(item, Unreadable):
            return _error(item.id, item.code, item.text)
        if item.name == "RequestServerInfo":
            return self._handshake(item, now)
        if self._dialect is None or self.state is not ServerState.READY:
            return self._refusal(salvage_id(item.body))
        # Of the messages of a version none is a stop, in whatever spelling.
        if item.name not in self._dialect.vocabulary.readers:
            stop = read_stop(item)
            if stop is not None:
                if stop.command.feature_index is not UNSET:
                    stop = within(stop, self._devices)
                return ClientRequest(stop.command.id, (stop.command,), complaint=stop.complaint)
        message = self._dialect.vocabulary.read(item)
        if isinstance(message, Unreadable):
            return _error(message.id, message.code, message.text)
        return self._request(message, self._dialect, now)

    def _handshake(self, item: Envelope, now: float) -> str:
        if (self.state, ServerEvent.HANDSHAKE) not in TRANSITIONS:
            return self._refusal(salvage_id(item.body))
        try:
            hello = read_handshake(item)
        except UnreadableHandshake as error:
            return _failure(error.id, error)
        except UnservedVersion as error:
            self._finish(ServerEvent.TOO_NEW, Closing(PROTOCOL_ERROR, str(error)), error)
            return _failure(error.id, error)
        self._step(ServerEvent.HANDSHAKE)
        self._dialect = dialect(hello.version)
        self.client_name = one_line(hello.client_name)
        self._expect_ping(now)
        return encode(self._dialect.server_info(hello.id, self._server_name, self._max_ping_ms))

    def _request(
        self, message: msgspec.Struct, dialect: Dialect, now: float
    ) -> str | ClientRequest:
        match message:
            case Ping(id=id):
                self._expect_ping(now)
                return encode(Ok(id=id))
            case RequestDeviceList(id=id):
                return self._listed(id, dialect.device_list(id, self._devices()))
        try:
            understood = dialect.understand(message, self._devices)
        except ForwarderError as error:
            return _failure(getattr(message, "id", 0), error)
        if not isinstance(understood, ClientRequest):
            return encode(understood)
        if isinstance(message, Disconnect):
            farewell = Closing(NORMAL_CLOSURE, "The client disconnects.", understood)
            self._finish(
                ServerEvent.DISCONNECT, farewell, HandshakeError("This client disconnected.")
            )
        return understood

    def _refusal(self, id: int) -> str:
        """Why a message is out of place in this state."""
        if self.state is ServerState.AWAITING_HANDSHAKE:
            return _failure(id, HandshakeError("RequestServerInfo must be the first message."))
        if self._end is not None:
            return _failure(id, self._end)
        text = "The handshake was already done; a session keeps its version and name."
        return _failure(id, HandshakeError(text))

    # --- time and end ----------------------------------------------------------------------------

    def _expect_ping(self, now: float) -> None:
        if self._max_ping_ms:
            self.deadline = now + self._max_ping_ms / 1000

    def _lapse(self, now: float) -> list[ServerAction]:
        if self.deadline is None or now < self.deadline:
            return []
        error = PingTimeout(f"No Ping within {self._max_ping_ms} ms; all is stopped.")
        self._finish(ServerEvent.PING_MISSED, Closing(POLICY_VIOLATION, str(error)), error)
        return [_failure(0, error)]

    def _step(self, event: ServerEvent) -> None:
        self.state = TRANSITIONS[self.state, event]

    def _finish(self, event: ServerEvent, closing: Closing, why: ForwarderError) -> None:
        self._step(event)
        self.deadline = None
        self._closing, self._end = closing, why

    def _ended(self, actions: list[ServerAction]) -> list[ServerAction]:
        """Closing comes once, and after everything that this frame still gets."""
        if self._closing is not None:
            actions.append(self._closing)
            self._closing = None
        return actions

    # --- from the hub ----------------------------------------------------------------------------

    def reply(self, request: ClientRequest, outcome: ServerMessage | None) -> str:
        """The frame that answers `request`: its complaint, else `outcome`, or Ok for None."""
        assert self._dialect is not None  # no request without a handshake
        answer = self._dialect.reply(request, outcome)
        if request.complaint is not None:
            return _failure(request.id, request.complaint)
        return encode(answer)

    def fail(self, request: ClientRequest, error: ForwarderError) -> str:
        """The frame that answers `request` with what went wrong."""
        return _failure(request.id, error)

    def device_list(self) -> list[str]:
        """Frames that tell how the devices differ from what this client knows; often none."""
        ready = self._ready
        if ready is None:
            return []
        devices = self._devices()
        return [self._listed(0, each, devices) for each in ready.changes(devices)]

    def _listed(self, id: int, message: msgspec.Struct, devices: DeviceInfos | None = None) -> str:
        """A list, or what is said instead; another event about devices as it is. `devices`: those
        of a list that all clients get alike."""
        if devices is not None and isinstance(message, DeviceListText):
            text: str = snapshot_of(devices).made("news", lambda _: encode(message))
        else:
            text = encode(message)
        if len(text) > self.listed_bytes:
            size = len(text) if text.isascii() else len(text.encode())
            error = self._too_long(len(snapshot_of(self._devices())), size)
            if error is not None:
                return _failure(id, error)
            self.listed_bytes = len(text)
        return text

    def scanning_finished(self) -> list[str]:
        return [] if self._ready is None else [encode(ScanningFinished())]

    def reading(
        self, device_index: int, feature_index: int, kind: InputType, value: int
    ) -> list[str]:
        """Frames for one value of a subscribed input; none for versions without such events."""
        ready = self._ready
        if ready is None:
            return []
        message = ready.reading(device_index, feature_index, kind, value)
        return [] if message is None else [encode(message)]

    def error(self, error: ForwarderError) -> list[str]:
        """What went wrong without being the answer to anything."""
        return [] if self._ready is None else [_failure(0, error)]

    @property
    def _ready(self) -> Dialect | None:
        """Events go to nobody before the handshake or after the end."""
        return self._dialect if self.state is ServerState.READY else None


def _failure(id: int, error: ForwarderError) -> str:
    return _error(id, error.code, str(error))


def _error(id: int, code: Code, text: str) -> str:
    return encode(Error(id=id, error_code=int(code), error_message=one_line(text)))
