"""`ToyModel`: what a simulated toy is, as data; and the small language its bytes are written in.

`toys.json` is `{"toys": [ToyModel, …]}`. `ToyCharacteristic`, `ToyCue` and `ToyResponse` are JSON
arrays of their fields in order, trailing defaults may be left out; the others are objects,
defaults left out:

    {"name": "Lovense Hush", "protocol": "lovense", "advertised": ["LVS-Z001", "LVS-Z*"],
     "services": {"5a300001-…": [["tx", "5a300002-…", "wW"], ["rx", "5a300003-…", "n"]]},
     "answers": [["tx", "'DeviceType;", "rx", "'Z:11:{mac};"],
                 ["tx", "'Battery;", "rx", "'{battery};"]],
     "motors": [{"name": "vibrate", "top": 20,
                 "drives": [["tx", "'Vibrate:*;", 0]], "rest": [["tx", "'Vibrate:0;"]]}]}

Bytes are hex digits in lower case, or text after one apostrophe: `f100` and `'Vibrate:0;`. In
patterns `?` stands for one hex digit (one character of text) and `*` for any number of them, also
none. In what a toy answers, `{mac}` (twelve hex digits) and `{battery}` (percent; one byte in hex,
decimal in text) are replaced.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from relay.link.messages import U8, U16, Uuid

PROPERTIES = {
    "r": "read",
    "w": "write",
    "W": "write-without-response",
    "n": "notify",
    "i": "indicate",
}

_TEXT = "'"
_HEX = re.compile(r"[0-9a-f]*")
_HEX_PATTERN = re.compile(r"[0-9a-f?*]*")
_NUMBER = re.compile(r"\d+")


class ModelError(ValueError):
    """A toy's data contradicts itself; the text names the toy and what is wrong."""


class ToyCharacteristic(Struct, frozen=True, array_like=True):
    """`role`: the endpoint's name (tx, …), once per toy; `properties`: letters of PROPERTIES."""

    role: str
    uuid: Uuid
    properties: str = "wW"


class ToyCue(Struct, frozen=True, array_like=True):
    """Writes to `role` that look like `pattern`.

    `at` says where the level is: the number of the byte, in text the number of the run of digits
    (`'Vibrate1:20;` has 1 at 0 and 20 at 1). `mask` picks its bits in a byte.
    """

    role: str
    pattern: str
    at: int | None = None
    mask: U8 = 0xFF


class Motor(Struct, frozen=True, omit_defaults=True):
    """One output. A write like one of `rest` turns it off, else one like `drives` turns it on.

    A write like one of `toggles` turns it on if it is off, and off if it is on. `top`: the level
    that is full power, 0 if levels mean nothing. `silence_ms`: it turns itself off when no driving
    write has come for that long. Positions are no motors: they end their last move.
    """

    name: str
    drives: tuple[ToyCue, ...]
    rest: tuple[ToyCue, ...] = ()
    top: int = 0
    silence_ms: int | None = None
    toggles: tuple[ToyCue, ...] = ()


class ToyResponse(Struct, frozen=True, array_like=True):
    """A write to `role` like `pattern` brings a notification of `data` on `via`."""

    role: str
    pattern: str
    via: str
    data: str


class ToyModel(Struct, frozen=True, omit_defaults=True):
    """`advertised`: the names it can have, the first by default; a `*` is for finding it only.

    `services`: UUID → characteristics. `uuids`: service UUIDs in its advertisements.
    `manufacturer`: company number (decimal) → bytes. `reads`: role → bytes. `greets`: role → bytes
    that it notifies once somebody has subscribed. `mtu`: what it grants.
    """

    name: str
    protocol: str
    advertised: Annotated[tuple[str, ...], Meta(min_length=1)]
    services: dict[Uuid, tuple[ToyCharacteristic, ...]]
    uuids: tuple[Uuid, ...] = ()
    manufacturer: dict[U16, str] = {}
    reads: dict[str, str] = {}
    answers: tuple[ToyResponse, ...] = ()
    greets: dict[str, str] = {}
    motors: tuple[Motor, ...] = ()
    mtu: Annotated[int, Meta(ge=23, le=517)] = 247

    @property
    def roles(self) -> dict[str, ToyCharacteristic]:
        """Characteristics by role. Raises ModelError if one occurs twice."""
        found: dict[str, ToyCharacteristic] = {}
        for characteristics in self.services.values():
            for one in characteristics:
                if one.role in found:
                    raise ModelError(f"{self.name}: two characteristics are called {one.role}.")
                found[one.role] = one
        return found


class _ToysFile(Struct):
    toys: tuple[ToyModel, ...]
    # Names (or how they begin, with a `*`) that no toy of these advertises → protocol.
    kinds: dict[str, str] = {}


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    if not pattern.startswith(_TEXT) and not _HEX_PATTERN.fullmatch(pattern):
        raise ModelError(f"{pattern!r} is neither hex digits with ? and * nor 'text.")
    glob = {"?": ".", "*": ".*"}
    body = pattern.removeprefix(_TEXT)
    return re.compile("".join(glob.get(c) or re.escape(c) for c in body), re.DOTALL)


def matches(pattern: str, data: bytes) -> bool:
    """Whether `data` looks like `pattern`. Raises ModelError for a pattern that is none."""
    shown = data.decode("latin-1") if pattern.startswith(_TEXT) else data.hex()
    return _compiled(pattern).fullmatch(shown) is not None


def level(cue: ToyCue, data: bytes) -> int | None:
    """The level inside a write that fits `cue`, None if it says nothing about one."""
    if cue.at is None:
        return None
    if cue.pattern.startswith(_TEXT):
        numbers = _NUMBER.findall(data.decode("latin-1"))
        return int(numbers[cue.at]) if cue.at < len(numbers) else None
    if cue.at >= len(data) or not cue.mask:
        return None
    shift = (cue.mask & -cue.mask).bit_length() - 1
    return (data[cue.at] & cue.mask) >> shift


def render(text: str, *, mac: str, battery: int) -> bytes:
    """The bytes that `text` stands for. Raises ModelError if it stands for none."""
    if text.startswith(_TEXT):
        spoken = text[1:].replace("{mac}", mac).replace("{battery}", str(battery))
        return spoken.encode("latin-1", "replace")
    digits = text.replace("{mac}", mac.lower()).replace("{battery}", f"{battery:02x}")
    if not _HEX.fullmatch(digits) or len(digits) % 2:
        raise ModelError(f"{text!r} is neither whole bytes in hex nor 'text.")
    return bytes.fromhex(digits)


def check(model: ToyModel) -> None:
    """Raise ModelError unless every role that is named exists and all bytes can be read."""
    roles = model.roles
    cues = [cue for motor in model.motors for cue in (*motor.drives, *motor.rest, *motor.toggles)]
    named = [
        *model.reads,
        *model.greets,
        *(cue.role for cue in cues),
        *(role for answer in model.answers for role in (answer.role, answer.via)),
    ]
    for role in named:
        if role not in roles:
            raise ModelError(f"{model.name} has no characteristic called {role}.")
    for one in roles.values():
        if unknown := set(one.properties) - set(PROPERTIES):
            raise ModelError(f"{model.name}: {one.role} has unknown properties {sorted(unknown)}.")
    if model.advertised[0].endswith("*"):
        raise ModelError(f"{model.name}: the first advertised name cannot end in *.")
    patterns = (*(cue.pattern for cue in cues), *(answer.pattern for answer in model.answers))
    said = (answer.data for answer in model.answers)
    try:
        for pattern in patterns:
            matches(pattern, b"")
        silent = (*model.reads.values(), *model.greets.values(), *model.manufacturer.values())
        for text in (*silent, *said):
            render(text, mac="000000000000", battery=0)
    except ModelError as exc:
        raise ModelError(f"{model.name}: {exc}") from exc


def decode(data: bytes) -> tuple[ToyModel, ...]:
    """Read a `toys.json`. Raises ModelError when it is not one."""
    try:
        return msgspec.json.decode(data, type=_ToysFile).toys
    except msgspec.MsgspecError as exc:
        raise ModelError(f"This is not a list of toys: {exc}") from exc


def decode_kinds(data: bytes) -> dict[str, str]:
    """Names in a `toys.json` that none of its toys advertises, and whose protocol each is."""
    return msgspec.json.decode(data, type=_ToysFile).kinds


def encode(toys: tuple[ToyModel, ...]) -> bytes:
    """Write a `toys.json`: one toy per line."""
    lines = b",\n".join(msgspec.json.encode(toy) for toy in toys)
    return b'{"toys": [\n' + lines + b"\n]}\n"
