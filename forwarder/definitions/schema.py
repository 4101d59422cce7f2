"""The shape of a protocol file. What its keys mean is written in data/README.md.

Only shape is checked here; what depends on other keys is checked where it is used (`check_*`
functions raise SchemaError with the path of the culprit).
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from forwarder.definitions.lines import Path, locate
from forwarder.definitions.model import TYPES
from relay.link.misfit import TABLE, misfit

U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_ENDPOINT = (
    r"^(command|firmware|rx|rxaccel|rxblebattery|rxblemodel|rxpressure|rxtouch|tx|txmode"
    r"|txshock|txvibrate|txvendorcontrol|whitelist|generic([12]?[0-9]|3[01]))$"
)
_MEANT = {
    _UUID: "a UUID in lower case, like 0000ffe1-0000-1000-8000-00805f9b34fb",
    _ENDPOINT: "an endpoint: tx, rx, txmode, txvibrate, command, firmware, whitelist, "
    "rxblebattery, rxblemodel, rxpressure, rxaccel, rxtouch, generic0 … generic31",
}
EntryUuid = Annotated[str, Meta(pattern=_UUID)]
Endpoint = Annotated[str, Meta(pattern=_ENDPOINT)]
EntryMillis = Annotated[int, Meta(ge=0, le=60_000)]
EntryText = Annotated[str, Meta(max_length=2000)]
Ending = Annotated[str, Meta(min_length=1, max_length=4)]
EntryName = Annotated[str, Meta(min_length=1, max_length=128)]
EntryKey = Annotated[str, Meta(pattern=r"^[a-z][a-z_0-9-]{0,31}$")]
Constant = Annotated[str, Meta(pattern=r"^[a-z][a-z_0-9]{0,31}$")]
# Plain strings, checked in __post_init__: msgspec 0.22 corrupts memory over a union of an array
# with a Literal, or with a string that has a long pattern.
Types = str | tuple[str, ...]
Keys = str | tuple[str, ...] | None
_KEY = re.compile(r"[a-z][a-z_0-9-]{0,31}")
InputName = Annotated[str, Meta(pattern="^(battery|rssi|button|pressure|depth|position)$")]
Form = Annotated[str, Meta(pattern="^(hex|text|u32be)$")]
OnTimeout = Annotated[str, Meta(pattern="^(fail|continue)$")]
InputForm = Annotated[str, Meta(pattern="^(read|subscribe)$")]
Range = tuple[int, int]


class DefinitionError(Exception):
    """A file is wrong; the text is `file:line: reason`."""


class SchemaError(Exception):
    """The value at `path` of a file is wrong."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class _Strict(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ManufacturerEntry(_Strict, frozen=True):
    company: U16
    data: EntryText = ""


class Ble(_Strict, frozen=True):
    names: tuple[EntryName, ...] = ()
    manufacturer: tuple[ManufacturerEntry, ...] = ()
    advertised: tuple[EntryUuid, ...] = ()
    leave: tuple[EntryName, ...] = ()


class Serial(_Strict, frozen=True):
    baud: int
    bits: int = 8
    parity: str = "N"
    stop: int = 1
    port: str = "default"


class Match(_Strict, frozen=True):
    ble: Ble | None = None
    services: dict[EntryUuid, dict[Endpoint, EntryUuid]] = {}
    serial: Serial | None = None
    hid: tuple[tuple[U16, U16], ...] = ()
    usb: tuple[tuple[U16, U16], ...] = ()
    xinput: bool = False
    gamepad: bool = False
    advertised: bool = False
    simulated: bool = False
    http: bool = False
    websocket: EntryName | None = None
    ws: bool = False


def listed(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """One or several, as a tuple."""
    return (value,) if isinstance(value, str) else value or ()


def _check_keys(keys: Keys) -> None:
    for key in listed(keys):
        if not _KEY.fullmatch(key) or re.fullmatch(r"f\d+", key):
            raise ValueError(f"{key!r} is not a name for a key")


def _check_types(types: Types) -> None:
    for one in listed(types):
        if one not in TYPES:
            raise ValueError(f"{one!r} is not an output type (known: {', '.join(TYPES)})")


class PacketEntry(_Strict, frozen=True):
    bytes: EntryText | None = None
    text: EntryText | None = None
    to: Endpoint = "tx"
    response: bool = False
    when: EntryText | None = None
    key: Keys = None
    codec: str | None = None
    after_ms: EntryMillis = 0

    def __post_init__(self) -> None:
        _check_keys(self.key)


class Identify(_Strict, frozen=True):
    name: EntryText | None = None
    const: EntryText | None = None
    mfg: Annotated[str, Meta(pattern="^u32be$")] | None = None
    company: U16 | None = None
    read: Endpoint | None = None
    form: Form | None = msgspec.field(default=None, name="as")
    subscribe: Endpoint | None = None
    ask: PacketEntry | None = None
    on: Endpoint | None = None
    match: EntryText | None = None
    rename: EntryText | None = None
    until: Ending | None = None
    timeout_ms: EntryMillis = 500
    tries: Annotated[int, Meta(ge=1, le=20)] = 1


class Redirect(_Strict, frozen=True):
    when: EntryText
    protocol: EntryName


class Init(_Strict, frozen=True):
    write: EntryText | None = None
    text: EntryText | None = None
    to: Endpoint = "tx"
    response: bool = False
    codec: str | None = None
    read: Endpoint | None = None
    capture: Constant | None = msgspec.field(default=None, name="as")
    let: dict[Constant, EntryText] = {}
    subscribe: Endpoint | None = None
    unsubscribe: Endpoint | None = None
    wait: Endpoint | None = None
    timeout_ms: EntryMillis = 500
    match: EntryText | None = None
    on_timeout: OnTimeout = "fail"
    sleep_ms: EntryMillis | None = None
    hook: EntryName | None = None
    on: Endpoint | None = None
    when: EntryText | None = None


class KeepAliveEntry(_Strict, frozen=True):
    every_ms: Annotated[int, Meta(ge=20, le=60_000)] | None = None
    resend: Annotated[str, Meta(pattern="^last$")] | None = None
    while_: EntryText | None = msgspec.field(default=None, name="while")
    mode: Annotated[str, Meta(pattern="^os$")] | None = None
    bytes: EntryText | None = None
    text: EntryText | None = None
    to: Endpoint = "tx"
    response: bool = False


class Input(_Strict, frozen=True):
    command: InputForm
    range: Range = (0, 100)


InputOf = InputForm | Input


class Feature(_Strict, frozen=True):
    index: Annotated[int, Meta(ge=0, le=255)] | None = None
    id: EntryUuid | None = None
    description: EntryName | None = None
    word: Annotated[str, Meta(pattern=r"^\S{1,16}$")] | None = None
    vibrate: Range | UnsetType = UNSET
    rotate: Range | UnsetType = UNSET
    oscillate: Range | UnsetType = UNSET
    constrict: Range | UnsetType = UNSET
    temperature: Range | UnsetType = UNSET
    led: Range | UnsetType = UNSET
    spray: Range | UnsetType = UNSET
    position: Range | UnsetType = UNSET
    hw_position_with_duration: Range | UnsetType = UNSET
    duration: Range | None = None
    battery: InputOf | UnsetType = UNSET
    rssi: InputOf | UnsetType = UNSET
    button: InputOf | UnsetType = UNSET
    pressure: InputOf | UnsetType = UNSET
    depth: InputOf | UnsetType = UNSET


class DeviceEntry(_Strict, frozen=True):
    ids: Annotated[tuple[str, ...], Meta(min_length=1)]
    name: EntryName
    id: EntryUuid | None = None
    variant: EntryKey | None = None
    set: dict[Constant, int | str] = {}
    message_gap_ms: EntryMillis | None = None
    feature: tuple[Feature, ...] | None = None


class OutputEntry(_Strict, frozen=True):
    on: Types
    when: EntryText | None = None
    remember: bool = True
    send: tuple[PacketEntry, ...] | None = None
    ticks: EntryName | None = None
    bytes: EntryText | None = None
    text: EntryText | None = None
    to: Endpoint = "tx"
    response: bool = False
    key: Keys = None
    codec: str | None = None
    after_ms: EntryMillis = 0

    def __post_init__(self) -> None:
        _check_types(self.on)
        _check_keys(self.key)

    @property
    def packets(self) -> tuple[PacketEntry, ...]:
        """What is sent: `send`, or the one packet that stands in the rule itself."""
        if self.send is not None:
            return self.send
        if self.bytes is None and self.text is None:
            return ()
        return (
            PacketEntry(
                bytes=self.bytes,
                text=self.text,
                to=self.to,
                response=self.response,
                key=self.key,
                codec=self.codec,
                after_ms=self.after_ms,
            ),
        )


class StopEntry(_Strict, frozen=True):
    on: Types
    when: EntryText | None = None
    bytes: EntryText | None = None
    text: EntryText | None = None
    to: Endpoint = "tx"
    response: bool = False
    codec: str | None = None

    def __post_init__(self) -> None:
        _check_types(self.on)

    @property
    def packet(self) -> PacketEntry:
        return PacketEntry(
            bytes=self.bytes,
            text=self.text,
            to=self.to,
            response=self.response,
            codec=self.codec,
        )


class ReadingEntry(_Strict, frozen=True):
    on: InputName
    value: EntryText
    feature: int | None = None
    read: Endpoint | None = None
    ask: PacketEntry | None = None
    from_: Endpoint | None = msgspec.field(default=None, name="from")
    subscribe: Endpoint | None = None
    match: EntryText | None = None
    when: EntryText | None = None
    until: Ending | None = None
    timeout_ms: EntryMillis = 2000


class File(_Strict, frozen=True):
    """One protocol file."""

    protocol: EntryKey
    match: tuple[Match, ...]
    name: EntryName | None = None
    variant: EntryKey | None = None
    id: EntryUuid | None = None
    set: dict[Constant, int | str] = {}
    message_gap_ms: EntryMillis | None = None
    code: EntryName | None = None
    codec: str | None = None
    identify: tuple[Identify, ...] = ()
    redirect: Redirect | None = None
    init: tuple[Init, ...] = ()
    keepalive: KeepAliveEntry | None = None
    feature: tuple[Feature, ...] = ()
    device: tuple[DeviceEntry, ...] = ()
    output: tuple[OutputEntry, ...] = ()
    stop: tuple[StopEntry, ...] = ()
    input: tuple[ReadingEntry, ...] = ()


def decode(text: str, source: str) -> File:
    """The file's structs. Raises DefinitionError with `source`, line and reason."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line (\d+)", str(error))
        line = int(where[1]) if where else 1
        raise DefinitionError(f"{source}:{line}: {error}") from error
    except RecursionError as error:
        raise DefinitionError(f"{source}:1: arrays or tables nest too deeply") from error
    try:
        return msgspec.convert(table, File)
    except msgspec.ValidationError as error:
        reason, path = _split(str(error))
        if not reason.startswith("expected "):
            reason = misfit(error, File, table=TABLE).text
        raise locate_error(text, source, path, reason) from error


def locate_error(text: str, source: str, path: Path, reason: str) -> DefinitionError:
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    line = locate(text, path)
    return DefinitionError(f"{source}:{line}: {where.removeprefix('.') or 'file'}: {reason}")


def _split(message: str) -> tuple[str, Path]:
    """msgspec ends its messages with ` - at `$.output[3].bytes``."""
    reason, _, where = message.partition(" - at `$")
    path: list[str | int] = []
    for key, index in re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", where):
        path.append(int(index) if index else key)
    for pattern, meant in _MEANT.items():
        if f"matching regex '{pattern}'" in reason:
            reason = f"expected {meant}"
    unknown = re.search(r"unknown field `([^`]+)`", reason)
    if unknown:
        path.append(unknown[1])
    return reason, tuple(path)
