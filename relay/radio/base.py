"""The seam to radios: `Radio` finds and connects peripherals, `Connection` is one of them.

Everything above works alike with bleak, with simulated toys and with whatever comes later. Errors
of a radio's library are translated into `RadioError` in the file that imports the library.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Never, Protocol, runtime_checkable

from relay.link.messages import Advertisement, ErrorCode, RadioInfo, Service

OnAdvertisement = Callable[[Advertisement], None]
OnGone = Callable[[str], None]
OnValue = Callable[[bytes], None]


class RadioError(Exception):
    """A radio operation failed; `code` says what kind of failure, the text is one plain line.

    `full`: it could not connect because all its places are taken, whatever it was to connect.
    """

    def __init__(self, code: ErrorCode, text: str, *, full: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.full = full


class Connection(Protocol):
    """A connected peripheral. One operation at a time; the caller (Peripheral) sees to that.

    Every operation raises RadioError, and leaves the connection usable unless the code is GONE. One
    that is cancelled may have reached the peripheral all the same, and may still be under way.
    """

    @property
    def services(self) -> tuple[Service, ...]:
        """What discovery found; characteristic handles are unique within this connection."""
        ...

    @property
    def mtu(self) -> int:
        """Of ATT, in bytes: 23 at least; a write without response carries 3 less."""
        ...

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        """Return once the radio (or, with `response`, the peripheral) has taken the bytes."""
        ...

    async def read(self, handle: int) -> bytes:
        """Return the value of the characteristic, 512 bytes at most."""
        ...

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        """Return once the peripheral sends notifications. `on_value` is called from the event loop,
        in the order of arrival, and must not wait."""
        ...

    async def unsubscribe(self, handle: int) -> None:
        """`on_value` is not called any more when this returns."""
        ...

    async def disconnect(self) -> None:
        """Let the peripheral go. Idempotent; `on_gone` is not called for it."""
        ...


@runtime_checkable
class WritesAtOnce(Protocol):
    """A connection that takes most writes without any waiting."""

    def write_now(self, handle: int, data: bytes, response: bool) -> bool:
        """As `write`, if that needs no waiting: it was taken when this returns True.

        False: nothing has happened, `write` does it. Raises RadioError as `write` does.
        """
        ...


@runtime_checkable
class Outlasting(Protocol):
    """A connection that is an open port or socket: a process that has it, too, can stop the device.

    `number`: no other connection of this process ever has the same.
    """

    @property
    def number(self) -> int: ...

    def descriptor(self) -> int | None:
        """None if it is closed, or the system has no such thing."""
        ...

    def on_wire(self, data: bytes) -> tuple[bytes, ...]:
        """What to write there, one after the other, for what `write` is given. Nothing: nobody else
        can write there, and shutting it is the stop."""
        ...


class Radio(Protocol):
    """One radio of this machine."""

    @property
    def info(self) -> RadioInfo:
        """Its state now, for people: read at each change of it, so it must not wait."""
        ...

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        """Report every advertisement until cancelled. Raises RadioError if scanning fails."""
        ...

    async def connect(self, address: str, on_gone: OnGone) -> Connection:
        """Connect and discover services; the caller sets the deadline.

        `on_gone(reason)` is called once if the peripheral goes away by itself after this returned.
        A failed or cancelled connect leaves nothing connected.
        """
        ...

    async def close(self) -> None:
        """Disconnect everything and give the radio back."""
        ...


@runtime_checkable
class Several(Protocol):
    """Radios that are one here, and hear each for itself."""

    def signals(self, address: str) -> dict[str, int]:
        """How strong (dBm) each radio heard it lately, by the radio's name; nothing unknown."""
        ...


@runtime_checkable
class TellsWhatToysDo(Protocol):
    """A radio whose peripherals can be asked, because they are simulated."""

    def words(self, address: str) -> str:
        """What the toy does by its own record, for people; "" if there is no such toy."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A radio with something to look after whether anybody scans or not: its state, a connection
    of its own."""

    async def watch(self) -> None:
        """Until cancelled. Whoever owns the radio runs it, once, beside all else."""
        ...


async def watch(radio: Radio) -> None:
    """Look after `radio`, if it wants that."""
    if isinstance(radio, Watched):
        await radio.watch()


class ChangingRadios(Protocol):
    """Radios that come and go. `trouble`: why there are none, where that is known."""

    trouble: str

    def add(self, radio: Radio) -> None: ...

    async def remove(self, radio: Radio) -> None:
        """It is gone; what it had connected is lost, which it tells by itself."""
        ...


# Brings radios and takes them away, until cancelled.
RadioSource = Callable[[ChangingRadios], Awaitable[Never]]


# Simulated toys are in this program; the system ends what a game pad does after its time.
_END_WITH_US = frozenset({"simulated", "gamepad"})


def toys_run_on(radio: Radio) -> bool:
    """Whether toys of `radio` go on when this program ends."""
    return bool(kinds(radio) - _END_WITH_US)


@runtime_checkable
class Growing(Protocol):
    """Radios of which more may come."""

    def to_come(self) -> frozenset[str]:
        """Their kinds."""
        ...


def kinds(radio: Radio) -> frozenset[str]:
    """The kinds of the radios that `radio` is made of or may be one day; its own if it is one."""
    info = radio.info
    more = radio.to_come() if isinstance(radio, Growing) else frozenset[str]()
    return frozenset(part.kind for part in info.parts) | more or frozenset({info.kind})
