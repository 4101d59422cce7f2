"""The values and seams between a device's meaning and its bytes. Sans-I/O.

Handshakes and queries are generators: they yield a `Step`, and are sent what the step brought
(bytes for ReadStep and WaitStep, None for the others). A step that fails is thrown into the
generator as `StepFailed`; a generator that cannot go on raises `ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from forwarder.buttplug.messages import InputType, OutputType
from relay.link.messages import Packet


class ProtocolError(Exception):
    """The device did not answer as its protocol demands; the text names device and step."""


class NoEndpoint(ProtocolError, LookupError):
    """The device lacks a characteristic that its protocol writes to."""


class StepFailed(Exception):
    """Thrown into a generator whose step could not be carried out or timed out."""


@dataclass(frozen=True, slots=True)
class KeptAlive:
    """Repeat `packet`, or what was written last (one per key), every `every_ms`.

    `only_running`: only while a value is not at rest. `only_demanded`: only where the transport
    demands traffic (phones in the background). `primed`: send the stop once after the handshake,
    so that there is something to repeat.
    """

    every_ms: int
    packet: Packet | None = None
    only_running: bool = False
    only_demanded: bool = False
    primed: bool = False


@dataclass(frozen=True, slots=True)
class WriteStep:
    """`asks`: what the device said before is no answer to it, and is forgotten."""

    endpoint: str
    data: bytes
    response: bool = False
    asks: bool = True


@dataclass(frozen=True, slots=True)
class ReadStep:
    endpoint: str


@dataclass(frozen=True, slots=True)
class SubscribeStep:
    endpoint: str


@dataclass(frozen=True, slots=True)
class UnsubscribeStep:
    endpoint: str


@dataclass(frozen=True, slots=True)
class WaitStep:
    """Wait for the next notification of `endpoint` since the last step; brings its bytes."""

    endpoint: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class SleepStep:
    ms: int


@dataclass(frozen=True, slots=True)
class NoticeStep:
    """Tell the user something they must do ("press the power button")."""

    text: str


Step = WriteStep | ReadStep | SubscribeStep | UnsubscribeStep | WaitStep | SleepStep | NoticeStep
T = TypeVar("T")
Steps = Generator[Step, bytes | None, T]


class DeviceProtocol(Protocol):
    """Makes the bytes of one connected device; remembers what its packets need to know.

    Values are in the device's own steps (the definition's ranges), already limited. What it makes
    are packets as the link carries them, by the handles of the device that it was opened with, and
    newer ones replace queued ones that share a key, never packets of their own command. All methods
    are cheap and synchronous. The memory starts at rest on every connect.
    """

    @property
    def keepalive(self) -> KeptAlive | None: ...

    def handshake(self) -> Steps[None]:
        """What must happen after connecting, before the device is announced."""
        ...

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        """Packets that bring `feature` to `value`. Raises ProtocolError without such an output."""
        ...

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        """Packets that bring these features (None: all) to rest, merged; empty if none exist.

        Also resets the memory of those features.
        """
        ...

    def armed(self) -> tuple[Packet, ...] | None:
        """The packets of `stop(None)` for somebody else to keep: no counter goes on for them.

        They are sent without knowing what the device does, so they bring it to rest from any state
        and move nothing that is at rest. None: no packet does (off is a toggle), the device must be
        let go. Empty: silence is its stop, or it ends its move and holds.
        """
        ...

    @property
    def listens(self) -> tuple[str, ...]:
        """Endpoints, subscribed by the handshake, whose notifications `heard` is to be given."""
        ...

    def heard(self, endpoint: str, data: bytes) -> tuple[Packet, ...]:
        """Packets that what the device just said makes due. What makes no sense is passed over."""
        ...

    def shares_packets(self, feature: int) -> bool:
        """Whether a packet of this feature also carries other features' values."""
        ...

    def read(self, feature: int, kind: InputType) -> Steps[int]:
        """Ask once for a reading."""
        ...

    def subscription(self, feature: int, kind: InputType) -> str:
        """The endpoint whose notifications carry this input."""
        ...

    def reading(self, feature: int, kind: InputType, data: bytes) -> int | None:
        """The reading inside a notification of `subscription`, None if it holds none."""
        ...

    @property
    def tick_ms(self) -> int | None:
        """How soon `tick` wants to be called; None while there is nothing to do by the clock."""
        ...

    def tick(self) -> tuple[Packet, ...]:
        """Packets that time alone makes due."""
        ...
